// A client of kctl's made of upstream's client-go: each subcommand drives one of its surfaces against the cluster of a
// kubeconfig and prints a line of JSON for every step, {"step": ..., "error": ...}. The exit code is 1 where a step failed.
//
//	client [-kubeconfig FILE] [-json] typed NAMESPACE          typed clients: every verb, over protobuf unless -json
//	client ... generic NAMESPACE                               discovery, mapper, dynamic, metadata, OpenAPI
//	client ... informers NAMESPACE SECONDS                     informers under churn; the API server may die meanwhile
//	client ... lead NAMESPACE NAME IDENTITY                    leader election until it is killed
//	client ... exec websocket|spdy|fallback NAMESPACE POD -- COMMAND...
//	client ... forward websocket|spdy NAMESPACE POD PORT       one request to the pod's port, answer on stdout
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// steps prints what was done and remembers whether anything failed.
type steps struct{ failed bool }

func (s *steps) do(name string, action func() error) bool {
	said := map[string]string{"step": name}
	err := action()
	if err != nil {
		said["error"] = err.Error()
		s.failed = true
	}
	line, _ := json.Marshal(said)
	fmt.Println(string(line))
	return err == nil
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "the cluster")
	asJSON := flag.Bool("json", false, "JSON in place of protobuf")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	config.QPS = -1
	if !*asJSON {
		config.ContentType = protobuf
		config.AcceptContentTypes = protobuf + ",application/json"
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	surfaces := map[string]func(context.Context, *rest.Config, *steps, []string){
		"typed":     typed,
		"generic":   generic,
		"informers": informed,
		"lead":      lead,
		"exec":      execute,
		"forward":   forward,
	}
	surface, known := surfaces[flag.Arg(0)]
	if !known {
		fmt.Fprintln(os.Stderr, "no such surface:", flag.Arg(0))
		os.Exit(2)
	}
	var done steps
	surface(ctx, config, &done, flag.Args()[1:])
	if done.failed {
		os.Exit(1)
	}
}
