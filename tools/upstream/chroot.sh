# What the builders of upstream's programs share; sourced.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/kctl/upstream"

say() { printf '\033[2m· %s\033[0m\n' "$*" >&2; }

need_root() { # and says where packages come from
  [ "$(id -u)" = 0 ] || { say "building upstream's programs needs root (a chroot)"; exit 1; }
  mkdir -p "$cache"
  mirror="${KCTL_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)}"
}

in_chroot() { # in_chroot DIRECTORY SCRIPT ARGUMENTS...: with a process tree and a /proc of its own
  local root=$1; shift
  unshare -mpf --root="$root" --mount-proc bash "$@"
}
