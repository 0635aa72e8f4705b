package main

// Strategic merge patch with the Go types of built-in kinds, JSON patch and merge patch as the API server applies them.

import (
	"bytes"
	"encoding/json"
	"io"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

func bytesReader(raw []byte) io.Reader { return bytes.NewReader(raw) }

func init() {
	functions["strategic"] = func(in request) (any, error) {
		kind, err := scheme.Scheme.New(kindOf(in))
		if err != nil {
			return nil, err
		}
		var made []byte
		switch get[string](in, "do") {
		case "patch":
			made, err = strategicpatch.StrategicMergePatch(in["original"], in["patch"], kind)
		case "two":
			made, err = strategicpatch.CreateTwoWayMergePatch(in["original"], in["modified"], kind)
		case "three":
			var looked strategicpatch.PatchMetaFromStruct
			if looked, err = strategicpatch.NewPatchMetaFromStruct(kind); err == nil {
				made, err = strategicpatch.CreateThreeWayMergePatch(
					in["original"], in["modified"], in["current"], looked, get[bool](in, "overwrite"))
			}
		}
		return json.RawMessage(made), err
	}
	functions["jsonpatch"] = func(in request) (any, error) {
		patch, err := jsonpatch.DecodePatch(in["patch"])
		if err != nil {
			return nil, err
		}
		made, err := patch.Apply(in["original"])
		return json.RawMessage(made), err
	}
	functions["mergepatch"] = func(in request) (any, error) {
		var made []byte
		var err error
		switch get[string](in, "do") {
		case "patch":
			made, err = jsonpatch.MergePatch(in["original"], in["patch"])
		case "two":
			made, err = jsonpatch.CreateMergePatch(in["original"], in["modified"])
		case "three":
			made, err = jsonmergepatch.CreateThreeWayJSONMergePatch(in["original"], in["modified"], in["current"])
		}
		return json.RawMessage(made), err
	}
}
