package main

// What is proxied: apimachinery's transport, between a request and an answer that are both made up here.

import (
	"bytes"
	"io"
	"net/http"
	"net/url"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/proxy"
	"k8s.io/klog/v2"
)

// answered is a server that answers everything alike, and remembers what it was sent.
type answered struct {
	status  int
	headers http.Header
	body    []byte
	sent    http.Header
}

func (a *answered) RoundTrip(sent *http.Request) (*http.Response, error) {
	a.sent = sent.Header.Clone()
	return &http.Response{StatusCode: a.status, Header: a.headers, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

func init() {
	klog.SetLogger(logr.Discard()) // what it does not rewrite, it tells
	functions["proxied"] = func(in request) (any, error) {
		to, err := url.Parse(get[string](in, "url"))
		if err != nil {
			return nil, err
		}
		other := &answered{status: get[int](in, "status"), headers: http.Header{}, body: get[[]byte](in, "body")}
		for name, value := range get[map[string]string](in, "headers") {
			other.headers.Set(name, value)
		}
		transport := &proxy.Transport{
			Scheme:       get[string](in, "scheme"),
			Host:         get[string](in, "host"),
			PathPrepend:  get[string](in, "prepend"),
			RoundTripper: other,
		}
		asked := &http.Request{Method: "GET", URL: to, Host: get[string](in, "asked_host"), Header: http.Header{}}
		got, err := transport.RoundTrip(asked)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(got.Body)
		if err != nil {
			return nil, err
		}
		return map[string]any{"headers": got.Header, "body": body, "sent": other.sent}, nil
	}
}
