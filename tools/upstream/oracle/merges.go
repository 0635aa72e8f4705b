package main

// structured-merge-diff itself, with any schema: a run of creates, updates and applies, and the single functions below.

import (
	"encoding/json"
	"fmt"
	"sort"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

func init() {
	functions["smd"] = func(in request) (any, error) {
		switch get[string](in, "do") {
		case "merge":
			return pair(in, func(left, right *typed.TypedValue) (any, error) {
				made, err := left.Merge(right)
				if err != nil {
					return nil, err
				}
				return made.AsValue().Unstructured(), nil
			})
		case "compare":
			return pair(in, func(left, right *typed.TypedValue) (any, error) {
				made, err := left.Compare(right)
				if err != nil {
					return nil, err
				}
				return map[string]any{
					"added": setText(made.Added), "modified": setText(made.Modified), "removed": setText(made.Removed),
				}, nil
			})
		case "fields":
			value, err := typedValue(in, "left")
			if err != nil {
				return nil, err
			}
			set, err := value.ToFieldSet()
			if err != nil {
				return nil, err
			}
			return setText(set), nil
		case "remove":
			value, err := typedValue(in, "left", typed.AllowDuplicates)
			if err != nil {
				return nil, err
			}
			return value.RemoveItems(readSet(in["fields"])).AsValue().Unstructured(), nil
		case "run":
			return run(in)
		case "union":
			return setText(readSet(in["left"]).Union(readSet(in["right"]))), nil
		case "difference":
			return setText(readSet(in["left"]).Difference(readSet(in["right"]))), nil
		case "intersection":
			return setText(readSet(in["left"]).Intersection(readSet(in["right"]))), nil
		case "paths":
			paths := []string{}
			readSet(in["left"]).Iterate(func(path fieldpath.Path) { paths = append(paths, path.String()) })
			return paths, nil
		}
		return nil, fmt.Errorf("do what?")
	}
}

var parsers = map[string]*typed.Parser{}

func parser(text string) *typed.Parser {
	if parsers[text] == nil {
		made, err := typed.NewParser(typed.YAMLObject(text))
		if err != nil {
			panic(err)
		}
		parsers[text] = made
	}
	return parsers[text]
}

func typedValue(in request, key string, options ...typed.ValidationOptions) (*typed.TypedValue, error) {
	name := get[string](in, "type")
	kind := typed.DeducedParseableType
	if name != "" {
		kind = parser(string(in["schema"])).Type(name)
	}
	value := get[any](in, key)
	return kind.FromUnstructured(normalizeNumbers(value), options...)
}

func pair(in request, do func(left, right *typed.TypedValue) (any, error)) (any, error) {
	left, err := typedValue(in, "left", typed.AllowDuplicates)
	if err != nil {
		return nil, fmt.Errorf("left: %w", err)
	}
	right, err := typedValue(in, "right", typed.AllowDuplicates)
	if err != nil {
		return nil, fmt.Errorf("right: %w", err)
	}
	return do(left, right)
}

func setText(set *fieldpath.Set) string {
	text, err := set.ToJSON()
	if err != nil {
		panic(err)
	}
	return string(text)
}

func readSet(raw json.RawMessage) *fieldpath.Set {
	set := fieldpath.NewSet()
	if err := set.FromJSON(bytesReader(raw)); err != nil {
		panic(err)
	}
	return set
}

type sameVersion struct{}

func (sameVersion) Convert(value *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return value, nil
}
func (sameVersion) IsMissingVersionError(error) bool { return false }

type step struct {
	Do, Manager string
	Force       bool
	Object      any
}

// run makes the steps at one version and tells after each what there is and who owns what, or who was in the way.
func run(in request) (any, error) {
	name := get[string](in, "type")
	kind := typed.DeducedParseableType
	if name != "" {
		kind = parser(string(in["schema"])).Type(name)
	}
	updater := (&merge.UpdaterBuilder{Converter: sameVersion{}}).BuildUpdater()
	live, err := kind.FromUnstructured(nil)
	if err != nil {
		return nil, err
	}
	managers, out := fieldpath.ManagedFields{}, []any{}
	for _, one := range get[[]step](in, "steps") {
		var made *typed.TypedValue
		var left fieldpath.ManagedFields
		value := normalizeNumbers(one.Object)
		if one.Do == "apply" {
			var config *typed.TypedValue
			if config, err = kind.FromUnstructured(value); err == nil {
				made, left, err = updater.Apply(live, config, "v1", managers.Copy(), one.Manager, one.Force)
			}
		} else {
			var object *typed.TypedValue
			if object, err = kind.FromUnstructured(value, typed.AllowDuplicates); err == nil {
				made, left, err = updater.Update(live, object, "v1", managers.Copy(), one.Manager)
			}
		}
		if conflicts, found := err.(merge.Conflicts); found {
			paths := []string{}
			for _, conflict := range conflicts {
				paths = append(paths, conflict.Manager+": "+conflict.Path.String())
			}
			sort.Strings(paths)
			out = append(out, map[string]any{"conflicts": paths})
			continue
		}
		if err != nil {
			out = append(out, map[string]any{"error": err.Error()})
			continue
		}
		if made != nil {
			live = made
		}
		managers = left
		owners := map[string]string{}
		for manager, set := range managers {
			owners[manager] = fmt.Sprintf("%v %s", set.Applied(), setText(set.Set()))
		}
		out = append(out, map[string]any{"live": live.AsValue().Unstructured(), "owners": owners})
	}
	return out, nil
}
