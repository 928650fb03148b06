#!/bin/bash
# light-node.sh - what light_node of tests/system/lib.sh runs inside: make an initramfs of a tmpfs and become its init
set -e
root=$LIGHT_DIR/root
hostname localhost
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p dev proc sys run etc/bpboot lib/bpboot old
cp "$LIGHT_INIT" init
cp "$(command -v busybox)" busybox
cp "$LIGHT_KEY" etc/bpboot/sign.pub
echo "bpboot-modules 1" >lib/bpboot/modules.index
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --bind "$LIGHT_DIR/cmdline" proc/cmdline
mount -t tmpfs -o mode=755 tmpfs dev
mknod dev/null c 1 3
mknod dev/urandom c 1 9
: >dev/console
mount --bind "$LIGHT_DIR/console" dev/console
pivot_root . old
exec /busybox env -i /busybox sh -c \
	'/busybox umount -l /old; /busybox rmdir /old; /busybox rm /busybox; exec /init' </dev/null >/dev/null 2>&1
