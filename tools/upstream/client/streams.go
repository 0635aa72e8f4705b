package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

func metaStatus(err error) int32 {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code
	}
	return 0
}

func executor(how string, config *rest.Config, target *url.URL) (remotecommand.Executor, error) {
	sockets, err := remotecommand.NewWebSocketExecutor(config, "GET", target.String())
	if err != nil || how == "websocket" {
		return sockets, err
	}
	frames, err := remotecommand.NewSPDYExecutor(config, "POST", target)
	if err != nil || how == "spdy" {
		return frames, err
	}
	return remotecommand.NewFallbackExecutor(sockets, frames, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}

// execute runs a command; stdin, stdout and stderr are this program's, the container's exit code is the step's error.
func execute(ctx context.Context, config *rest.Config, do *steps, args []string) {
	how, space, pod, command := args[0], args[1], args[2], args[3:]
	if command[0] == "--" {
		command = command[1:]
	}
	config.ContentType, config.AcceptContentTypes = "", ""
	client := kubernetes.NewForConfigOrDie(config)
	request := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(space).Name(pod).SubResource("exec")
	request.VersionedParams(&corev1.PodExecOptions{Command: command, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	var out bytes.Buffer
	do.do("exec by "+how, func() error {
		through, err := executor(how, config, request.URL())
		if err != nil {
			return err
		}
		err = through.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: os.Stdin, Stdout: &out, Stderr: os.Stderr})
		var code exec.ExitError
		if errors.As(err, &code) {
			return fmt.Errorf("exit code %d", code.ExitStatus())
		}
		return err
	})
	fmt.Printf("%s", out.Bytes())
}

func dialer(how string, config *rest.Config, target *url.URL) (httpstream.Dialer, error) {
	if how == "websocket" {
		return portforward.NewSPDYOverWebsocketDialer(target, config)
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	return spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", target), nil
}

// forward asks the pod's port for / over HTTP, three times on one session, and prints the answer.
func forward(ctx context.Context, config *rest.Config, do *steps, args []string) {
	how, space, pod := args[0], args[1], args[2]
	port, _ := strconv.Atoi(args[3])
	config.ContentType, config.AcceptContentTypes = "", ""
	client := kubernetes.NewForConfigOrDie(config)
	target := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(space).Name(pod).SubResource("portforward").URL()
	through, err := dialer(how, config, target)
	if err != nil {
		panic(err)
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.New(through, []string{fmt.Sprintf("0:%d", port)}, stop, ready, io.Discard, os.Stderr)
	if err != nil {
		panic(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	do.do("forward by "+how, func() error {
		select {
		case err := <-ended:
			return err
		case <-ready:
		}
		ports, err := forwarder.GetPorts()
		if err != nil {
			return err
		}
		for range 3 {
			answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
			if err != nil {
				return err
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil {
				return err
			}
			fmt.Printf("%s\n", body)
		}
		return nil
	})
	close(stop)
}
