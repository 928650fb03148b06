#!/bin/bash
# boot-failures.sh - every way in which a boot goes wrong is said, on the console and by `bpboot log`, and is not the end
#
# Each case boots a machine in QEMU directly by its kernel, in a network namespace of its own with dnsmasq and bpmaster.
# Two run at a time.
# alone
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
sets=$SCRATCH/sets # what the cases share: keys, initrd, boot directories
retry='retry begin: trying again from the start in [0-9.]+ s \(attempt 2\)'
quick="bpboot.retry=1 bpboot.link=3 bpboot.dhcp=4 bpboot.fetch=30"

# --- what the cases share ---

prepare() {
	mkdir -p "$sets/boot" "$sets/flipped" &&
		"$bpboot" keygen --dir "$sets/keys" &&
		"$bpboot" keygen --dir "$sets/other" &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --key "$sets/keys/sign.pub" \
			--output "$sets/initrd.img" --quiet &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --key "$sets/keys/sign.pub" \
			--shell --output "$sets/shell.img" --quiet || return 1
	printf '#!/bin/busybox sh\necho "the root runs"\n/bin/busybox sleep 1\n/bin/busybox poweroff -f\n' >"$sets/init"
	head -c 12000000 /dev/urandom >"$sets/ballast"
	cat >"$sets/small.image" <<-EOT &&
		file /bin/busybox /bin/busybox
		file init /sbin/init mode=0755
	EOT
		cat "$sets/small.image" - >"$sets/large.image" <<-EOT &&
			file ballast /ballast
		EOT
		cat "$sets/small.image" - >"$sets/huge.image" <<-EOT || return 1
			free 400M
		EOT
	for i in small large huge; do
		"$bpboot" image --quiet --key "$sets/keys/sign.key" --output "$sets/boot" "$sets/$i.image" || return 1
	done
	"$bpboot" image --quiet --key "$sets/other/sign.key" --output "$sets/boot" --name foreign "$sets/small.image" ||
		return 1
	cp -r "$sets/boot/." "$sets/flipped"
	flip_a_bit
	several_servers
	foreign_machine || return 1
	"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --key "$sets/keys/sign.pub" --min-counter 7 \
		--output "$sets/counter.img" --quiet
}

# An image for another architecture: its init is an ELF header that says AArch64, and one segment.
foreign_machine() {
	{
		printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0\1\0\0\0\0\0@\0\0\0\0\0@\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		printf '\0\0\0\0@\0008\0\1\0@\0\0\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0@\0\0\0\0\0\0\0@\0\0\0\0\0'
		printf 'x\0\0\0\0\0\0\0x\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0'
	} >"$sets/arm-init"
	chmod 755 "$sets/arm-init"
	echo "program $(readlink -f "$sets/arm-init") /sbin/init" >"$sets/arm.image"
	"$bpboot" image --quiet --key "$sets/keys/sign.key" --output "$sets/boot" "$sets/arm.image" &&
		grep -q '^arch aarch64' "$sets/boot/arm.index"
}

# What servers give that are not up to date: one has the index, and an older image's parts alone (none of this one's but
# the first), the other all parts but no index.
several_servers() {
	mkdir -p "$sets/stale/parts" "$sets/parts-only"
	cp "$sets/boot/large.index" "$sets/boot/large.index.minisig" "$sets/stale"
	cp "$sets/boot/parts/$(sed -n 's/^part \([0-9a-f]*\) .*/\1/p' "$sets/boot/large.index" | head -n 1)" "$sets/stale/parts"
	cp -r "$sets/boot/parts" "$sets/parts-only"
}

# In the third part of the small image.
flip_a_bit() {
	local part byte

	part=$(sed -n 's/^part \([0-9a-f]*\) .*/\1/p' "$sets/boot/small.index" | sed -n 3p)
	echo "$part" >"$sets/flipped-part"
	byte=$(od -An -tu1 -j100 -N1 "$sets/boot/parts/$part")
	printf "\\x$(printf %x $((byte ^ 4)))" | dd of="$sets/flipped/parts/$part" bs=1 seek=100 conv=notrunc status=none
}

# --- steps of a case; $VM is its directory ---

master() {
	"$BUILD/src/cli/bpmaster" --foreground --address $VM_SERVER --state "$VM/state" --socket "$VM/master.sock" \
		--key "$sets/keys/master.key" --unknown accept </dev/null >"$VM/master.log" 2>&1 &
	vm_pids+=($!)
	wait_for 10 test -S "$VM/master.sock"
}

# boot MEMORY NIC APPEND OPTIONS...: a machine that runs.
boot() {
	# shellcheck disable=SC2046
	vm_start "$sets/initrd.img" "$quick $3" -m "$1" $(vm_nic "$2") -serial "$(vm_serial)" "${@:4}"
	vm_monitor cont
}

# console NAME REGEX [SECONDS]; then the same words have to stand in `bpboot log`: log_says NAME REGEX, where only what
# came over the network counts, or log_console_says, for machines without one.
console() {
	if vm_says "${3:-90}" "$2"; then
		ok "$1"
	else
		not_ok "$1" "no '$2' on the console, which ends with: $(tail -n 6 "$VM/consoles/$VM_MAC.log" 2>/dev/null)"
	fi
}
silent() { # NAME REGEX
	if grep -aqE "$2" "$VM/consoles/$VM_MAC.log"; then
		not_ok "$1" "$(grep -aE "$2" "$VM/consoles/$VM_MAC.log")"
	else
		ok "$1"
	fi
}
in_log() { # REGEX OPTIONS...
	local want=$1
	shift
	"$bpboot" log "$@" $VM_MAC >"$VM/log.out" 2>&1
	grep -qE -- "$want" "$VM/log.out"
}
log_says() {
	if wait_for 20 in_log "$2" --state "$VM/state" --consoles "$VM/none"; then
		ok "$1: bpboot log says so, over the network"
	else
		not_ok "$1: bpboot log says so, over the network" "$(cat "$VM/log.out" "$VM/master.log")"
	fi
}
log_console_says() {
	if wait_for 20 in_log "$2" --state "$VM/state" --consoles "$VM/consoles"; then
		ok "$1: bpboot log says so, from the console"
	else
		not_ok "$1: bpboot log says so, from the console" "$(cat "$VM/log.out")"
	fi
}
retries() { console "$1: the node says that it tries again" "$retry"; }

# --- the cases ---

case_no_driver() {
	boot 160 e1000 ""
	console "no driver for the NIC" 'drivers fail: no network interface: network card 8086:100e at 0000:.* has no driver \(no driver in this initrd for pci:v00008086d0000100E'
	retries "no driver for the NIC"
	log_console_says "no driver for the NIC" 'drivers +FAIL +no network interface: network card 8086:100e'
}

case_no_nic() {
	vm_start "$sets/initrd.img" "$quick" -m 160 -serial "$(vm_serial)"
	vm_monitor cont
	console "no NIC" 'drivers fail: no network interface: this machine shows no network card'
	retries "no NIC"
}

case_link_down() {
	# shellcheck disable=SC2046
	vm_start "$sets/initrd.img" "$quick" -m 160 $(vm_nic virtio-net-pci) -serial "$(vm_serial)"
	vm_monitor set_link n off
	vm_monitor cont
	console "link down" 'link fail: .*eth0.*look at cable and switch port'
	retries "link down"
	log_console_says "link down" 'link +FAIL +.*look at cable'
}

case_no_dhcp() {
	boot 160 virtio-net-pci ""
	console "no DHCP answer" 'dhcp fail: no DHCP answer on eth0'
	retries "no DHCP answer"
	log_console_says "no DHCP answer" 'dhcp +FAIL +no DHCP answer'
}

# dnsmasq names itself as boot server whatever it is told; busybox's udhcpd names none.
case_no_server() {
	master
	cat >"$VM/udhcpd.conf" <<-EOT
		interface tap0
		start 10.77.0.10
		end 10.77.0.20
		lease_file $VM/leases
		pidfile $VM/udhcpd.pid
		option subnet 255.255.255.0
		option lease 3600
	EOT
	: >"$VM/leases"
	busybox udhcpd -f -S "$VM/udhcpd.conf" </dev/null >"$VM/udhcpd.log" 2>&1 &
	vm_pids+=($!)
	boot 160 virtio-net-pci ""
	console "an answer without a boot server" 'dhcp fail: eth0: DHCP server 10.77.0.1: the answer names no boot server'
	retries "an answer without a boot server"
	log_says "an answer without a boot server" 'dhcp +FAIL +.*names no boot server'
}

case_no_image() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=pxelinux.0
	boot 160 virtio-net-pci ""
	console "an answer without an image" "dhcp fail: eth0: DHCP server 10.77.0.1: the answer names no image: .*'pxelinux.0'"
	retries "an answer without an image"
	log_says "an answer without an image" 'dhcp +FAIL +.*names no image'
}

case_not_found() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=missing.index
	boot 160 virtio-net-pci ""
	console "file not found on the server" 'index fail: .*not found.*missing.index'
	retries "file not found on the server"
	log_says "file not found on the server" 'index +FAIL +.*missing.index'
}

# The server goes away in the middle of the parts, and comes back.
case_server_stops() {
	local name="server stops in mid-transfer and comes back"

	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=large.index
	boot 160 virtio-net-pci "bpboot.windowsize=1 bpboot.sessions=1 bpboot.blksize=512"
	wait_for 90 grep -q 'fetch progress' "$VM/state/boots/$VM_MAC.events"
	kill $vm_dnsmasq_pid && wait $vm_dnsmasq_pid
	silent "$name: it was in mid-transfer" 'fetch ok'
	sleep 2 # how long the server is away
	vm_dnsmasq "$sets/boot" --dhcp-boot=large.index
	console "$name: the boot succeeds" 'the root runs' 120
	silent "$name: in the first attempt" 'retry begin'
	log_says "$name" "root +ok +executing /sbin/init"
}

# root= names five servers: no machine at all; one that is not there; one with an old index that is signed by another key;
# one with the index and hardly any part; one with parts alone.
case_several_servers() {
	local name="several servers, most of them useless" a at

	echo 0 >/proc/sys/net/ipv4/icmp_ratelimit # of this namespace: every refusal is sent
	master
	vm_dnsmasq "$sets/boot"
	wait_for 10 sh -c "ss -Hlun 'sport = :69' | grep -q ." # it does not take the addresses that come now
	for a in 2 3 4 5; do
		ip address add 10.77.0.$a/24 dev tap0
	done
	for at in "3 $sets/other-set" "4 $sets/stale" "5 $sets/parts-only"; do
		mkdir -p "${at#* }"
		[ "${at%% *}" != 3 ] || cp "$sets/boot/foreign.index" "${at#* }/large.index"
		[ "${at%% *}" != 3 ] || cp "$sets/boot/foreign.index.minisig" "${at#* }/large.index.minisig"
		dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --listen-address=10.77.0.${at%% *} \
			--bind-interfaces --user=root --pid-file= --enable-tftp --tftp-root="${at#* }" </dev/null \
			>"$VM/dnsmasq.${at%% *}" 2>&1 &
		vm_pids+=($!)
	done
	local all=tftp://10.77.0.99/large.index
	for a in 2 3 4 5; do
		all+=,tftp://10.77.0.$a/large.index
	done
	boot 160 virtio-net-pci "root=$all bpboot.master=$VM_SERVER" -rtc base=1970-01-01 # an empty battery, besides
	console "$name: the boot succeeds" 'the root runs' 120
	silent "$name: in the first attempt" 'retry begin'
	console "a clock at 1970 does not matter" 'setting system clock to 1970-01-01'
	log_says "$name: the silent one is named" 'index +warn +.*no answer from .*10.77.0.99.*; asking 10.77.0.2'
	log_says "$name: the one that is not there is named" 'index +warn +.*no TFTP server at 10.77.0.2.*; asking 10.77.0.3'
	log_says "$name: the wrong key is named" 'index +warn +.*signed by another key.*; asking 10.77.0.4'
}

case_old_counter() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=small.index
	# shellcheck disable=SC2046
	vm_start "$sets/counter.img" "$quick" -m 160 $(vm_nic virtio-net-pci) -serial "$(vm_serial)"
	vm_monitor cont
	console "an index older than this initrd accepts" \
		'index fail: small.index: its counter is 1, this initrd accepts 7 and above: an old image'
	retries "an index older than this initrd accepts"
	silent "an index older than this initrd accepts: nothing was fetched" 'fetch begin|mount ok'
	log_says "an index older than this initrd accepts" 'index +FAIL +.*its counter is 1'
}

case_other_machine() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=arm.index
	boot 160 virtio-net-pci ""
	console "an image for another architecture" \
		'index fail: arm.index: the image is for aarch64, this machine is x86_64'
	retries "an image for another architecture"
	silent "an image for another architecture: nothing was fetched" 'fetch begin|mount ok'
	log_says "an image for another architecture" 'index +FAIL +.*the image is for aarch64'
}

case_bit_flipped() {
	master
	vm_dnsmasq "$sets/flipped" --dhcp-boot=small.index
	boot 160 virtio-net-pci ""
	console "one bit of the image flipped: the part is named" "fetch fail: .*part .*$(cut -c1-8 "$sets/flipped-part")"
	retries "one bit of the image flipped"
	silent "one bit of the image flipped: never mounted" 'mount ok|root ok|the root runs'
	log_says "one bit of the image flipped" 'fetch +FAIL +.*part '
}

case_other_key() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=foreign.index
	boot 160 virtio-net-pci ""
	console "a signature by another key" 'index fail: foreign.index: signed by another key: [0-9A-F]+'
	retries "a signature by another key"
	silent "a signature by another key: nothing was fetched" 'fetch begin|mount ok'
	log_says "a signature by another key" 'index +FAIL +.*signed by another key'
}

case_too_large() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=huge.index
	boot 160 virtio-net-pci ""
	console "image larger than memory" 'memory fail: image of 4[0-9.]+ MB needs 4[0-9.]+ MB, [0-9.]+ MB of memory are free'
	retries "image larger than memory"
	silent "image larger than memory: nothing was fetched" 'fetch begin|mount ok'
	log_says "image larger than memory" 'memory +FAIL +image of .* needs'
}

case_no_init() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=small.index
	boot 160 virtio-net-pci "init=/sbin/absent"
	console "a root without its init" 'mount fail: the root has no init /sbin/absent'
	retries "a root without its init"
	log_says "a root without its init" 'mount +FAIL +the root has no init /sbin/absent'
	# the ram disk of a failed attempt is gone, and a new one is made
	console "a root without its init: the second attempt begins with a new ram disk" '\(attempt 3\)'
	silent "a root without its init: nothing is left in the way" 'cannot (remove|unmount|load)'
}

# Then init is no more, and the kernel has the last word; busybox without a command says how it is used, and ends.
case_init_exits() {
	master
	vm_dnsmasq "$sets/boot" --dhcp-boot=small.index
	boot 160 virtio-net-pci "init=/bin/busybox panic=1"
	console "an init that exits at once: it is named" 'root ok: executing /bin/busybox'
	console "an init that exits at once: the kernel says so" 'Kernel panic - not syncing: Attempted to kill init! exitcode=0x'
	t "an init that exits at once: panic= reboots the machine" wait_for 60 sh -c "! kill -0 $vm_pid"
	log_says "an init that exits at once" 'root +ok +executing /bin/busybox'
}

boot_typing() { # INITRD APPEND
	vm_typing
	# shellcheck disable=SC2046,SC2086
	vm_start "$sets/$1" "$quick $2" -m 160 $(vm_nic virtio-net-pci) $vm_typed
	vm_monitor cont
}

case_shell() {
	boot_typing initrd.img "rd.shell"
	console "rd.shell opens a prompt and says so" 'shell begin: rd.shell is given; opening the built-in prompt'
	vm_type help
	vm_type links
	vm_type events
	vm_type nonsense
	console "the prompt knows its commands" '^dmesg +the kernel'
	console "the prompt shows links" "^eth0 +$VM_MAC .* carrier"
	console "the prompt says what it does not know" "there is no command 'nonsense'"
	vm_type retry
	if wait_for 60 sh -c "[ \$(grep -ac 'dhcp fail' '$VM/consoles/$VM_MAC.log') -ge 2 ]"; then
		ok "retry at the prompt tries again"
	else
		not_ok "retry at the prompt tries again" "$(tail -n 5 "$VM/consoles/$VM_MAC.log")"
	fi
}

case_break() {
	vm_dnsmasq "$sets/boot" --dhcp-boot=small.index
	boot_typing shell.img "rd.break=fetch"
	console "rd.break stops before its stage, with the shell of the initrd" \
		'shell begin: rd.break=fetch; opening /bin/sh on the console'
	silent "rd.break stops before its stage: nothing was fetched" 'fetch begin'
	vm_type 'echo answer-$((40 + 2))'
	console "the initrd's /bin/sh runs commands" '^answer-42'
	vm_type exit
	console "leaving the shell goes on with the boot" 'the root runs'
}

case_panic() {
	boot 160 virtio-net-pci "panic=1"
	console "panic= says that it reboots" 'retry begin: rebooting in 1 s \(panic=1\)'
	t "panic= reboots the machine" wait_for 30 sh -c "! kill -0 $vm_pid" # -no-reboot ends QEMU
}

# The first NIC leads nowhere.
case_second_nic() {
	vm_dnsmasq "$sets/boot" --dhcp-boot=small.index
	# shellcheck disable=SC2046
	vm_start "$sets/initrd.img" "$quick" -m 160 -netdev hubport,id=nowhere,hubid=1 \
		-device virtio-net-pci,netdev=nowhere,mac=52:54:00:77:00:09,romfile= $(vm_nic virtio-net-pci) \
		-serial "$(vm_serial)"
	vm_monitor cont
	console "two NICs, only the second with a server: it boots from the second" 'the root runs'
	silent "two NICs, only the second with a server: in the first attempt" 'retry begin'
	t "two NICs, only the second with a server: the first had its link" \
		vm_says 1 'link ok: eth[01]: link up \(52:54:00:77:00:09\)'
}

case_late_nic() {
	local nic

	vm_dnsmasq "$sets/boot" --dhcp-boot=small.index
	nic=$(vm_nic virtio-net-pci)
	# shellcheck disable=SC2086
	vm_start "$sets/initrd.img" "$quick bpboot.link=30" -m 160 ${nic%% -device*} -serial "$(vm_serial)"
	vm_monitor cont
	console "a NIC that is plugged in late: init waits for one" 'start ok'
	vm_monitor "device_add virtio-net-pci,netdev=n,mac=$VM_MAC,romfile="
	console "a NIC that is plugged in late: it is found and booted from" 'the root runs'
	silent "a NIC that is plugged in late: in the first attempt" 'retry begin'
}

# From outside: a machine with hardly more memory than the memory check asks for boots.
case_memory() {
	local image peak need free name="an image of 14 MB"

	vm_dnsmasq "$sets/boot" --dhcp-boot=large.index
	boot 84 virtio-net-pci ""
	console "$name boots with little more memory than it asks for" 'the root runs'
	silent "$name: no process was killed" 'Out of memory|oom-kill|invoked oom'
	read -r need free < <(sed -nE 's/.*memory ok: .* needs ([0-9.]+) MB, ([0-9.]+) MB of memory are free.*/\1 \2/p' \
		"$VM/consoles/$VM_MAC.log" | head -n 1)
	t "$name: at most 8 MB were to spare (needs ${need:-?} MB of ${free:-?} MB)" \
		awk "BEGIN { exit !(${free:-99} - ${need:-0} <= 8) }"
	image=$(sed -n 's/^size //p' "$sets/boot/large.index")
	peak=$(sed -nE 's/.*root ok: .*peak memory ([0-9]+) bytes.*/\1/p' "$VM/consoles/$VM_MAC.log" | head -n 1)
	t "$name: init's peak of ${peak:-?} bytes is at most the image and 8 MB" \
		test "${peak:-999999999}" -le $((image + 8000000))
}

case_malformed() {
	hostile_dhcp malformed
	boot 160 virtio-net-pci ""
	console "a DHCP answer that runs off its end" 'dhcp fail: no DHCP answer on eth0 that can be used \([0-9]+ malformed\)'
	retries "a DHCP answer that runs off its end"
}

hostile_dhcp() { # MODE
	"$BUILD/tests/tools/dhcp-hostile" tap0 $VM_SERVER "$1" </dev/null >"$VM/hostile.log" 2>&1 &
	vm_pids+=($!)
	wait_for 10 grep -q ready "$VM/hostile.log"
}

case_naks() {
	hostile_dhcp nak
	boot 160 virtio-net-pci ""
	console "a DHCP server that refuses for ever" 'dhcp fail: .*DHCP server 10.77.0.1 refused .*, [0-9]{1,2} times'
	retries "a DHCP server that refuses for ever"
}

case_options() {
	hostile_dhcp options
	boot 160 virtio-net-pci "bpboot.fetch=2"
	retries "a DHCP answer full of traps"
	silent "a DHCP answer full of traps: nothing of it controls the terminal" $'\033|\007|kernel: panic'
	silent "a DHCP answer full of traps: init lives" 'Attempted to kill init|segfault|mount ok'
}

cases="server_stops several_servers old_counter other_machine no_driver no_nic link_down no_dhcp no_server no_image not_found bit_flipped other_key too_large no_init init_exits shell
	break panic second_nic late_nic memory naks options malformed"

if [ "${1-}" = --case ]; then
	VM=$SCRATCH/$2
	mkdir -p "$VM" && vm_network || {
		not_ok "$2" "cannot make a network"
		exit 1
	}
	trap vm_end EXIT
	"case_$2"
	done_testing
fi

for tool in qemu-system-x86_64 dnsmasq ip; do
	command -v $tool >/dev/null || {
		echo "skip boot failures - $tool is missing"
		exit 0
	}
done
[ -n "${KERNEL_CLOUD-}" ] || {
	echo "skip boot failures - KERNEL_CLOUD names no kernel"
	exit 0
}
if ! prepare >"$SCRATCH/prepare.out" 2>&1; then
	not_ok "images and initrd for the cases are built" "$(cat "$SCRATCH/prepare.out")"
	done_testing
fi
lib_cases "$cases" "$*"
done_testing
