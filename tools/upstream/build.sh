#!/usr/bin/env bash
# Builds, into the user's cache, programs made of upstream's own Go libraries as Debian packages their sources:
#   apiextensions-apiserver   upstream's generic API server, which answers for custom resources as kube-apiserver does
#   client                    a client of kctl's own, on client-go (client/)
#   kms                       a KMS plugin on upstream's gRPC server, and upstream's envelope (kms/)
#   oracle                    upstream's pure functions behind a pipe (oracle/)
#
# Debian unstable carries Kubernetes' Go libraries as source packages. They are installed, with a Go compiler, into a chroot that is
# made for it, and the programs are built there: nothing of upstream's comes into this repository. Done once (ten minutes, 4 GB);
# afterwards only what has changed is built. Needs root and mmdebstrap. KCTL_DEBIAN_MIRROR names a mirror; otherwise the one that
# apt uses.
set -euo pipefail
cd "$(dirname "$0")"
. ./chroot.sh
chroot="$cache/chroot"

is_built() { # is_built PROGRAM: its binary is there, and no source of ours is newer
  [ -x "$cache/$1" ] && { [ ! -d "$1" ] || [ -z "$(find "$1" -name '*.go' -newer "$cache/$1" -print -quit)" ]; }
}
wanted=()
for program in apiextensions-apiserver client kms oracle; do is_built "$program" || wanted+=("$program"); done
[ ${#wanted[@]} -gt 0 ] || exit 0
need_root
if [ ! -e "$chroot/.made" ]; then
  say "installing upstream's sources and a compiler into $chroot"
  rm -rf "$chroot"
  # A mirror that is a snapshot may be older than its lists say they are good for.
  mmdebstrap -q --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=ca-certificates,golang-1.26,golang-k8s-apiextensions-apiserver-dev,golang-k8s-apiserver-dev,golang-k8s-client-go-dev,golang-k8s-sigs-structured-merge-diff-v6-dev,golang-k8s-streaming-dev,golang-k8s-kms-dev,golang-etcd-server-dev \
    sid "$chroot" "$mirror" >&2
  touch "$chroot/.made"
fi

mkdir -p "$chroot/build/go/src/kctl"
cat >"$chroot/build/b.sh" <<'INSIDE'
set -e
export GOROOT=/usr/lib/go-1.26 PATH=/usr/lib/go-1.26/bin:$PATH GOPATH=/build/go:/usr/share/gocode GOCACHE=/build/cache TMPDIR=/tmp HOME=/root
export GO111MODULE=off GOFLAGS=-p=2 CGO_ENABLED=0
cd "$2"
go build -o "/build/$1" .
INSIDE
for program in "${wanted[@]}"; do
  say "building $program"
  source=/usr/share/gocode/src/k8s.io/$program
  if [ -d "$program" ]; then
    source=/build/go/src/kctl/$program
    rm -rf "$chroot$source"
    cp -r "$program" "$chroot$source"
  fi
  in_chroot "$chroot" /build/b.sh "$program" "$source"
  mv "$chroot/build/$program" "$cache/$program"
done
