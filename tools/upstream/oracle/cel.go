package main

// CEL with Kubernetes' libraries, as stored expressions are compiled; `self` is a dyn value.

import (
	"fmt"
	"sort"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"k8s.io/apiserver/pkg/cel/environment"
)

var celEnvironment *cel.Env

func init() {
	functions["cel"] = func(in request) (any, error) {
		if celEnvironment == nil {
			made, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(environment.VersionedOptions{
				IntroducedVersion: environment.DefaultCompatibilityVersion(),
				EnvOptions:        []cel.EnvOption{cel.Variable("self", cel.DynType)},
			})
			if err != nil {
				return nil, err
			}
			celEnvironment = made.StoredExpressionsEnv()
		}
		tree, issues := celEnvironment.Compile(get[string](in, "text"))
		if issues != nil && issues.Err() != nil {
			return nil, fmt.Errorf("compile: %w", issues.Err())
		}
		program, err := celEnvironment.Program(tree)
		if err != nil {
			return nil, fmt.Errorf("program: %w", err)
		}
		out, _, err := program.Eval(map[string]any{"self": normalizeNumbers(get[any](in, "self"))})
		if err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		return celValue(out), nil
	}
}

func celValue(value ref.Val) any {
	switch held := value.(type) {
	case types.Bool, types.Int, types.Uint, types.Double, types.String:
		return held.Value()
	case types.Bytes:
		return map[string]any{"bytes": string(held)}
	case types.Null:
		return nil
	case types.Duration:
		return map[string]any{"duration": held.Duration.Seconds()}
	case types.Timestamp:
		return map[string]any{"timestamp": held.Time.UTC().Format(time.RFC3339Nano)}
	case *types.Optional:
		if !held.HasValue() {
			return map[string]any{"optional": nil}
		}
		return map[string]any{"optional": celValue(held.GetValue())}
	case traits.Lister:
		out := []any{}
		for it := held.Iterator(); it.HasNext() == types.True; {
			out = append(out, celValue(it.Next()))
		}
		return out
	case traits.Mapper:
		pairs := []any{}
		for it := held.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			pairs = append(pairs, []any{fmt.Sprint(key.Value()), celValue(held.Get(key))})
		}
		sort.Slice(pairs, func(i, j int) bool { return pairs[i].([]any)[0].(string) < pairs[j].([]any)[0].(string) })
		return map[string]any{"map": pairs}
	}
	return map[string]any{"opaque": value.Type().TypeName()}
}
