#!/bin/bash
# watchdog.sh - an init that stands still is reset by the hardware, and one at whose shell a person sits is not
#
# One machine with Debian's full kernel and an Intel 6300ESB watchdog, without a server: it is stopped at rd.break, lives
# there past the watchdog's time, is left to boot on, and then PID 1 is frozen by a control group (signals do not stop it).
# The machine has to be reset and to boot again. What the watchdog does after the hand-over is in operation.sh.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys
seconds=8 # of the watchdog: a busy machine is not to be reset for being busy

if [ ! -d "${KERNEL_FULL-}/lib/modules" ] || [ ! -x "$BUILD/src/init/init" ] || ! command -v qemu-system-x86_64 >/dev/null; then
	echo "skip the watchdog - needs KERNEL_FULL, a static init and qemu-system-x86_64"
	exit 0
fi
VM=$SCRATCH/vm
mkdir -p "$VM/consoles" && "$bpboot" keygen >/dev/null || exit 1
trap vm_end EXIT
KERNEL_CLOUD=$KERNEL_FULL # what vm_start boots

console() { # NAME SECONDS REGEX
	if vm_says "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1" "no '$3' on the console, which ends with: $(tail -n 8 "$VM/consoles/$VM_MAC.log") $(cat "$VM/events")"
		done_testing
	fi
}
starts() { [ "$(grep -ac '^bpboot: .* start ok' "$VM/consoles/$VM_MAC.log")" = "$1" ]; } # COUNT

"$bpboot" initrd -q --kernel "$KERNEL_FULL" --level 3 --modules virtual,watchdogs --shell --output "$VM/initrd.img" || {
	not_ok "an initrd with watchdogs and a shell is built"
	done_testing
}
# QEMU's own word on what reset the machine, which is not to end with that.
mkfifo "$VM/qmp.in" "$VM/qmp.out" && exec {qmp}<>"$VM/qmp.in"
cat "$VM/qmp.out" >"$VM/events" &
vm_pids+=($!)
echo '{ "execute": "qmp_capabilities" }' >&"$qmp"
vm_typing
# shellcheck disable=SC2086
vm_start "$VM/initrd.img" "bpboot.watchdog=$seconds rd.break=root ip=10.77.0.9:::24::eth0:none bpboot.link=300 \
	root=tftp://10.77.0.1/none.index" -m 512 -device i6300esb -action reboot=reset \
	-chardev "pipe,id=qmp,path=$VM/qmp" -mon chardev=qmp,mode=control \
	-netdev hubport,id=n,hubid=1 -device virtio-net-pci,netdev=n,mac=$VM_MAC,romfile= $vm_typed
vm_monitor set_link n off # the shell is not to open before the watchdog is there
vm_monitor cont
console "a watchdog is armed" 180 "drivers ok: watchdog: resets this machine $seconds s after init stands still"
vm_monitor set_link n on
console "rd.break opens a shell" 90 'shell begin: rd.break=root; opening /bin/sh'
vm_type "sleep $((seconds + 5)); echo lived-\$((40 + 2))"
console "a person in the shell has more time than the watchdog gives" 120 '^lived-42'
t "the machine was not reset meanwhile" eval '! grep -q WATCHDOG "$VM/events" && starts 1'
vm_type 'mkdir /g; mount -t cgroup2 g /g && mkdir /g/one && echo 1 >/g/one/cgroup.procs && echo moved-$((40 + 2))'
console "PID 1 is put into a control group" 60 '^moved-42'
vm_type '(sleep 2; echo frozen-$((40 + 2)) >/dev/kmsg; echo 1 >/g/one/cgroup.freeze) & exit'
console "the boot goes on after the shell" 60 'index begin'
console "and PID 1 is frozen then" 60 'frozen-42'
t "the watchdog resets the machine" wait_for 120 grep -q '"event": "WATCHDOG".*"action": "reset"' "$VM/events"
t "it boots again" wait_for 180 starts 2
t "it was not the kernel that did it" eval '! grep -aE "Kernel panic|reboot: " "$VM/consoles/$VM_MAC.log"'
done_testing
