#!/bin/sh
# bpbootroot.sh - dracut's handler of netroot=bpboot:URL: IF bpboot:URL NEWROOT
#
# Called by netroot.sh for each interface that is up. Why it failed is kept for failed-bpboot.sh, since another interface
# may come up and succeed.

PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ $# = 3 ] || exit 1
[ ! -e /run/bpboot/boot ] || exit 0
netif=$1 root=$2 NEWROOT=$3

# What dhclient was told; network-manager and systemd-networkd of dracut write the same file.
# shellcheck disable=SC1090
[ ! -e "/tmp/dhclient.$netif.dhcpopts" ] || . "/tmp/dhclient.$netif.dhcpopts"
gateway=${new_routers-}
set -- --root "$root" --interface "$netif" --boot-server "${new_next_server-}" --root-path "${new_root_path-}" \
	--boot-file "${new_filename-}" --dhcp-server "${new_dhcp_server_identifier-}" --gateway "${gateway%%[ ,]*}" \
	--hostname "${new_host_name-}" --lease "${new_dhcp_lease_time:-0}"
for server in ${new_domain_name_servers-}; do
	set -- "$@" --dns "$server"
done
read -r uptime rest </proc/uptime
mkdir -p /run/bpboot
if ! why=$(/usr/libexec/bpboot/bpboot-root "$@" --obtained "${uptime%%.*}" "$NEWROOT" 2>&1); then
	echo "$netif: $why" >>/run/bpboot/failed
	exit 1
fi
rm -f /run/bpboot/failed

# What is executed is the image's init, unless init= says otherwise: dracut takes it for a word of the kernel command
# line; systemd, where that runs the initramfs, has to be told unless it is systemd again.
while IFS='=' read -r key value; do
	[ "$key" = INIT ] || continue
	echo "init=$value" >/etc/cmdline.d/99-bpboot.conf
	case $value in
	/sbin/init | /usr/sbin/init | */systemd/systemd) continue ;;
	esac
	[ -d /run/systemd/system ] || continue
	mkdir -p /run/systemd/system/initrd-switch-root.service.d
	printf '[Service]\nExecStart=\nExecStart=systemctl --no-block switch-root /sysroot %s\n' "$value" \
		>/run/systemd/system/initrd-switch-root.service.d/bpboot.conf
	systemctl daemon-reload
done </run/bpboot/boot
[ -e /dev/root ] || ln -s ram0 /dev/root
exit 0
