#!/bin/sh
# Sets a test machine up: a pure cgroup v2 host with nobody above us. Arguments come on the kernel's command line:
#   kctl.name=HOSTNAME kctl.ip=ADDRESS/PREFIX
bb=/bin/busybox
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777,size=70% tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
for word in $(cat /proc/cmdline); do
  case $word in
  kctl.name=*) name=${word#*=} ;;
  kctl.ip=*) address=${word#*=} ;;
  esac
done
$bb hostname "${name:-vm}"
echo "127.0.0.1 localhost ${name:-vm}" >/etc/hosts
echo "${name:-vm}" >/etc/hostname
: >/etc/resolv.conf
for module in virtio_console virtio_net overlay; do modprobe "$module"; done
ip link set lo up
if [ -n "$address" ]; then
  ip addr add "$address" dev eth0
  ip link set eth0 up
fi
$bb mount -t ext4 /dev/vdb /project
