// A KMS v2 plugin on upstream's own gRPC server, and upstream's own envelope, for kctl to be held against.
//
//	kms serve SOCKET KEYID                 a plugin that seals by KEYID and opens by any: its keys are their ids' SHA-256
//	kms seal SOCKET NAME PATH  < value     the value as upstream's API server stores it at PATH, in base64
//	kms open SOCKET NAME PATH  < base64    what upstream's API server reads there
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/storage/value"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	"k8s.io/kms/pkg/service"
)

const annotation = "local-kek.example.org"

type keys struct{ current string }

func aead(id string) cipher.AEAD {
	sum := sha256.Sum256([]byte(id))
	block, err := aes.NewCipher(sum[:])
	check(err)
	gcm, err := cipher.NewGCM(block)
	check(err)
	return gcm
}

func (k keys) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: k.current}, nil
}

func (k keys) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	nonce := make([]byte, 12)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return &service.EncryptResponse{
		Ciphertext:  aead(k.current).Seal(nonce, nonce, data, nil),
		KeyID:       k.current,
		Annotations: map[string][]byte{annotation: []byte("kek\x00")},
	}, nil
}

func (k keys) Decrypt(_ context.Context, uid string, req *service.DecryptRequest) ([]byte, error) {
	if string(req.Annotations[annotation]) != "kek\x00" || uid == "" {
		return nil, fmt.Errorf("the annotations are not those that were given")
	}
	return aead(req.KeyID).Open(nil, req.Ciphertext[:12], req.Ciphertext[12:], nil)
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		check(service.NewGRPCService(os.Args[2], 5*time.Second, keys{os.Args[3]}).ListenAndServe())
		return
	}
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: kms serve SOCKET KEYID | kms seal|open SOCKET NAME PATH")
		os.Exit(2)
	}
	verb, socket, name, path := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := context.Background()
	plugin, err := kmsv2.NewGRPCService(ctx, "unix://"+socket, name, 5*time.Second)
	check(err)
	transformer, object, cacheKey, err := kmsv2.GenerateTransformer(ctx, "uid", plugin, true)
	check(err)
	state := kmsv2.State{
		Transformer:                           transformer,
		EncryptedObjectKeyID:                  object.KeyID,
		EncryptedObjectEncryptedDEKSource:     object.EncryptedDEKSource,
		EncryptedObjectAnnotations:            object.Annotations,
		EncryptedObjectEncryptedDEKSourceType: object.EncryptedDEKSourceType,
		ExpirationTimestamp:                   time.Now().Add(time.Minute),
		CacheKey:                              cacheKey,
		KMSProviderName:                       name,
	}
	envelope := kmsv2.NewEnvelopeTransformer(plugin, name, func() (kmsv2.State, error) { return state, nil }, "")
	given, err := io.ReadAll(os.Stdin)
	check(err)
	prefix := "k8s:enc:kms:v2:" + name + ":"
	where := value.DefaultContext(path)
	if verb == "seal" {
		sealed, err := envelope.TransformToStorage(ctx, given, where)
		check(err)
		fmt.Println(base64.StdEncoding.EncodeToString(append([]byte(prefix), sealed...)))
		return
	}
	stored, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(given)))
	check(err)
	opened, stale, err := envelope.TransformFromStorage(ctx, stored[len(prefix):], where)
	check(err)
	fmt.Fprintf(os.Stderr, "stale: %v\n", stale)
	_, err = os.Stdout.Write(opened)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
