#!/bin/bash
# demo.sh - the real ./demo: what it shows, what it leaves behind, two at once, Ctrl-C
# alone
. tests/system/lib.sh

export XDG_RUNTIME_DIR=$SCRATCH
pids=()
finish() {
	local p

	for p in ${pids[@]+"${pids[@]}"}; do
		kill -TERM -- -"$p" 2>/dev/null
	done
}
trap finish EXIT

# What a demo may leave: nothing. Its labs are below $SCRATCH, its work below build/demo.
left_behind() {
	ls -d "$SCRATCH"/bpboot-lab-* build/demo/demo-"$1" 2>/dev/null
	pgrep -af "$SCRATCH/bpboot-lab-" || pgrep -af "lab up --name demo-$1 "
}
nothing_left() { [ -z "$(left_behind "$1")" ]; }

# Start a demo like a terminal would: a process group of its own that takes interrupts.
start() { # LOG ARGUMENT...
	local log=$1
	shift
	setsid env --default-signal=INT ./demo "$@" >"$log" 2>&1 </dev/null &
	pid=$!
	pids+=($pid)
}

# Two at once.
start "$SCRATCH/two.out" --nodes=1 --memory 192M -- sh -c 'echo second; exit 3'
second=$pid
start "$SCRATCH/one.out" --nodes 2
first=$pid
wait $first
status=$?
wait $second
second_status=$?

shows() { # LOG PATTERN...
	local log=$1 p
	shift
	for p; do
		grep -qE -- "$p" "$log" || {
			echo "no '$p' in: $(tail -n 30 "$log")"
			return 1
		}
	done
}
if [ $status = 0 ]; then
	ok "the demo succeeds"
else
	not_ok "the demo succeeds" "status $status: $(tail -n 20 "$SCRATCH/one.out")"
fi
t "it shows each file of the image, and why it is in" shows "$SCRATCH/one.out" \
	'/usr/bin/bash +asked for' 'libc.so.6 +needed by' 'image compute: ext2, [0-9]+ bytes'
t "it shows the initramfs and its modules" shows "$SCRATCH/one.out" '^modules: .*brd'
t "it says how nodes are emulated" shows "$SCRATCH/one.out" '^acceleration: '
t "it shows each node coming up" shows "$SCRATCH/one.out" 'n0 .*firmware' 'n1 .*firmware' 'n0 .* up$' 'n1 .* up$'
t "bpstat sees both nodes up" shows "$SCRATCH/one.out" '^0[-,]1 +up'
t "both nodes answer" shows "$SCRATCH/one.out" '^0: Linux n0 ' '^1: Linux n1 '
t "it ends with a node's timeline and what to do next" shows "$SCRATCH/one.out" 'root +ok ' 'up +ok ' \
	'^up [0-9.]+ s after its kernel started' '^Three commands to go on with'
t "it leaves nothing behind" nothing_left $first
t "a second one at once runs its own command" shows "$SCRATCH/two.out" '^0: second'
if [ $second_status = 1 ]; then
	ok "a command that fails on a node fails the demo"
else
	not_ok "a command that fails on a node fails the demo" "status $second_status"
fi
t "that one leaves nothing behind" nothing_left $second

# Signals while the nodes boot, and while they run the command. After a kill -9 nobody is left to remove build/demo/NAME.
ended_at() { # PATTERN SIGNAL STATUS [group]
	local log=$SCRATCH/ended.out begin status left=nothing_left

	start "$log" --nodes 1 -- sh -c 'echo began; sleep 300'
	wait_for 120 grep -qE "$1" "$log" || {
		tail -n 20 "$log"
		return 1
	}
	begin=$SECONDS
	kill -"$2" -- ${4:+-}$pid
	wait $pid
	status=$?
	if [ "$2" = KILL ]; then
		left=no_lab_left
	fi
	[ $status = "$3" ] && wait_for 10 $left $pid && [ $((SECONDS - begin)) -lt 30 ] && return
	echo "exit status $status after $((SECONDS - begin)) s: $(tail -n 5 "$log")"
	left_behind $pid
	return 1
}
# Nothing of the lab, and nobody who holds the lock of its folder.
no_lab_left() { ! left_behind "$1" | grep -qv "^build/demo/" && flock -n "build/demo/demo-$1" true; }
t "Ctrl-C while the nodes boot leaves nothing" ended_at 'n0 .*firmware' INT 130 group
t "Ctrl-C while the command runs leaves nothing" ended_at '^0: began' INT 130 group
t "TERM to the demo alone ends it at once and leaves nothing" ended_at 'n0 .*firmware' TERM 143
t "HUP to all of it leaves nothing" ended_at '^0: began' HUP 129 group
t "after a kill -9 its lab ends by itself" ended_at '^0: began' KILL 137

# --keep
kept() {
	local name

	./demo --nodes 1 --keep -- true >"$SCRATCH/keep.out" 2>&1 </dev/null || {
		tail -n 20 "$SCRATCH/keep.out"
		return 1
	}
	name=$(sed -n 's/^  build.* lab down --name \(.*\)/\1/p' "$SCRATCH/keep.out")
	build/src/cli/bpboot lab exec --name "$name" -- build/src/cli/bpsh 0 uname -n | grep -x n0 &&
		build/src/cli/bpboot lab down --name "$name" && rm -rf "build/demo/$name" && rmdir build/demo
}
t "with --keep the nodes stay until they are taken down" kept
t "what a killed demo left in build/demo goes with the next one" test ! -e build/demo
t_says "a wrong argument is explained" 2 "usage: ./demo" ./demo --colour
t_says "--help explains the options" 0 "--kernel KIND" ./demo --help
done_testing
