package main

// Random objects of built-in kinds as upstream fills them, in both of its forms.

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand"

	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"
)

func init() {
	functions["protobuf"] = func(in request) (any, error) {
		kind := kindOf(in)
		obj, err := scheme.Scheme.New(kind)
		if err != nil {
			return nil, err
		}
		funcs := fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, plainFuncs)
		filler := fuzzer.FuzzerFor(funcs, rand.NewSource(get[int64](in, "seed")), scheme.Codecs)
		filler.NilChance(get[float64](in, "nil")).NumElements(1, 2).MaxDepth(get[int](in, "depth")).Fill(obj)
		obj.GetObjectKind().SetGroupVersionKind(kind)
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
		if err != nil {
			return nil, err
		}
		return map[string]any{"body": base64.StdEncoding.EncodeToString(body.Bytes()), "json": json.RawMessage(text)}, nil
	}
}

// plainFuncs fill what upstream's own leave out or make of Go values that no body holds.
func plainFuncs(serializer.CodecFactory) []interface{} {
	return []interface{}{
		func(held *runtime.RawExtension, c randfill.Continue) {
			held.Raw, held.Object = []byte(`{"apiVersion":"a/v1","kind":"K","x":[1,null,"y"]}`), nil
		},
		func(held *metav1.FieldsV1, c randfill.Continue) { held.Raw = []byte(`{"f:spec":{"f:x":{}}}`) },
		func(held *metav1.MicroTime, c randfill.Continue) {
			held.Time = metav1.Unix(c.Int63n(1<<32), c.Int63n(1e6)*1000).UTC()
		},
	}
}
