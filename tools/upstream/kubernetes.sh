#!/usr/bin/env bash
# Builds Kubernetes 1.20.2 whole, into the user's cache (kubernetes-1.20/), from Debian 12's source package, which carries its own
# dependencies: kube-apiserver, kube-controller-manager, kube-scheduler, kubemark (upstream's kubelet and kube-proxy without a machine), the
# end-to-end tests with the conformance suite (e2e.test), and what the images of those tests need. Nothing of it comes into this repository.
#
# It is the newest release that a registry carries whole: later packages of Debian leave all but kubectl out. Done once (a quarter of an hour, 5 GB).
# Needs root and mmdebstrap. KCTL_DEBIAN_MIRROR names a mirror; otherwise the one that apt uses.
set -euo pipefail
cd "$(dirname "$0")"
. ./chroot.sh
made="$cache/kubernetes-1.20"
chroot="$cache/chroot-1.20"
tree=build/go/src/k8s.io/kubernetes
programs=(kube-scheduler kube-controller-manager kube-apiserver kubemark kubectl)

[ ! -e "$made/.made" ] || exit 0
need_root
if [ ! -e "$chroot/.made" ]; then
  say "fetching the source of Kubernetes 1.20.2 and its compiler into $chroot"
  rm -rf "$chroot"
  # The hook's apt speaks for the chroot, from outside of it.
  mmdebstrap -q --variant=minbase \
    --include=ca-certificates,gcc,libc6-dev,golang-1.19-go,golang-github-modern-go-reflect2-dev \
    --customize-hook='mkdir -p "$1/build/package" && cd "$1/build/package" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get source -q --download-only kubernetes' \
    bookworm "$chroot" "deb $mirror bookworm main" "deb-src $mirror bookworm main" >&2
  mkdir -p "$chroot/$tree"
  tar xf "$chroot"/build/package/kubernetes_1.20*.orig.tar.gz -C "$chroot/$tree" --strip-components=1
  # Its reflect2 is from before Go 1.18, whose maps it would misread: Debian's own is newer.
  rm -rf "$chroot/$tree/vendor/github.com/modern-go/reflect2"
  cp -r "$chroot/usr/share/gocode/src/github.com/modern-go/reflect2" "$chroot/$tree/vendor/github.com/modern-go/"
  touch "$chroot/.made"
fi

cat >"$chroot/build/b.sh" <<'INSIDE'
set -e
export GOROOT=/usr/lib/go-1.19 PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=/build/go GOCACHE=/build/cache TMPDIR=/tmp HOME=/root
export GO111MODULE=off GOFLAGS=-p=2 CGO_ENABLED=0
cd /build/go/src/k8s.io/kubernetes
version=
for package in component-base/version client-go/pkg/version; do
  for told in gitVersion=v1.20.2 gitMajor=1 gitMinor=20 gitCommit=faecb196815e248d3ecfb03c680a4507229c2a56; do # the tag's commit
    version="$version -X k8s.io/kubernetes/vendor/k8s.io/$package.$told"
  done
done
mkdir -p /build/out
case "$1" in
  generate) # the two files that upstream's make would generate: its published API, and the tests' manifests
    go build -o /build/openapi-gen ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    go build -o /build/go-bindata ./vendor/github.com/go-bindata/go-bindata/go-bindata
    /build/go-bindata -nometadata -o test/e2e/generated/bindata.go -pkg generated -ignore .jpg -ignore .png -ignore .md -ignore 'BUILD(\.bazel)?' \
      test/conformance/testdata/... test/e2e/testing-manifests/... test/e2e_node/testing-manifests/... test/images/... test/fixtures/...
    packages=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg staging/src/k8s.io | grep -vE 'testdata|generated/openapi|sample-|code-generator' | xargs -n1 dirname | sort -u |
      sed 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' | paste -sd,)
    /build/openapi-gen --logtostderr -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -i "$packages" \
      -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi -r /build/violations -o /build/generated
    cp /build/generated/k8s.io/kubernetes/pkg/generated/openapi/*.go pkg/generated/openapi/
    ;;
  e2e.test) go test -c -ldflags "$version" -o /build/out/e2e.test ./test/e2e ;;
  nonewprivs) go build -o /build/out/nonewprivs ./test/images/nonewprivs ;;
  agnhost) go build -o /build/out/agnhost ./test/images/agnhost ;;
  sample-apiserver) go build -o /build/out/sample-apiserver ./vendor/k8s.io/sample-apiserver ;;
  pause) CGO_ENABLED=1 gcc -Os -static -DVERSION=3.2 -o /build/out/pause build/pause/linux/pause.c ;;
  *) go build -ldflags "$version" -o "/build/out/$1" "./cmd/$1" ;;
esac
INSIDE
mkdir -p "$made/html"
for step in generate "${programs[@]}" e2e.test agnhost nonewprivs sample-apiserver pause; do
  say "Kubernetes 1.20.2: $step"
  in_chroot "$chroot" /build/b.sh "$step"
done
mv "$chroot"/build/out/* "$made/"
for image in kitten nautilus; do
  rm -rf "$made/html/$image" && cp -r "$chroot/$tree/test/images/$image/html" "$made/html/$image"
done
rm -rf "$made/porter" && mkdir "$made/porter" && cp "$chroot/$tree"/test/images/agnhost/porter/localhost.* "$made/porter/"
say "the root file system of the tests' clients"
mmdebstrap -q --variant=minbase --include=curl,netcat-openbsd,iproute2,bind9-dnsutils,wget bookworm "$made/conformance-base.tar" "$mirror" >&2
touch "$made/.made"
