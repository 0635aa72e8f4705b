package main

// What is published of a definition: apiextensions-apiserver's builders of OpenAPI; and gnostic's protobuf form of it.

import (
	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder"
	"k8s.io/kube-openapi/pkg/handler"
	"sigs.k8s.io/yaml"
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
	functions["gnostic"] = func(in request) (any, error) { // the protobuf form of OpenAPI v2, as kubectl reads it
		document := &openapi_v2.Document{}
		if err := proto.Unmarshal(get[[]byte](in, "body"), document); err != nil {
			return nil, err
		}
		text, err := document.YAMLValue("")
		if err != nil {
			return nil, err
		}
		var out any
		err = yaml.Unmarshal(text, &out)
		return out, err
	}
}
