#!/bin/sh
# bpboot-generator.sh - a sysroot.mount for root=bpboot:URL, where systemd runs dracut's initramfs
#
# systemd's own generator would take the URL for a device and try to mount it. This one is read before that, and only
# says when: bpbootroot mounts the root, and the unit is active by that.

# shellcheck disable=SC1091
command -v getarg >/dev/null || . /lib/dracut-lib.sh
case $(getarg root=) in
bpboot | bpboot:*) ;;
*) exit 0 ;;
esac
cat >"${2:?}/sysroot.mount" <<'EOT'
[Unit]
Description=Root of bpboot-root
Before=initrd-root-fs.target
After=dracut-initqueue.service dracut-pre-mount.service
DefaultDependencies=no
[Mount]
What=/dev/root
Where=/sysroot
EOT
mkdir -p "$2/initrd-root-fs.target.requires" && ln -sf ../sysroot.mount "$2/initrd-root-fs.target.requires/"
