#!/bin/bash
# lab-combinations.sh - nodes boot to a command through each DHCP server, TFTP server, loader, firmware and network card
#
# The fewest boots in which each choice of `bpboot lab` occurs, and each loader with each firmware that it is for, two at a
# time; bench/matrix boots them all. Servers that are not installed lie unpacked below $BUILD.
# alone
. tests/system/lib.sh

BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
export XDG_RUNTIME_DIR=$SCRATCH BPBOOT_DIR=$SCRATCH/boot BPBOOT_KEYS=$SCRATCH/keys
: "${KERNEL_FULL:?run it through ./check}"

finish() {
	local name

	for name in $(seq 6); do
		"$bpboot" lab down --name "c$name" >/dev/null 2>&1
	done
}
trap finish EXIT

if ! { get_stock && get_dhcp_stock && get_kea; } 2>"$SCRATCH/stock.log"; then
	echo "skip combinations - servers cannot be had: $(tail -n 1 "$SCRATCH/stock.log")"
	exit 0
fi
PATH=$PATH:/usr/sbin:/sbin:$(dirname "$(wrap "$BUILD/stock" usr/sbin/in.tftpd)") && wrap "$BUILD/stock" usr/sbin/atftpd >/dev/null
PATH=$PATH:$(dirname "$kea")
hash -r

## what makes no sense, and what is not there
t_says "pxelinux is refused for UEFI, with the reason" 2 "pxelinux.0 is a program for BIOS" \
	"$bpboot" lab up --loader pxelinux --firmware uefi
t_says "a unified kernel image is refused for BIOS, with the reason" 2 "is a program for UEFI" "$bpboot" lab up --loader uki
t_says "a loader is refused where none is run" 2 "QEMU loads the kernel" "$bpboot" lab up --loader grub --firmware direct
for option in dhcp tftp loader firmware; do
	t_says "an unknown --$option is refused, with those that there are" 2 "unknown --$option 'x': expected " \
		"$bpboot" lab up --$option x
done
without() { # FOLDER OPTION...: a lab where that folder is empty
	local dir=$1

	shift
	unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$dir" "$bpboot" lab up "$@"
}
if [ "$(id -u)" = 0 ]; then
	t_says "GRUB that is not installed is named with its package" 1 "install Debian's package grub-pc-bin" \
		without /usr/lib/grub --loader grub
	t_says "OVMF that is not installed is named with its package" 1 "install Debian's package ovmf" \
		without /usr/share/ovmf --firmware uefi
	bare() { # DIRECTORY OPTION...: a lab where the only servers are those of that directory
		local dir=$1

		shift
		unshare --mount sh -c 'mount -t tmpfs none /usr/sbin && PATH=$0 exec "$@"' "$dir" "$bpboot" lab up "$@"
	}
	mkdir -p "$SCRATCH/only" "$SCRATCH/nothing" && cp "$(command -v dnsmasq)" "$SCRATCH/only/"
	t_says "dnsmasq that is not installed is named with its package" 1 "install Debian's package dnsmasq-base" bare "$SCRATCH/nothing"
	while read -r option value package; do
		t_says "$option $value that is not installed is named with its package" 1 "install Debian's package $package" \
			bare "$SCRATCH/only" "$option" "$value"
	done <<-EOT
		--dhcp isc isc-dhcp-server
		--dhcp kea kea-dhcp4-server
		--tftp hpa tftpd-hpa
		--tftp atftpd atftpd
	EOT
fi

## boots
prepare() {
	mkdir -p "$BPBOOT_DIR" && "$bpboot" keygen --dir "$BPBOOT_KEYS" && "$bpboot" image --quiet examples/compute.image &&
		"$bpboot" initrd --quiet --kernel "$KERNEL_FULL" --modules e1000,e1000e,virtio_net,8139cp,8139too,vmxnet3
}
t "image and initrd" prepare
# boot NUMBER DHCP TFTP LOADER FIRMWARE NIC: prints its line
boot() {
	local name="$2 gives addresses, $3 files; $4 on $5; card $6" out

	if out=$(timeout 400 "$bpboot" lab run --name "c$1" --nodes 1 --accel tcg --timeout 300 --dhcp "$2" --tftp "$3" --loader "$4" \
		--firmware "$5" --nic "$6" -- bpsh 0 uname -n 2>&1) && printf '%s\n' "$out" | grep -qx n0; then
		echo "ok $name"
	else
		echo "not ok $name - $(printf '%s' "$out" | tail -n 4 | tr '\n' ' ' | LC_ALL=C tr -d '\000-\037' | cut -c1-350)"
	fi
}
pair() { # NUMBER
	local i=$1 p q

	# shellcheck disable=SC2086
	boot "$i" ${combinations[i - 1]} >"$SCRATCH/out.$i" &
	p=$!
	if [ -n "${combinations[i]-}" ]; then
		# shellcheck disable=SC2086
		boot $((i + 1)) ${combinations[i]} >"$SCRATCH/out.$((i + 1))" &
		q=$!
		wait $q
	fi
	wait $p
}
combinations=(
	"kea hpa grub uefi virtio"
	"isc atftpd pxelinux bios e1000"
	"dnsmasq hpa ipxe uefi vmxnet3"
	"kea dnsmasq grub bios rtl8139"
	"isc dnsmasq ipxe bios e1000e"
	"isc hpa uki uefi e1000e"
)
for i in 1 3 5; do
	pair $i
done
cat "$SCRATCH"/out.*
grep -q '^not ok' "$SCRATCH"/out.* && lib_failed=1
done_testing
