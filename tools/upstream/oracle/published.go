package main

// What is published of a definition: apiextensions-apiserver's builders of OpenAPI.

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/kube-openapi/pkg/handler"
)

func init() {
	functions["published"] = func(in request) (any, error) {
		definition := get[apiextensionsv1.CustomResourceDefinition](in, "definition")
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&definition.Spec)
		options := builder.Options{V2: get[bool](in, "v2"), IncludeSelectableFields: true}
		if options.V2 {
			out, err := builder.BuildOpenAPIV2(&definition, get[string](in, "version"), options)
			if err == nil {
				out.Definitions = handler.PruneDefaults(out.Definitions) // as the controller does
			}
			return out, err
		}
		return builder.BuildOpenAPIV3(&definition, get[string](in, "version"), options)
	}
}
