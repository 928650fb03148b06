#!/bin/bash
# initrd-boot.sh - the full kernel's `net` set drives cards of four kinds at once, one of them behind USB
#
# A machine with no boot server: what counts is that init finds each card by the index of modules, and its link.
. tests/system/lib.sh

bp=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys
if [ ! -d "${KERNEL_FULL-}/lib/modules" ] || [ ! -x "$BUILD/src/init/init" ] || ! command -v qemu-system-x86_64 >/dev/null; then
	echo "skip the full kernel's drivers work - needs KERNEL_FULL, a static init and qemu-system-x86_64"
	exit 0
fi
"$bp" keygen >/dev/null || exit 1

qemu=
finish() { [ -z "$qemu" ] || kill "$qemu" 2>/dev/null; }
trap finish EXIT
boot() { # KIND COMPRESSION [OPTION...]
	log=$SCRATCH/$1-$2.log
	initrd=$SCRATCH/$1-$2.img
	: >"$log"
	"$bp" initrd -q --kernel "$KERNEL_FULL" --modules "$1" "${@:3}" --output "$initrd" || return 1
	qemu-system-x86_64 -accel tcg -m 512 -nodefaults -display none -no-reboot -serial "file:$log" \
		-kernel "$KERNEL_FULL"/boot/vmlinuz-* -initrd "$initrd" -append "console=ttyS0 no_timer_check" \
		-netdev hubport,id=a,hubid=1 -device e1000e,netdev=a,mac=52:54:00:00:00:0a \
		-netdev hubport,id=b,hubid=1 -device rtl8139,netdev=b,mac=52:54:00:00:00:0b \
		-netdev hubport,id=c,hubid=1 -device virtio-net-pci,netdev=c,mac=52:54:00:00:00:0c \
		-netdev hubport,id=d,hubid=1 -device qemu-xhci -device usb-net,netdev=d,mac=52:54:00:00:00:0d \
		</dev/null >/dev/null 2>&1 &
	qemu=$!
}
linked() { # LAST BYTE OF A MAC...
	local m

	for m in "$@"; do grep -aq "link ok: .*(52:54:00:00:00:$m)" "$log" || return 1; done
}
log=
# As it comes: xz, in two blocks.
boot net default || not_ok "initrd of the net set is built" "see above"
bytes=$(stat -c %s "$initrd")
t "with every wired driver of the full kernel it is within its budget of 8,900,000 bytes ($bytes)" test "$bytes" -le 8900000
t "the kernel unpacks xz of several blocks" eval 'wait_for 180 grep -aq "bpboot: .* start ok" "$log"'
wait_for 120 linked 0a 0b 0c 0d
t "e1000e, RTL8139, virtio and USB cards are driven and have a link" linked 0a 0b 0c 0d
t "no module failed to load" test -z "$(grep -a 'cannot load module' "$log")"
kill $qemu && wait $qemu 2>/dev/null
for kind in zstd gzip xz none; do
	boot virtual $kind --compress $kind --level 3
	wait_for 120 grep -aq 'bpboot: .* start ok' "$log"
	t "the kernel unpacks $kind" grep -aq 'bpboot: .* start ok' "$log"
	kill $qemu && wait $qemu 2>/dev/null
done
qemu=
done_testing
