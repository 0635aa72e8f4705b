package main

import (
	"context"
	"errors"
	"fmt"
	"sort"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/util/retry"
)

type runtimeObject = runtime.Object

// generic drives what knows no types: discovery, mapper, dynamic, metadata and scale clients, OpenAPI.
func generic(ctx context.Context, config *rest.Config, do *steps, args []string) {
	space := args[0]
	client := kubernetes.NewForConfigOrDie(config)
	cached := memory.NewMemCacheClient(client.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	do.do("a namespace is made", func() error {
		named := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: space}}
		_, err := client.CoreV1().Namespaces().Create(ctx, named, metav1.CreateOptions{})
		return err
	})
	do.do("short names are mapped", func() error {
		expanded, err := restmapper.NewShortcutExpander(mapper, cached, nil).ResourceFor(schema.GroupVersionResource{Resource: "deploy"})
		if err == nil && expanded.Resource != "deployments" {
			err = fmt.Errorf("deploy is %v", expanded)
		}
		return err
	})
	lists, err := cached.ServerPreferredResources()
	do.do("discovery is whole", func() error { return err })
	all, meta := dynamic.NewForConfigOrDie(config), metadata.NewForConfigOrDie(metadata.ConfigFor(config))
	for _, list := range lists {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			panic(err)
		}
		for _, each := range list.APIResources {
			if verbs := metav1.Verbs(each.Verbs); !contains(verbs, "list") {
				continue
			}
			resource := group.WithResource(each.Name)
			do.do("list "+resource.String(), func() error {
				if _, err := all.Resource(resource).List(ctx, metav1.ListOptions{Limit: 3}); err != nil {
					return err
				}
				_, err := meta.Resource(resource).List(ctx, metav1.ListOptions{Limit: 3})
				return err
			})
		}
	}
	do.do("OpenAPI v3 tells of every group and version", func() error {
		root := openapi3.NewRoot(client.OpenAPIV3())
		versions, err := root.GroupVersions()
		if err != nil {
			return err
		}
		if len(versions) < 20 {
			return fmt.Errorf("only %d", len(versions))
		}
		sort.Slice(versions, func(i, j int) bool { return versions[i].String() < versions[j].String() })
		for _, each := range versions {
			if _, err := root.GVSpec(each); err != nil {
				return fmt.Errorf("%s: %w", each, err)
			}
		}
		return nil
	})
	do.do("OpenAPI v2 is read as protobuf", func() error {
		document, err := client.Discovery().OpenAPISchema()
		if err == nil && len(document.Definitions.AdditionalProperties) < 300 {
			err = errors.New("few definitions")
		}
		return err
	})
	do.do("the scale client scales what it does not know", func() error {
		deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
		made := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"},
			"spec": map[string]any{
				"replicas": int64(0), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
				"template": map[string]any{
					"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
					"spec":     map[string]any{"containers": []any{map[string]any{"name": "main", "image": "web:1"}}},
				},
			},
		}}
		if _, err := all.Resource(deployments).Namespace(space).Create(ctx, made, metav1.CreateOptions{FieldValidation: "Strict"}); err != nil {
			return err
		}
		scaler, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(client.Discovery()))
		if err != nil {
			return err
		}
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			now, err := scaler.Scales(space).Get(ctx, deployments.GroupResource(), "web", metav1.GetOptions{})
			if err != nil {
				return err
			}
			now.Spec.Replicas = 2
			after, err := scaler.Scales(space).Update(ctx, deployments.GroupResource(), now, metav1.UpdateOptions{})
			if err == nil && after.Spec.Replicas != 2 {
				err = fmt.Errorf("scaled to %d", after.Spec.Replicas)
			}
			return err
		})
	})
}

func contains(verbs []string, wanted string) bool {
	for _, each := range verbs {
		if each == wanted {
			return true
		}
	}
	return false
}
