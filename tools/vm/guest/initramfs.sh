#!/bin/busybox sh
# The first process of a test machine: loads the disk's driver, goes over to the root file system.
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t devtmpfs none /dev
if /bin/busybox grep -q kctl.probe /proc/cmdline; then # only to see whether this machine boots at all
  echo kctl-vm-boots
  /bin/busybox poweroff -f
fi
while read -r module; do /bin/busybox insmod "/lib/$module"; done </lib/order
tries=0
until [ -b /dev/vda ] || [ $tries = 100 ]; do /bin/busybox usleep 50000; tries=$((tries + 1)); done
/bin/busybox mount -t ext4 /dev/vda /root || /bin/busybox poweroff -f
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
