package main

// Facts of upstream's Go types, by reflection.

import (
	"reflect"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

func init() {
	// always tells which fields of each type are there even when nobody set them, and what kind of value stands there:
	// upstream's structs have them whole, so that nobody is ever seen to add them. And which are pointers: of these a zero
	// is told.
	functions["always"] = func(request) (any, error) {
		out := map[string]map[string]string{}
		for kind, held := range scheme.Scheme.AllKnownTypes() {
			if !strings.Contains(kind.Version, "alpha") && !strings.Contains(kind.Version, "beta") && kind.Version != "__internal" {
				always(held, out)
			}
		}
		return out, nil
	}
}

func always(held reflect.Type, out map[string]map[string]string) {
	for held.Kind() == reflect.Pointer || held.Kind() == reflect.Slice || held.Kind() == reflect.Map {
		held = held.Elem()
	}
	name := strings.Replace(strings.ReplaceAll(held.PkgPath(), "/", "."), "k8s.io.", "io.k8s.", 1) + "." + held.Name()
	if held.Kind() != reflect.Struct || !strings.HasPrefix(name, "io.k8s.") || out[name] != nil {
		return
	}
	fields := map[string]string{}
	out[name] = fields
	for index := range held.NumField() {
		if held.Field(index).Anonymous {
			always(held.Field(index).Type, out)
		}
	}
	for _, field := range value.TypeReflectEntryOf(held).OrderedFields() {
		zero := field.GetFrom(reflect.New(held).Elem())
		if !field.CanOmit(zero) {
			fields[field.JsonName] = zero.Kind().String()
		} else if zero.Kind() == reflect.Pointer {
			fields[field.JsonName] = "pointer to " + zero.Type().Elem().Kind().String()
		}
		always(zero.Type(), out)
	}
}
