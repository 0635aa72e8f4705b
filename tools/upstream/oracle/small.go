package main

// The small languages: quantities, selectors, names, times, amounts of time, numbers or percentages, JSONPath.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/util/jsonpath"
)

var names = map[string]func(string) []string{
	"dns1123_label":      validation.IsDNS1123Label,
	"dns1123_subdomain":  validation.IsDNS1123Subdomain,
	"dns1035_label":      validation.IsDNS1035Label,
	"wildcard_subdomain": validation.IsWildcardDNS1123Subdomain,
	"qualified_name":     content.IsQualifiedName,
	"label_value":        content.IsLabelValue,
	"c_identifier":       content.IsCIdentifier,
	"env_var_name":       validation.IsRelaxedEnvVarName,
	"env_var_name_strict": validation.IsEnvVarName,
	"config_map_key":     validation.IsConfigMapKey,
	"http_header_name":   validation.IsHTTPHeaderName,
	"percent":            validation.IsValidPercent,
	"port_name":          validation.IsValidPortName,
	"ip":                 func(text string) []string { return said(validation.IsValidIPForLegacyField(nil, text, false, nil)) },
	"cidr":               func(text string) []string { return said(validation.IsValidCIDRForLegacyField(nil, text, false, nil)) },
}

func said(list field.ErrorList) []string {
	out := []string{}
	for _, one := range list {
		out = append(out, one.Detail)
	}
	return out
}

func init() {
	functions["quantity"] = func(in request) (any, error) {
		left, err := resource.ParseQuantity(get[string](in, "text"))
		if err != nil {
			return nil, err
		}
		right, err := resource.ParseQuantity(get[string](in, "other"))
		if err != nil {
			return nil, err
		}
		out := map[string]any{"text": left.String(), "value": left.Value(), "milli": left.MilliValue(), "compared": left.Cmp(right)}
		sum := left.DeepCopy()
		sum.Add(right)
		out["sum"] = sum.String()
		sum = left.DeepCopy()
		sum.Sub(right)
		out["rest"] = sum.String()
		return out, nil
	}
	functions["labels"] = func(in request) (any, error) {
		selector, err := labels.Parse(get[string](in, "text"))
		if err != nil {
			return nil, err
		}
		matches := []bool{}
		for _, set := range get[[]map[string]string](in, "sets") {
			matches = append(matches, selector.Matches(labels.Set(set)))
		}
		return map[string]any{"text": selector.String(), "matches": matches}, nil
	}
	functions["fields"] = func(in request) (any, error) {
		selector, err := fields.ParseSelector(get[string](in, "text"))
		if err != nil {
			return nil, err
		}
		matches := []bool{}
		for _, set := range get[[]map[string]string](in, "sets") {
			matches = append(matches, selector.Matches(fields.Set(set)))
		}
		return map[string]any{"text": selector.String(), "matches": matches}, nil
	}
	functions["selector"] = func(in request) (any, error) {
		held := get[*metav1.LabelSelector](in, "selector")
		selector, err := metav1.LabelSelectorAsSelector(held)
		if err != nil {
			return nil, err
		}
		matches := []bool{}
		for _, set := range get[[]map[string]string](in, "sets") {
			matches = append(matches, selector.Matches(labels.Set(set)))
		}
		return map[string]any{"text": selector.String(), "matches": matches}, nil
	}
	functions["name"] = func(in request) (any, error) {
		out := names[get[string](in, "rule")](get[string](in, "text"))
		if out == nil {
			out = []string{}
		}
		return out, nil
	}
	functions["time"] = func(in request) (any, error) {
		var held metav1.Time
		if err := json.Unmarshal(in["text"], &held); err != nil {
			return nil, err
		}
		return held, nil
	}
	functions["micro"] = func(in request) (any, error) {
		var held metav1.MicroTime
		if err := json.Unmarshal(in["text"], &held); err != nil {
			return nil, err
		}
		return held, nil
	}
	functions["duration"] = func(in request) (any, error) {
		held, err := time.ParseDuration(get[string](in, "text"))
		if err != nil {
			return nil, err
		}
		return held.String(), nil
	}
	functions["human"] = func(in request) (any, error) {
		return duration.HumanDuration(time.Duration(get[int64](in, "milliseconds")) * time.Millisecond), nil
	}
	functions["scaled"] = func(in request) (any, error) {
		held := get[intstr.IntOrString](in, "value")
		return intstr.GetScaledValueFromIntOrPercent(&held, get[int](in, "total"), get[bool](in, "up"))
	}
	functions["jsonpath"] = func(in request) (any, error) {
		path := jsonpath.New("oracle").AllowMissingKeys(true)
		if err := path.Parse(get[string](in, "text")); err != nil {
			return nil, fmt.Errorf("parse: %w", err)
		}
		var out bytes.Buffer
		if err := path.Execute(&out, normalizeNumbers(get[any](in, "object"))); err != nil {
			return nil, err
		}
		return out.String(), nil
	}
}
