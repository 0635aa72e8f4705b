// The oracle: upstream's own libraries behind one question a line.
//
// In: JSON requests on stdin, one a line, {"fn": "...", ...}. Out: JSON answers on stdout, one a line, in order:
// {"out": ...} or {"error": "..."}; a panic is an answer too, {"panic": "..."}.
// Each file of this folder adds the functions of one library to `functions`. Nothing here decides anything: a function
// hands its request to upstream's code and writes down what comes back, in a form that is the same at every run.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

type request map[string]json.RawMessage

type function func(request) (any, error)

var functions = map[string]function{}

// get reads one member of a request; what is absent stays the zero value.
func get[T any](in request, key string) T {
	var out T
	if raw, found := in[key]; found {
		if err := json.Unmarshal(raw, &out); err != nil {
			panic(fmt.Sprintf("request's %s: %v", key, err))
		}
	}
	return out
}

func answer(line []byte) (out map[string]any) {
	defer func() {
		if fault := recover(); fault != nil {
			out = map[string]any{"panic": fmt.Sprint(fault)}
		}
	}()
	var in request
	if err := json.Unmarshal(line, &in); err != nil {
		return map[string]any{"panic": err.Error()}
	}
	do, found := functions[get[string](in, "fn")]
	if !found {
		return map[string]any{"panic": "no function " + get[string](in, "fn")}
	}
	got, err := do(in)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"out": got}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<28)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(answer(lines.Bytes())); err != nil {
			text.Reset()
			fmt.Fprintf(&text, "{\"panic\": %q}\n", err.Error())
		}
		out.Write(text.Bytes())
		out.Flush()
	}
}
