#!/bin/bash
# operation.sh - what an operator has besides a boot: a watchdog that is fed, microcode, firmware, the kernel's messages
# over the network, every console, and an initrd that holds only what a machine has reported
#
# One machine with Debian's full kernel in a network namespace, three times: with a root that never feeds the watchdog,
# with bpslave, and with an initrd made of what it reported.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys

missing() { for tool in qemu-system-x86_64 dnsmasq socat python3; do command -v $tool >/dev/null || return 0; done && return 1; }
if [ ! -d "${KERNEL_FULL-}/lib/modules" ] || [ ! -x "$BUILD/src/init/init" ] || missing; then
	echo "skip a node's operation - needs KERNEL_FULL, a static init, qemu-system-x86_64, dnsmasq, socat and python3"
	exit 0
fi
if [ "${1-}" != --inside ]; then
	lib_unshare bash "$0" --inside
	exit
fi
VM=$SCRATCH/vm
mkdir -p "$VM" && vm_network || not_ok "a network of its own" "cannot be made"
trap vm_end EXIT
KERNEL_CLOUD=$KERNEL_FULL # what vm_start boots

# --- what goes in ---

# An update of Intel's form: header, 2000 bytes; its words add up to 0. One of AMD's: a table and an update.
microcode() { # DIR
	mkdir -p "$1/intel-ucode" "$1/amd-ucode"
	python3 - "$1" <<-'EOT'
		import struct, sys
		head = struct.pack("<12I", 1, 0x10, 0x11222026, 0x606f1, 0, 1, 1, 2000, 2048, 0, 0, 0)
		words = struct.unpack("<512I", head + bytes(range(250)) * 8)
		head = head[:16] + struct.pack("<I", -sum(words) & 0xffffffff) + head[20:]
		open(sys.argv[1] + "/intel-ucode/06-4f-01", "wb").write(head + bytes(range(250)) * 8)
		open(sys.argv[1] + "/amd-ucode/microcode_amd.bin", "wb").write(
			b"DMA\0" + struct.pack("<2I", 0, 16) + bytes(16) + struct.pack("<2I", 1, 64) + bytes(64))
	EOT
	echo "not microcode" >"$1/intel-ucode/README"
}
"$bpboot" keygen >/dev/null || exit 1
microcode "$VM/firmware"
mkdir -p "$VM/firmware/e100" "$VM/boot" && echo tiny >"$VM/firmware/e100/d102e_ucode.bin"
initrd() { # FILE OPTIONS...
	local file=$1
	shift
	"$bpboot" initrd --kernel "$KERNEL_FULL" --level 3 --output "$VM/$file" "$@"
}
t "an initrd with watchdogs, netconsole, firmware and microcode is built" initrd whole.img -q \
	--modules virtual,watchdogs,netconsole,e100 --firmware "$VM/firmware" --microcode "$VM/firmware"
t_says "microcode lies in front, not compressed" 0 "kernel/x86/microcode/GenuineIntel.bin" "$bpboot" inspect "$VM/whole.img"
"$bpboot" inspect --extract "$VM/whole" "$VM/whole.img" >/dev/null 2>&1
t "Intel's updates are in, byte for byte" cmp "$VM/firmware/intel-ucode/06-4f-01" "$VM/whole/kernel/x86/microcode/GenuineIntel.bin"
t "AMD's updates are in, byte for byte" cmp "$VM/firmware/amd-ucode/microcode_amd.bin" "$VM/whole/kernel/x86/microcode/AuthenticAMD.bin"
aligned() { python3 -c 'import sys; a, b = (open(f, "rb").read() for f in sys.argv[1:]); sys.exit(a.index(b) % 16)' "$VM/whole.img" "$VM/firmware/intel-ucode/06-4f-01"; }
t "Intel's updates lie at a multiple of 16, as the processor wants them" aligned
t_says "what is no microcode is refused" 1 "holds no microcode" initrd none.img -q --modules brd --microcode /etc/passwd
t_says "a folder without microcode is refused" 1 "no microcode in" initrd none.img -q --modules brd --microcode "$VM/boot"

cp /bin/busybox "$VM/busybox"
printf '#!/bin/busybox sh\necho "the root runs"\nexec /bin/busybox sleep 1000\n' >"$VM/init"
printf 'file busybox /bin/busybox\nfile init /sbin/init mode=0755\n' >"$VM/idle.image"
printf 'init /usr/sbin/bpslave\nbpslave\n' >"$VM/slave.image"
for i in idle slave; do
	t "the image '$i' is built" "$bpboot" image -q --output "$VM/boot" "$VM/$i.image"
done

# --- the machine ---

boot() { # INITRD
	: >"$VM/consoles/$VM_MAC.log"
	rm -f "$VM/monitor"
	# /dev/console is tty0, which nobody sees here. The second card, on a hub without others, asks for firmware.
	# shellcheck disable=SC2046
	vm_start "$VM/$1" "console=tty0 bpboot.watchdog=8 bpboot.retry=1 bpboot.link=3 bpboot.dhcp=3 \
		netconsole=@/,6666@$VM_SERVER/ loglevel=7" -m 512 -device i6300esb $(vm_nic virtio-net-pci) \
		-netdev hubport,id=h,hubid=1 -device i82551,netdev=h,mac=52:54:00:77:00:02,romfile= \
		-serial "$(vm_serial)"
	vm_monitor cont
}
gone() { ! kill -0 "$vm_pid" 2>/dev/null; }
# Seconds since the kernel's start at which it last said something.
uptime() { sed -n 's/^bpboot: \([0-9]*\)\.[0-9]* .*/\1/p' "$VM/consoles/$VM_MAC.log" | tail -n 1; }
up_for() { [ "$(uptime)" -ge "$1" ] 2>/dev/null; }

"$BUILD/src/cli/bpmaster" --foreground --address $VM_SERVER --state "$VM/state" --socket "$VM/master.sock" \
	--key "$BPBOOT_KEYS/master.key" --unknown accept </dev/null >"$VM/master.log" 2>&1 &
vm_pids+=($!)
socat -u UDP-RECV:6666 "CREATE:$VM/netconsole.log" &
vm_pids+=($!)
boot whole.img
t "a watchdog is found and armed" vm_says 90 'drivers ok: watchdog: resets this machine 8 s after init stands still'
armed=$(uptime)
t "without a server the node tries on, past the watchdog's time: it is fed" wait_for 60 up_for $((armed + 12))
t "a console that is not the last console= shows the events, too" grep -aq '^bpboot: .* start ok' "$VM/consoles/$VM_MAC.log"
t "the kernel takes firmware out of the initrd" grep -aqE 'e100.*(d102e_ucode.bin.*(wrong|bogus|size)|[Ff]irmware.*size)' "$VM/consoles/$VM_MAC.log"
vm_dnsmasq "$VM/boot" --dhcp-boot=idle.index
t "the root is entered" vm_says 60 'root ok: executing'
t "the kernel's messages come over the network" wait_for 20 grep -aq 'watchdog did not stop' "$VM/netconsole.log"
t "a root that does not feed the watchdog is reset" wait_for 40 gone
t "it was the watchdog, not the kernel" eval '! grep -aq "Kernel panic" "$VM/consoles/$VM_MAC.log"'

# --- only what the machine has reported ---

kill $vm_dnsmasq_pid && wait $vm_dnsmasq_pid 2>/dev/null
cat >"$VM/cluster.conf" <<-EOT
	[cluster]
	interface = tap0
	network = 10.77.0.0/24
	address = $VM_SERVER
	nodes = $VM/nodes
	[master]
	state = $VM/state
EOT
printf '1 %s\n2 52:54:00:77:00:09\n' $VM_MAC >"$VM/nodes"
minimal() { initrd minimal.img --cluster "$VM/cluster.conf" --minimal "$1" --modules netconsole; }
t_says "a node that has reported nothing is named" 1 "node 2 (n2) has not reported its modules" minimal all
t "an initrd of what node 1 has reported is built" minimal 1
modules() { "$bpboot" inspect "$VM/$1" | sed -n 's,.* lib/bpboot/modules/\(.*\)\.ko$,\1,p'; }
t "it has the machine's drivers" eval 'modules minimal.img | grep -qx virtio_net && modules minimal.img | grep -qx i6300esb'
t "it has no others" eval '! modules minimal.img | grep -qE "^(e1000|igb|vmxnet3|iTCO_wdt)$"'
vm_dnsmasq "$VM/boot" --dhcp-boot=slave.index
boot minimal.img
t "it boots the machine" vm_says 90 'root ok: executing /usr/sbin/bpslave'
registered() { "$BUILD/src/cli/bpstat" --socket "$VM/master.sock" 2>/dev/null | grep -q up; }
t "bpslave registers" wait_for 60 registered
entered=$SECONDS
fed() { gone || [ $SECONDS -ge $((entered + 12)) ]; }
wait_for 60 fed
t "bpslave goes on feeding the watchdog" eval '! gone && registered'
done_testing
