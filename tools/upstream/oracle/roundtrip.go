package main

// An object of a built-in kind as a server gives it back that holds it in upstream's types and stores it as protobuf, but
// definitions, which are stored as JSON.

import (
	"bytes"
	"encoding/json"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes/scheme"
)

func init() {
	functions["roundtrip"] = func(in request) (any, error) {
		kind := kindOf(in)
		obj, err := scheme.Scheme.New(kind)
		if err != nil {
			return nil, err
		}
		if err := utiljson.Unmarshal(in["object"], obj); err != nil {
			return nil, err
		}
		obj.GetObjectKind().SetGroupVersionKind(kind)
		if kind.Group == apiextensions.GroupName {
			text, err := json.Marshal(obj)
			return json.RawMessage(text), err
		}
		var body bytes.Buffer
		codec := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
		if err := codec.Encode(obj, &body); err != nil {
			return nil, err
		}
		read, _, err := codec.Decode(body.Bytes(), nil, nil)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(read)
		return json.RawMessage(text), err
	}
}
