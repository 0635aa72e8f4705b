package main

// Server-side apply and field ownership of built-in kinds: the field manager as the API server builds it, with the typed
// schema that client-go carries. A request holds the live object (with managedFields), so that every step stands alone.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	definitions "k8s.io/apiextensions-apiserver/pkg/client/applyconfiguration"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

func init() {
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		panic(err)
	}
	functions["apply"] = func(in request) (any, error) { return own(in, true) }
	functions["update"] = func(in request) (any, error) { return own(in, false) }
	functions["normal"] = normal
}

type nothingToDefault struct{}

func (nothingToDefault) Default(runtime.Object) {}

var fieldManagers = map[string]*managedfields.FieldManager{}

func fieldManager(kind schema.GroupVersionKind, subresource string) *managedfields.FieldManager {
	key := kind.String() + "/" + subresource
	if fieldManagers[key] == nil {
		types := applyconfigurations.NewTypeConverter(scheme.Scheme)
		if kind.Group == apiextensions.GroupName {
			types = definitions.NewTypeConverter(scheme.Scheme)
		}
		made, err := managedfields.NewDefaultFieldManager(
			types, runtime.UnsafeObjectConvertor(scheme.Scheme),
			nothingToDefault{}, scheme.Scheme, kind, kind.GroupVersion(), subresource, nil)
		if err != nil {
			panic(err)
		}
		fieldManagers[key] = made
	}
	return fieldManagers[key]
}

func kindOf(in request) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(get[string](in, "apiVersion"), get[string](in, "kind"))
}

// typedObject reads an object of the kind; nothing at all gives an empty one, as before a create.
func typedObject(kind schema.GroupVersionKind, raw json.RawMessage) (runtime.Object, error) {
	obj, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil, err
	}
	if len(raw) > 0 && string(raw) != "null" {
		if err := json.Unmarshal(raw, obj); err != nil {
			return nil, err
		}
	}
	obj.GetObjectKind().SetGroupVersionKind(kind)
	return obj, nil
}

type owned struct {
	Object        any              `json:"object,omitempty"`
	ManagedFields []entry          `json:"managedFields,omitempty"`
	Message       string           `json:"message,omitempty"`
	Reason        string           `json:"reason,omitempty"`
	Code          int32            `json:"code,omitempty"`
	Causes        []metav1.StatusCause `json:"causes,omitempty"`
}

// entry is one of managedFields with its fields as the text that goes over the wire.
type entry struct {
	Manager, Operation, APIVersion, Subresource, Time, Fields string
}

func own(in request, apply bool) (any, error) {
	kind, subresource := kindOf(in), get[string](in, "subresource")
	live, err := typedObject(kind, in["live"])
	if err != nil {
		return nil, fmt.Errorf("live: %w", err)
	}
	before := live.DeepCopyObject()
	manager, force := get[string](in, "manager"), get[bool](in, "force")
	var made runtime.Object
	if apply {
		config := &unstructured.Unstructured{Object: get[map[string]any](in, "object")}
		normalizeNumbers(config.Object)
		made, err = fieldManager(kind, subresource).Apply(live, config, manager, force)
	} else {
		var object runtime.Object
		if object, err = typedObject(kind, in["object"]); err != nil {
			return nil, fmt.Errorf("object: %w", err)
		}
		made, err = fieldManager(kind, subresource).Update(live, object, manager)
	}
	if err != nil {
		return refused(err)
	}
	if string(in["live"]) != "null" && len(in["live"]) > 0 {
		if made, err = fieldmanager.IgnoreManagedFieldsTimestampsTransformer(context.Background(), made, before); err != nil {
			return nil, err
		}
	}
	accessor, err := meta.Accessor(made)
	if err != nil {
		return nil, err
	}
	out := owned{}
	for _, held := range accessor.GetManagedFields() {
		one := entry{held.Manager, string(held.Operation), held.APIVersion, held.Subresource, "", string(held.FieldsV1.Raw)}
		if held.Time != nil {
			one.Time = held.Time.UTC().Format("2006-01-02T15:04:05Z")
		}
		out.ManagedFields = append(out.ManagedFields, one)
	}
	accessor.SetManagedFields(nil)
	out.Object = made
	return out, nil
}

func refused(err error) (any, error) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil, err
	}
	said := status.Status()
	out := owned{Message: said.Message, Reason: string(said.Reason), Code: said.Code}
	if said.Details != nil {
		out.Causes = said.Details.Causes
		// Upstream names the managers in the order of a Go map.
		sort.SliceStable(out.Causes, func(i, j int) bool { return out.Causes[i].Message < out.Causes[j].Message })
	}
	return out, nil
}

// normalizeNumbers makes what encoding/json calls a float the integer that upstream's own JSON reader would.
func normalizeNumbers(value any) any {
	switch held := value.(type) {
	case map[string]any:
		for key, item := range held {
			held[key] = normalizeNumbers(item)
		}
	case []any:
		for index, item := range held {
			held[index] = normalizeNumbers(item)
		}
	case float64:
		if held == float64(int64(held)) {
			return int64(held)
		}
	}
	return value
}

// normal is what the Go type makes of an object: upstream's JSON of it.
func normal(in request) (any, error) {
	return typedObject(kindOf(in), in["object"])
}
