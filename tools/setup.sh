#!/usr/bin/env bash
# Sets up what a make target needs, says what it installs, and does nothing the second time.
#   runtime         .venv with the locked dependencies and kctl itself, and the system packages a cluster needs
#   dev             the same with what development needs
#   test-packages   system packages that only tests talk to; a client in JavaScript (.venv/javascript) where there is npm;
#                   kubectl (.venv/kubectl) where there is none, and Debian 12's 1.20 (.venv/kubectl-1.20)
#   fuzz-packages   schemathesis, in a virtual environment of its own (.venv/fuzz)
#   vm-packages     what boots virtual machines
#   bench-packages  peers to measure against
#   upstream-packages  upstream's own API server, built from Debian's source packages, and an etcd for it
#   kubernetes-packages  Kubernetes 1.20.2 whole, with the conformance suite, from Debian 12's source package; and the above
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[2m· %s\033[0m\n' "$*" >&2; }

# need COMMAND DEBIAN-PACKAGE FEDORA-PACKAGE
wanted=()
need() {
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || {
    if command -v apt-get >/dev/null; then wanted+=("$2"); else wanted+=("$3"); fi
  }
}
install_wanted() {
  [ ${#wanted[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "missing and not root, so not installed: ${wanted[*]}"
    return 0
  fi
  say "installing system packages: ${wanted[*]}"
  local log; log=$(mktemp)
  if command -v apt-get >/dev/null; then
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  elif command -v dnf >/dev/null; then
    dnf install -qy "${wanted[@]}" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  else
    say "neither apt-get nor dnf is here: install ${wanted[*]} yourself"
    exit 1
  fi
  rm -f "$log"
}

system_packages() {
  need ip iproute2 iproute
  need nft nftables nftables
  need busybox busybox-static busybox
  install_wanted
}

environment() { # environment LOCKFILE STAMP
  if [ ! -x .venv/bin/python ]; then
    say "making the virtual environment .venv"
    python3 -m venv .venv 2>/dev/null || {
      wanted=(); need no-such-command-venv python3-venv python3; install_wanted; python3 -m venv .venv
    }
  fi
  say "installing locked dependencies from $1"
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$1"
  # kctl itself, editable: a path file is all that takes, and needs no build tool from outside.
  local site; site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  .venv/bin/python tools/link.py "$site"
  touch ".venv/$2"
}

fuzz_environment() {
  [ .venv/fuzz/.stamp -nt requirements-fuzz.lock ] && return 0
  say "installing schemathesis from requirements-fuzz.lock into .venv/fuzz"
  rm -rf .venv/fuzz
  .venv/bin/python -m venv .venv/fuzz
  .venv/fuzz/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
  touch .venv/fuzz/.stamp
}

javascript_environment() { # node itself is left to who has it: without it the tests of its client are skipped
  command -v node >/dev/null && command -v npm >/dev/null || { say "node or npm is missing: no JavaScript client is installed"; return 0; }
  [ .venv/javascript/.stamp -nt tests/compat/javascript/package-lock.json ] && return 0
  say "installing the JavaScript client into .venv/javascript"
  mkdir -p .venv/javascript
  cp tests/compat/javascript/package.json tests/compat/javascript/package-lock.json .venv/javascript/
  local log; log=$(mktemp)
  if (cd .venv/javascript && npm ci --ignore-scripts --no-audit --no-fund) >"$log" 2>&1; then
    touch .venv/javascript/.stamp
  else
    cat "$log" >&2
    say "npm could not: the tests of the JavaScript client are skipped"
  fi
  rm -f "$log"
}

# unpack PACKAGE DIRECTORY PROGRAM: one program of a Debian package into .venv, beside whatever is installed.
unpack() {
  say "unpacking $3 of Debian's $1 into .venv/$2"
  local there; there=$(mktemp -d)
  if (cd "$there" && apt-get download -q "$1" && dpkg-deb -x ./*.deb .) >"$there/log" 2>&1; then
    mkdir -p ".venv/$2"
    cp "$there/usr/bin/$3" ".venv/$2/"
  else
    cat "$there/log" >&2
    say "it could not be had: tests with it are skipped"
  fi
  rm -rf "$there"
}

old_kubectl() { # Debian 12's kubectl 1.20: one from before websockets and policy/v1 evictions
  [ -x .venv/kubectl-1.20/kubectl ] && return 0
  [[ $(apt-cache show kubernetes-client 2>/dev/null) == *$'\nVersion: 1.20.'* ]] || return 0
  unpack kubernetes-client kubectl-1.20 kubectl
}

kubectl_where_there_is_none() { # Debian 13's kubectl 1.32, asked for by a package list of its own: this machine's sources stay
  ! command -v kubectl >/dev/null && [ ! -x .venv/kubectl/kubectl ] && command -v apt-get >/dev/null || return 0
  local apt mirror; apt=$(mktemp -d)
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -1)
  mkdir -p "$apt"/{lists,archives}/partial && : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-none:} trixie main" >"$apt/sources.list"
  printf '%s "%s";\n' Dir::State "$apt/" Dir::State::status "$apt/status" Dir::Cache "$apt" \
    Dir::Etc::sourcelist "$apt/sources.list" Dir::Etc::sourceparts - >"$apt/apt.conf"
  if APT_CONFIG="$apt/apt.conf" apt-get update -q >"$apt/log" 2>&1; then
    APT_CONFIG="$apt/apt.conf" unpack kubectl kubectl kubectl
  else
    cat "$apt/log" >&2
    say "there is no kubectl, and none could be had: tests with it are skipped"
  fi
  rm -rf "$apt"
}

case "${1:-}" in
  runtime) system_packages; environment requirements.lock .runtime ;;
  dev) system_packages; environment requirements-dev.lock .dev; touch .venv/.runtime ;;
  test-packages) need curl curl curl; need docker-registry docker-registry docker-distribution; need etcd etcd-server etcd; need prometheus prometheus golang-github-prometheus; need victoria-metrics victoria-metrics victoria-metrics; install_wanted; javascript_environment; old_kubectl; kubectl_where_there_is_none ;;
  fuzz-packages) fuzz_environment ;;
  vm-packages) need qemu-system-x86_64 qemu-system-x86 qemu-system-x86-core; need mmdebstrap mmdebstrap mmdebstrap; need mke2fs e2fsprogs e2fsprogs; install_wanted ;;
  bench-packages) need crun crun crun; need runc runc runc; install_wanted ;;
  upstream-packages) need mmdebstrap mmdebstrap mmdebstrap; install_wanted; tools/upstream/build.sh ;;
  kubernetes-packages) "$0" upstream-packages; tools/upstream/kubernetes.sh ;;
  *) echo "use: $0 runtime|dev|test-packages|fuzz-packages|vm-packages|bench-packages|upstream-packages|kubernetes-packages" >&2; exit 2 ;;
esac
