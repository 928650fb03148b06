#!/bin/bash
# front-end-61.sh - Debian's 6.1 kernel at both ends: a process on a node that runs it has its ghost's number; and a front end that
# runs it has ghosts as any other
#
# The node is a machine whose image holds the programs of a front end and this script. bpsh runs it there with --front-end, as a
# front end with two nodes of its own, on loopback.
. tests/system/lib.sh

# --- on the node ---
start() { # NODE COMMAND...: in the background; its pid is $pid
	"$bin/bpsh" "$@" </dev/null >"$SCRATCH/out" 2>"$SCRATCH/err" &
	pid=$!
	pids+=($pid)
}
state() { awk '$1 == "State:" { print $2 }' "/proc/$1/status" 2>/dev/null; }
state_there() { "$bin/bpps" --no-headers -o s -p "$1" | tr -d ' '; }
both() { [ "$(state "$2" | tr t T)" = "$1" ] && [ "$(state_there "$2" | tr t T)" = "$1" ]; } # STATE PID
watched() { [ "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$1/status")" != 0 ] && [ -n "$(state_there "$1")" ]; }
gone() { [ -z "$(state_there "$1")" ]; }
line() { tr '\0' ' ' <"/proc/$1/cmdline"; }
parent() { awk '$1 == "PPid:" { print $2 }' "/proc/$1/status"; }
ended() { # NAME STATUS
	local got
	wait "$pid" 2>/dev/null
	got=$?
	if [ $got = "$2" ]; then ok "$1"; else not_ok "$1" "status $got, expected $2: $(cat "$SCRATCH/err")"; fi
}
fork=
fork_here() { # the ghost of what our job forked is $fork
	local p
	for p in $(cat "/proc/$pid/task/$pid/children"); do
		case $(line "$p") in "sleep 301 [n1]"*) fork=$p && return 0 ;; esac
		echo "$p: $(line "$p")"
	done
	cat "$SCRATCH/err"
	return 1
}
segv() { # PROGRAM...: what a shell says of it
	bash -c 'ulimit -S -c "$(ulimit -H -c)"; "$@"; echo "status $?"' bash "$@" sh -c 'kill -SEGV $$' </dev/null 2>&1 |
		grep -o -e 'Segmentation fault' -e '(core dumped)' -e 'status [0-9]*' | tr '\n' ' '
}
front_end() {
	local n

	mkdir -p "$SCRATCH" && cd "$SCRATCH" || exit 1
	space_begin
	t "a front end of 6.1: bpmaster runs" space_master --node 0,52:54:00:00:00:00 --node 1,52:54:00:00:00:01
	for n in 0 1; do start_slave $n; done
	for n in 0 1; do t "node $n registers there" wait_for 60 state_is $n up; done

	start 0 sleep 300
	t "a ghost there is watched" wait_for 60 watched $pid
	t_says "it has the process's name, arguments and node" 0 "sleep 300 [n0] " line $pid
	t_says "it is the caller's child" 0 $$ parent $pid
	t_says "and the process has its number" 0 sleep "$bin/bpsh" 0 cat "/proc/$pid/comm"
	kill -STOP $pid
	t "SIGSTOP stops both" wait_for 60 both T $pid
	kill -CONT $pid
	t "SIGCONT lets both go on" wait_for 60 both S $pid
	kill -TERM $pid
	ended "SIGTERM ends both" 143
	t "the process is gone" wait_for 60 gone $pid
	start 1 sleep 300
	wait_for 60 watched $pid
	kill -KILL $pid
	ended "so does SIGKILL" 137
	t "that process is gone, too" wait_for 60 gone $pid
	t_says "an exit status comes back" 7 "" "$bin/bpsh" 0 sh -c 'exit 7'
	t_says "a process of this shell has a fault" 0 "status 139" segv
	t_says "a fault is the ghost's, with the core flag that it has without bpsh" 0 "$(segv)" segv "$bin/bpsh" 0

	start --ghosts=all 1 sh -c 'sleep 301 & wait; exit 3'
	wait_for 60 fork_here
	t "what a process forks has a ghost" fork_here
	t "which stands for it" wait_for 60 both S "$fork"
	kill -STOP "$fork"
	t "SIGSTOP of that one stops both" wait_for 60 both T "$fork"
	kill -CONT "$fork"
	t "SIGCONT lets them go on" wait_for 60 both S "$fork"
	kill -TERM "$fork"
	ended "SIGTERM ends both, and their parent sees it" 3
	t_says "equal outputs are shown once" 0 "$(printf -- '---- 0-1\nequal')" "$bin/bpsh" -b all sh -c 'echo equal'
	t_says "a pipeline across nodes" 0 3 eval '"$bin/bpsh" 0 seq 3 </dev/null | "$bin/bpsh" 1 sort -r | head -n 1'
	done_testing
}
[ "${1-}" != --front-end ] || { front_end; exit 1; }

# --- here ---
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot bin=$BUILD/src/cli
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/vm/boot
if [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || lib_missing qemu-system-x86_64 dnsmasq busybox; then
	echo "skip Debian's 6.1 kernel at both ends - needs KERNEL_CLOUD, qemu-system-x86_64, dnsmasq, busybox"
	exit 0
fi
lib_inside "$@"
export BPBOOT_SOCKET=$VM/master.sock
files() { # of the node: a front end's, and what this script uses
	local p
	echo "free 64M"
	for p in scripts/setup.sh tests/system/lib.sh tests/system/front-end-61.sh; do echo "file $PWD/$p /t/$p"; done
	for p in bpboot bpghosts bpmaster bpps bpsh bpslave bpstat; do printf 'program %s /t/build/src/cli/%s\n' "$bin/$p" $p; done
	for p in awk bash cat cut dirname env grep head mkdir seq sh sleep sort tail tr; do echo "program $p"; done
}
vm_network || not_ok "a network of its own" "cannot be made"
t "kernel, initrd and image are there" vm_files "$(files)"
VM_LINK=tap0 vm_dnsmasq "$VM/boot"
"$bin/bpmaster" --foreground --address $VM_SERVER --state "$VM/state" --socket "$BPBOOT_SOCKET" --key "$BPBOOT_KEYS/master.key" \
	--node 0,$VM_MAC </dev/null >>"$VM/master.log" 2>&1 &
vm_pids+=($!)
# shellcheck disable=SC2046
qemu-system-x86_64 -accel tcg -nodefaults -display none -no-reboot -m 512 -kernel "$VM/boot/vmlinuz" -initrd "$VM/boot/initrd.img" \
	-append "console=ttyS0 no_timer_check root=tftp://$VM_SERVER/node.index" -device virtio-rng-pci $(vm_nic virtio-net-pci) \
	-serial "$(vm_serial)" </dev/null >"$VM/qemu.log" 2>&1 &
vm_pids+=($!)
vm_runs "a node of 6.1" 0

cd / || exit 1 # which the node has, too
numbers() { sh -c 'echo $$; exec "$@"' sh "$bin/bpsh" 0 sh -c 'echo $$' </dev/null; } # of a ghost and of its process
same() { [ "$(numbers | uniq -c | awk '{ print $1 }')" = 2 ]; }
t "a process there has its ghost's number" same
until sh -c '[ $$ -gt 1000 ]'; do :; done
t "of which the node's kernel has few" "$bin/bpsh" 0 sh -c 'echo 1000 >/proc/sys/kernel/pid_max' </dev/null
t "also one that this kernel did not have" same
t_says "as the node raises kernel.pid_max" 0 4194304 "$bin/bpsh" 0 cat /proc/sys/kernel/pid_max

ulimit -c unlimited 2>/dev/null # else no process of it leaves a core
timeout 240 "$bin/bpsh" 0 env -C /t BUILD=/t/build SCRATCH=/tmp/front LC_ALL=C bash tests/system/front-end-61.sh --front-end \
	</dev/null >"$VM/front" 2>&1
status=$?
cat "$VM/front"
t "the front end of 6.1 did all that" test $status = 0
done_testing
