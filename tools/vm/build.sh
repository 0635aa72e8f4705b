#!/usr/bin/env bash
# Builds what a test machine boots from: a Debian kernel, an initramfs that finds the disk, a root file system with
# Python, our dependencies and the tools a node needs. Nothing of the host is changed.
#
#   build.sh OUT SITE_PACKAGES      makes OUT/vmlinuz, OUT/initrd, OUT/root.img; OUT appears whole or not at all
#
# Needs root (mmdebstrap's chroot), and the Debian packages mmdebstrap, busybox-static, e2fsprogs.
set -euo pipefail
out=$1 site=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${out%/*}/.building-XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$work/out"

packages=python3,nftables,iproute2,busybox-static,kmod,procps,util-linux,ca-certificates,conntrack,iputils-ping
# The kernel comes as files: its package would build an initramfs of its own, for minutes.
mmdebstrap --quiet --variant=minbase --include="$packages" \
  --customize-hook='name=$(chroot "$1" apt-cache depends --no-recommends --no-suggests linux-image-cloud-amd64 | sed -n "s/^ *Depends: \(linux-image-.*\)/\1/p" | head -1) && chroot "$1" sh -c "mkdir -p /opt/kernel && cd /opt/kernel && apt-get download -qq -o APT::Sandbox::User=root $name && dpkg-deb -x linux-image-*.deb /opt/kernel && rm linux-image-*.deb"' \
  bookworm "$root"

kernel=$root/opt/kernel
version=$(ls "$kernel/lib/modules")
cp "$kernel/boot/vmlinuz-$version" "$work/out/vmlinuz"
mv "$kernel/lib/modules" "$root/usr/lib/modules"
rm -rf "$kernel" "$root"/lib/modules/"$version"/kernel/{sound,drivers/gpu,drivers/media,drivers/infiniband,drivers/scsi,drivers/usb}
chroot "$root" depmod "$version"

# The way to the root disk, in the order of loading.
ir=$work/initramfs
mkdir -p "$ir"/{bin,dev,proc,root,lib}
cp "$root/bin/busybox" "$ir/bin/"
for module in virtio_pci virtio_blk; do
  chroot "$root" modprobe -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
done | awk '!seen[$0]++' >"$work/modules"
while read -r path; do
  cp "$root$path" "$ir/lib/"
  basename "$path"
done <"$work/modules" >"$ir/lib/order"
install -m 755 "$here/guest/initramfs.sh" "$ir/init"
(cd "$ir" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/out/initrd"

# Python's packages, with what was compiled; what only checks or talks to clusters from outside stays away.
target=$root/usr/local/lib/python3.11/dist-packages
mkdir -p "$target"
tar -C "$site" -c --exclude='./kubernetes*' --exclude='./mypy*' --exclude='./*__mypyc*' --exclude='./box*' \
  --exclude='./grimp*' --exclude='./pip*' --exclude='./setuptools*' --exclude='./ast_serialize*' . | tar -C "$target" -x

install -m 755 "$here/guest/boot.sh" "$root/sbin/kctl-vm-boot"
install -m 755 "$here/guest/agent.py" "$root/sbin/kctl-vm-agent"
printf '::sysinit:/sbin/kctl-vm-boot\n::respawn:/sbin/kctl-vm-agent\n::ctrlaltdel:/bin/busybox poweroff -f\n' >"$root/etc/inittab"
ln -sf /bin/busybox "$root/sbin/init"
mkdir -p "$root/project"
mke2fs -q -t ext4 -O ^has_journal -d "$root" "$work/out/root.img" 1400M
rm -rf "$out"
mv "$work/out" "$out"
