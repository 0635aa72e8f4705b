#!/usr/bin/env bash
# Builds upstream's generic API server (k8s.io/apiextensions-apiserver, as Debian packages its source) into the user's cache.
#
# Debian unstable carries Kubernetes' Go libraries as source packages. They are installed, with a Go compiler, into a chroot that is
# made for it, and the program is built there: nothing of it comes into this repository. Done once (ten minutes, 4 GB); the second
# time it does nothing. Needs root and mmdebstrap. KCTL_DEBIAN_MIRROR names a mirror; otherwise the one that apt uses.
set -euo pipefail
here="${XDG_CACHE_HOME:-$HOME/.cache}/kctl/upstream"
binary="$here/apiextensions-apiserver"
[ -x "$binary" ] && exit 0

say() { printf '\033[2m· %s\033[0m\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "building upstream's server needs root (a chroot)"; exit 1; }

chroot="$here/chroot"
mirror="${KCTL_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)}"
mkdir -p "$here"
if [ ! -e "$chroot/.made" ]; then
  say "installing upstream's sources and a compiler into $chroot"
  rm -rf "$chroot"
  # A mirror that is a snapshot may be older than its lists say they are good for.
  mmdebstrap -q --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=ca-certificates,golang-1.26,golang-k8s-apiextensions-apiserver-dev,golang-k8s-apiserver-dev,golang-k8s-client-go-dev,golang-k8s-sigs-structured-merge-diff-v6-dev,golang-k8s-streaming-dev,golang-k8s-kms-dev \
    sid "$chroot" "$mirror" >&2
  touch "$chroot/.made"
fi

say "building upstream's API server"
mkdir -p "$chroot/build"
cat >"$chroot/build/b.sh" <<'INSIDE'
set -e
export GOROOT=/usr/lib/go-1.26 PATH=/usr/lib/go-1.26/bin:$PATH GOPATH=/usr/share/gocode GOCACHE=/build/cache TMPDIR=/tmp HOME=/root
export GO111MODULE=off GOFLAGS=-p=2 CGO_ENABLED=0
cd /usr/share/gocode/src/k8s.io/apiextensions-apiserver
go build -o /build/apiextensions-apiserver .
INSIDE
unshare -mpf --root="$chroot" --mount-proc bash /build/b.sh
mv "$chroot/build/apiextensions-apiserver" "$binary"
