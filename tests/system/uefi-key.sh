#!/bin/bash
# uefi-key.sh - a diskless node keeps its key in a variable of its firmware: bpmaster knows it again in its next boot; a
# machine without EFI says so, and has a key for each boot
#
# Two machines side by side, both told bpboot.node-key=efi, and both booted twice: one with OVMF and variables of its own, which is
# powered off in between, one with a BIOS, which is rebooted, and halted at last.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/vm/boot
ovmf=/usr/share/OVMF

if [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || lib_missing qemu-system-x86_64 dnsmasq busybox || [ ! -f $ovmf/OVMF_CODE_4M.fd ]; then
	echo "skip a key in EFI - needs KERNEL_CLOUD, qemu-system-x86_64, dnsmasq, busybox, ovmf"
	exit 0
fi
lib_inside "$@"
BIOS_MAC=52:54:00:77:00:02
export BPBOOT_SOCKET=$VM/master.sock
vm_bridge 2 || not_ok "a network of its own" "cannot be made"
t "kernel, initrd and image are there" eval 'vm_files && "$bpboot" initrd -q --kernel "$KERNEL_CLOUD" --modules virtual,efivarfs'
VM_LINK=br0 vm_dnsmasq "$VM/boot"
start_master() {
	rm -f "$BPBOOT_SOCKET"
	"$BUILD/src/cli/bpmaster" --foreground --address $VM_SERVER --state "$VM/state" --socket "$BPBOOT_SOCKET" \
		--key "$BPBOOT_KEYS/master.key" --node 0,$VM_MAC --node 1,$BIOS_MAC </dev/null >>"$VM/master.log" 2>&1 &
	vm_pids+=($!)
	wait_for 10 "$BUILD/src/cli/bpstat" -t >/dev/null
}
t "bpmaster runs" start_master
cp $ovmf/OVMF_VARS_4M.fd "$VM/vars"
machine() { # TAP FIRMWARE_OPTION...
	local tap=$1
	shift
	: >"$VM/consoles/$VM_MAC.log"
	# shellcheck disable=SC2046
	qemu-system-x86_64 -accel tcg -machine q35 -nodefaults -display none -m 512 "$@" \
		-kernel "$VM/boot/vmlinuz" -initrd "$VM/boot/initrd.img" \
		-append "console=ttyS0 no_timer_check bpboot.node-key=efi root=tftp://$VM_SERVER/node.index" \
		-device virtio-rng-pci $(vm_nic virtio-net-pci "$tap") -serial "$(vm_serial)" </dev/null >"$VM/qemu.$tap.log" 2>&1 &
	machine=$!
	vm_pids+=($!)
}
efi() {
	machine tap0 -drive if=pflash,unit=0,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.fd \
		-drive if=pflash,unit=1,format=raw,file="$VM/vars"
	efi_machine=$machine
}
pin() { awk -v m="$1" '$1 == m { print $2, $3 }' "$VM/state/keys" 2>/dev/null; } # MAC
is_pinned() { [[ "$(pin "$1")" == $2* ]]; }                                          # MAC KIND
is_down() { [ "$("$BUILD/src/cli/bpstat" -s "$1" 2>/dev/null)" = down ]; }
boot_key() { is_pinned $BIOS_MAC boot= && [ "$(pin $BIOS_MAC)" != "$1" ]; } # not that one
runs_on() { ps -o stat= -p "$1" | grep -qv Z; }
boot_of() { (cd / && "$BUILD/src/cli/bpsh" 1 /bin/busybox cat /proc/sys/kernel/random/boot_id </dev/null); }

# reboot_and_halt: the machine with a BIOS.
reboot_and_halt() {
	local boot key

	vm_of $BIOS_MAC vm_console "a machine without EFI says so" 240 'this machine was not started by EFI.*: using one for this boot'
	vm_runs "and is a node" 1
	t "with a key of this boot" wait_for 10 boot_key none
	key=$(pin $BIOS_MAC) boot=$(boot_of)
	t "bpctl reboots it" "$BUILD/src/cli/bpctl" -S 1 -R
	t "it is down, and why is said" wait_for 20 grep -q "node 1 is down: told to reboot" "$VM/master.log"
	t "the kernel was told" vm_of $BIOS_MAC vm_says 20 'reboot: Restarting system'
	t "it comes back with a key of another boot" wait_for 240 boot_key "$key"
	vm_runs "after a reboot" 1
	t "its kernel has begun anew" eval '[ -n "$boot" ] && new=$(boot_of) && [ "$new" != "$boot" ]'
	t_says "bpboot log tells of that boot" 0 "registered with bpmaster" "$bpboot" log --state "$VM/state" $BIOS_MAC
	t "bpctl halts it" "$BUILD/src/cli/bpctl" -S 1 -H
	t "the kernel halts" vm_of $BIOS_MAC vm_says 60 'reboot: System halted'
	t "it is down" wait_for 20 is_down 1
	t_says "and bpstat says why" 0 "told to halt" "$BUILD/src/cli/bpstat" -l 1
	t "the machine is still on" runs_on "$bios_machine"
}

efi
vm_of $BIOS_MAC machine tap1
bios_machine=$machine
vm_console "bpslave finds a key in EFI, or makes one" 240 'the key of this node: [0-9a-f]{32}'
vm_runs "the first boot" 0
t "its key is pinned for good" wait_for 10 is_pinned $VM_MAC lasting
first=$(pin $VM_MAC)
t_says "programs there do not see the firmware's variables" 0 "" \
	"$BUILD/src/cli/bpsh" 0 /bin/busybox sh -c '[ -d /sys/firmware/efi ] && [ -z "$(/bin/busybox ls /sys/firmware/efi/efivars)" ] &&
	! /bin/busybox grep -q efivarfs /proc/mounts'
t "nor is its key in /run" "$BUILD/src/cli/bpsh" 0 /bin/busybox sh -c '[ -f /run/bpboot/boot ] && [ ! -e /run/bpboot/boot.key ]'
t "bpctl powers it off" "$BUILD/src/cli/bpctl" -S 0 -P
t "it is down" wait_for 60 is_down 0
wait "$efi_machine" 2>/dev/null
efi
reboot_and_halt
vm_console "the next boot finds a key in EFI" 240 'the key of this node: [0-9a-f]{32}'
vm_runs "the next boot" 0
t "its key is the same" test "$(pin $VM_MAC)" = "$first"
t "and nothing was refused" eval '! grep -q "refusing" "$VM/master.log"'
done_testing
