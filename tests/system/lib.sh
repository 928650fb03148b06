# lib.sh - what system tests share. Sourced by bash; see HACKING.md.
#
# A test prints "ok NAME", "not ok NAME - why" or "skip NAME - why" for each behaviour. $BUILD is the build directory,
# $SCRATCH an empty directory of the test's own.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/setup.sh"
: "${BUILD:?run it through ./check}" "${SCRATCH:?run it through ./check}"

lib_failed=0
ok() { printf 'ok %s\n' "$*"; }
not_ok() { # NAME WHY
	printf 'not ok %s - %s\n' "$1" "$(printf '%s' "${2-}" | tr '\n' ' ' | cut -c1-400)"
	lib_failed=1
}

# The command's output, of any length and kind, as text of bounded length; its status.
lib_output() {
	set -o pipefail
	"$@" 2>&1 | tail -c 20000 | LC_ALL=C tr '\000-\010\013-\037' '?'
}

# t NAME COMMAND...: passes when the command succeeds; its output is the reason when it does not.
t() {
	local name=$1 out
	shift
	if out=$(lib_output "$@"); then
		ok "$name"
	else
		not_ok "$name" "$out"
	fi
}

# t_says NAME STATUS TEXT COMMAND...: passes when the command exits with STATUS and its output holds TEXT.
t_says() {
	local name=$1 want=$2 text=$3 out status
	shift 3
	out=$(lib_output "$@")
	status=$?
	if [ "$status" != "$want" ]; then
		not_ok "$name" "exit status $status, expected $want: $out"
	elif [ -n "$text" ] && ! printf '%s' "$out" | LC_ALL=C grep -aqF -- "$text"; then
		not_ok "$name" "expected '$text' in: $out"
	else
		ok "$name"
	fi
}

# python3 for programs that knock at bpmaster's door.
knock=(env PYTHONPATH="$PWD/tests/tools" python3 -B)

# wait_for SECONDS COMMAND...: poll until the command succeeds.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.05
	done
}

# stop_last: end the process that was put into $pids last.
stop_last() {
	kill "${pids[-1]}" 2>/dev/null
	wait "${pids[-1]}" 2>/dev/null
	unset 'pids[-1]'
}

# Servers that are not installed, as their packages exclude each other or begin to serve, unpacked in $BUILD.
# get_stock: tftpd-hpa, atftpd and nginx.
get_stock() {
	setup_debs "$BUILD/stock" tftpd-hpa atftpd libwrap0 libnsl2 libtirpc3 nginx libpcre2-8-0 libssl3
}
# get_dhcp_stock: ISC's dhcpd and dhcrelay, and radvd; $PATH finds them then.
get_dhcp_stock() {
	setup_debs "$BUILD/stock-dhcp" isc-dhcp-server isc-dhcp-relay radvd && PATH=$PATH:$BUILD/stock-dhcp/usr/sbin
}

# unpack_with DIR PACKAGE: a package and what it needs that is not installed here, unpacked.
unpack_with() {
	local packages
	packages=$(apt-get -qq --simulate --no-install-recommends install "$2" | sed -n 's/^Inst \([^ ]*\).*/\1/p') || return 1
	# shellcheck disable=SC2086
	setup_debs "$1" $packages
}

# wrap DIR PROGRAM: print the path of a program in DIR, with its libraries found there.
wrap() {
	local name=$1/wrapped/${2##*/}
	mkdir -p "$1/wrapped" && printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' \
		"$1/usr/lib/x86_64-linux-gnu:$1/lib/x86_64-linux-gnu" "$1/$2" >"$name" && chmod 755 "$name" && printf '%s\n' "$name"
}

# get_kea: Kea's DHCPv4 server as $kea, unpacked when it is not installed.
kea=
get_kea() {
	local dir=$BUILD/stock-kea
	kea=$(command -v kea-dhcp4) && return 0
	unpack_with "$dir" kea-dhcp4-server || return 1
	kea=$(wrap "$dir" usr/sbin/kea-dhcp4)
	export KEA_LFC_EXECUTABLE=$dir/usr/sbin/kea-lfc
}

# --- a network and a machine, for tests that boot one directly by its kernel ---
#
# Called inside a network namespace of the test's own (lib_unshare), with $VM an empty directory: the console is
# $VM/consoles/$VM_MAC.log, as `bpboot log --consoles` wants it. Everything is ended by vm_end.
VM_MAC=52:54:00:77:00:01 VM_SERVER=10.77.0.1
vm_pids=()

# lib_unshare COMMAND...: run in a network namespace of its own, as root or not.
lib_unshare() {
	if [ "$(id -u)" = 0 ]; then
		unshare --net -- "$@"
	else
		unshare --net --map-root-user -- "$@"
	fi
}
# lib_missing TOOL...: whether one is not there.
lib_missing() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || return 0
	done
	return 1
}
# lib_inside "$@": the whole test again, as `$0 --inside`, in a network namespace of its own, with an empty $VM.
lib_inside() {
	if [ "${1-}" != --inside ]; then
		lib_unshare bash "$0" --inside
		exit
	fi
	VM=$SCRATCH/vm
	mkdir -p "$VM/boot" && chmod 755 "$SCRATCH" "$VM" "$VM/boot"
	trap vm_end EXIT
}
# lib_cases CASES ONLY: `$0 --case CASE` for each, or for those that ONLY names, in a network namespace of its own, two at a
# time; their lines come in the order of CASES.
lib_cases() {
	local c running=0

	for c in $1; do
		[ -z "$2" ] || case " $2 " in *" $c "*) ;; *) continue ;; esac
		if [ $running -ge 2 ]; then
			wait -n || lib_failed=1
			running=$((running - 1))
		fi
		lib_unshare bash "$0" --case "$c" >"$SCRATCH/$c.tap" 2>&1 &
		running=$((running + 1))
	done
	while [ $running -gt 0 ]; do
		wait -n || lib_failed=1
		running=$((running - 1))
	done
	for c in $1; do
		[ ! -f "$SCRATCH/$c.tap" ] || cat "$SCRATCH/$c.tap"
	done
}
vm_network() {
	mkdir -p "$VM/consoles" "$VM/state" && ip link set lo up && ip tuntap add tap0 mode tap &&
		ip address add $VM_SERVER/24 dev tap0 && ip link set tap0 up
}
# vm_bridge COUNT: br0 with the server's address, and on it tap0, tap1 ...
vm_bridge() {
	local i

	mkdir -p "$VM/consoles" "$VM/state" && ip link set lo up && ip link add br0 type bridge && ip address add $VM_SERVER/24 dev br0 &&
		ip link set br0 up || return 1
	for ((i = 0; i < $1; i++)); do
		ip tuntap add tap$i mode tap && ip link set tap$i master br0 && ip link set tap$i up || return 1
	done
}
# vm_files [LINES]: what a node of the cloud kernel boots, in $VM/boot: kernel, initrd, the image "node" of bpslave, busybox, and
# what the lines say.
vm_files() {
	"$bpboot" keygen >/dev/null && cp "$KERNEL_CLOUD"/boot/vmlinuz-* "$VM/boot/vmlinuz" && cp /bin/busybox "$VM/busybox" &&
		printf 'init /usr/sbin/bpslave\nbpslave\nfile busybox /bin/busybox\n%s\n' "${1-}" >"$VM/node.image" &&
		"$bpboot" initrd -q --kernel "$KERNEL_CLOUD" --modules virtual && "$bpboot" image -q "$VM/node.image" && chmod -R a+rX "$VM/boot"
}
# vm_runs NAME NUMBER: that node is up, and a command runs on it.
vm_up() { "$BUILD/src/cli/bpstat" --socket "$VM/master.sock" -s "$1" 2>/dev/null | grep -qx up; }
vm_runs() {
	t "$1: the node is up" wait_for 120 vm_up "$2"
	t_says "$1: a command runs on it" 0 "$(basename "$KERNEL_CLOUD"/lib/modules/*)" \
		"$BUILD/src/cli/bpsh" --socket "$VM/master.sock" "$2" /bin/busybox uname -r
}
# vm_of MAC COMMAND...: with that machine in place of the first.
vm_of() {
	local VM_MAC=$1
	shift
	"$@"
}
# vm_console NAME SECONDS EXTENDED_REGEX: passes when the console says it.
vm_console() {
	if vm_says "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1" "no '$3' in: $(tail -c 300 "$VM/consoles/$VM_MAC.log")"
	fi
}
# vm_dnsmasq BOOT_DIRECTORY OPTIONS...: DHCP and TFTP; its pid is $vm_dnsmasq_pid.
vm_dnsmasq() {
	local boot=$1
	shift
	dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface="${VM_LINK-tap0}" --bind-interfaces --leasefile-ro \
		--no-ping --user=root --pid-file= --log-facility="$VM/dnsmasq.log" --enable-tftp --tftp-root="$boot" \
		--dhcp-range=10.77.0.10,10.77.0.20,1h "$@" </dev/null >"$VM/dnsmasq.out" 2>&1 &
	vm_dnsmasq_pid=$!
	vm_pids+=($!)
}
# vm_start INITRD APPEND OPTIONS...: a machine that is paused until `vm_monitor cont`. no_timer_check: a busy machine
# emulates too few timer interrupts, for which Linux panics else ("IO-APIC + timer doesn't work").
vm_start() {
	local initrd=$1 append=$2 kernel
	shift 2
	kernel=$(echo "$KERNEL_CLOUD"/boot/vmlinuz-*)
	mkfifo "$VM/monitor" && exec {vm_monitor}<>"$VM/monitor"
	qemu-system-x86_64 -accel tcg -nodefaults -display none -no-reboot -S -monitor stdio \
		-kernel "$kernel" -initrd "$initrd" -append "console=ttyS0 no_timer_check $append" "$@" \
		<"$VM/monitor" >"$VM/qemu.log" 2>&1 &
	vm_pid=$!
	vm_pids+=($!)
}
vm_serial() { printf 'file:%s' "$VM/consoles/$VM_MAC.log"; }
vm_nic() { # DEVICE [TAP]
	printf -- '-netdev tap,id=n,ifname=%s,script=no,downscript=no -device %s,netdev=n,mac=%s,romfile=' "${2-tap0}" "$1" $VM_MAC
}
vm_monitor() { printf '%s\n' "$*" >&"$vm_monitor"; }
# vm_typing: the serial line becomes a pair of fifos, so that a test can type on the console with vm_type LINE; the
# machine's options for it are in $vm_typed.
vm_typing() {
	mkfifo "$VM/serial.in" "$VM/serial.out" && exec {vm_keys}<>"$VM/serial.in" || return 1
	cat "$VM/serial.out" >"$VM/consoles/$VM_MAC.log" &
	vm_pids+=($!)
	vm_typed="-chardev pipe,id=keys,path=$VM/serial -serial chardev:keys"
}
vm_type() { printf '%s\r' "$*" >&"$vm_keys"; }
# vm_says SECONDS EXTENDED_REGEX: wait until the console says it.
vm_says() { wait_for "$1" grep -aqE -- "$2" "$VM/consoles/$VM_MAC.log"; }
vm_end() {
	local p
	for p in "${vm_pids[@]}"; do
		kill "$p" 2>/dev/null
	done
	for p in "${vm_pids[@]}"; do
		wait "$p" 2>/dev/null
	done
	vm_pids=()
}

# --- a light node: init itself as PID 1 of namespaces, in place of a machine ---
#
# It has its own mounts, PIDs and network, and the kernel of this machine: no modules, no ram disk. Its root is a tmpfs as
# of an initramfs; /dev, /proc and the kernel command line are given to it.

# light_node DIR NETNS_PID KEY CMDLINE: start init in the network of NETNS_PID; its console is DIR/console, its pid (in
# our namespace, of what ends it) $light_pid.
light_pid=
light_node() {
	local dir=$1 net=$2 key=$3
	shift 3
	mkdir -p "$dir/root" && : >"$dir/console" && printf '%s\n' "$*" >"$dir/cmdline" || return 1
	LIGHT_DIR=$dir LIGHT_KEY=$key LIGHT_INIT=${LIGHT_INIT-$BUILD/src/init/init} nsenter -t "$net" -n \
		setpriv --pdeathsig KILL unshare --mount --propagation private --uts --pid --fork --kill-child \
		bash tests/tools/light-node.sh </dev/null >"$dir/log" 2>&1 &
	light_pid=$!
}
light_stop() {
	[ -n "$light_pid" ] || return 0
	kill -KILL "$light_pid" 2>/dev/null # unshare waits for what it started, whatever else it is told
	wait "$light_pid" 2>/dev/null
}
# light_end: the node, and all of $pids.
light_end() {
	local p
	light_stop
	for p in "${pids[@]}"; do
		kill "$p" 2>/dev/null
	done
	wait 2>/dev/null
}
# light_prepare: into $SETS init, keys, and in boot/ an image "small", whose root says on the console that it runs.
light_prepare() {
	mkdir -p "$SETS" && cp "$BUILD/src/init/init" "$SETS/init.bin" && "$bpboot" keygen --dir "$SETS/keys" || return 1
	printf '#!/bin/busybox sh\necho "the root runs" >>/dev/console\nexec /bin/busybox sleep 1000\n' >"$SETS/init"
	printf 'file %s /bin/busybox\nfile init /sbin/init mode=0755\ndir /dev\ndir /proc\ndir /sys\ndir /run\n' \
		"$(command -v busybox)" >"$SETS/small.image"
	"$bpboot" image --quiet --format cpio --key "$SETS/keys/sign.key" --output "$SETS/boot" "$SETS/small.image"
}

# --- a process space ---
#
# On loopback, with bpslaves as ordinary processes. space_begin: the programs are in $bin; $port and $log_port are no other
# test's, keys are in $keys; what is in $pids, ${slave[]} and $master ends with the test.
space_begin() { # [KEYS]
	bin=$(cd "$BUILD/src/cli" && pwd)
	port=$((10000 + 5000 * ${SLOT-0} + 2 * (RANDOM % 2400))) log_port=$((port + 1))
	keys=${1-$SCRATCH/keys}
	export BPBOOT_SOCKET=$SCRATCH/sock
	pids=() slave=() master= slave_pid=
	trap space_end EXIT
	mkdir -p "$keys" && "$bin/bpboot" keygen --dir "$keys" >/dev/null || not_ok "keys are made" "bpboot keygen failed"
}
space_end() {
	local p
	for p in "${pids[@]}" "${slave[@]}" $master; do kill "$p" 2>/dev/null; done
	for p in "${pids[@]}" "${slave[@]}" $master; do wait "$p" 2>/dev/null; done
}
# stop PID [SIGNAL]: end a process of ours and wait for it.
stop() {
	[ -n "${1-}" ] && kill "${2--TERM}" "$1" 2>/dev/null && wait "$1" 2>/dev/null
	return 0
}
# space_master OPTION...: bpmaster, with nodes that OPTION names; its pid is $master.
space_master() {
	"$bin/bpmaster" --foreground --address 127.0.0.1 --port $port --log-port $log_port --state "$SCRATCH/state" \
		--key "$keys/master.key" --keepalive 1 "$@" >>"$SCRATCH/master.log" 2>&1 </dev/null &
	master=$!
	wait_for 20 "$bin/bpstat"
}
# boot_file NUMBER [MAC [BOOT]]: what init hands over to that node's bpslave.
boot_file() {
	printf 'BOOT=%s\nMAC=%s\nMASTER=127.0.0.1:%s\n' "${3-1000000$1}" "${2:-52:54:00:00:00:0$1}" $port >"$SCRATCH/boot$1"
}
# start_slave NUMBER OPTION...: its pid is ${slave[NUMBER]} and $slave_pid; makes its boot_file if there is none.
start_slave() {
	local n=$1
	shift
	[ -f "$SCRATCH/boot$n" ] || boot_file "$n"
	"$bin/bpslave" --boot-file "$SCRATCH/boot$n" --events "$SCRATCH/events$n" --key "$keys/master.pub" "$@" \
		>>"$SCRATCH/slave$n.log" 2>&1 </dev/null &
	slave_pid=$!
	slave[n]=$!
}
state_is() { [ "$("$bin/bpstat" -s "$1" 2>/dev/null)" = "$2" ]; } # NUMBER STATE
# light_lab COUNT: so many light nodes and their bpmaster, which the programs in $bin find, until light_lab_end.
light_lab_name=
light_lab() {
	bin=$(cd "$BUILD/src/cli" && pwd)
	light_lab_name=$(basename "$0" .sh)
	export XDG_RUNTIME_DIR=$SCRATCH
	"$bin/bpboot" lab up --name "$light_lab_name" --light "$1" >"$SCRATCH/up" 2>&1 || not_ok "the lab comes up" "$(cat "$SCRATCH/up")"
	BPBOOT_SOCKET=$(echo "$SCRATCH"/bpboot-lab-*-"$light_lab_name"/master.sock)
	export BPBOOT_SOCKET
}
light_lab_end() {
	[ -z "$light_lab_name" ] || "$bin/bpboot" lab down --name "$light_lab_name" >/dev/null 2>&1
}

# done_testing: the script's exit status.
done_testing() { exit $lib_failed; }
