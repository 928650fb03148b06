#!/bin/bash
# demo.sh - the real ./demo: what it shows, what it leaves behind, two at once, Ctrl-C
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

# Ctrl-C while the nodes boot, and while they run the command.
interrupted_at() { # PATTERN
	local log=$SCRATCH/interrupt.out status

	start "$log" --nodes 2 -- sh -c 'echo began; sleep 300'
	wait_for 120 grep -qE "$1" "$log" || {
		tail -n 20 "$log"
		return 1
	}
	kill -INT -- -$pid
	wait $pid
	status=$?
	[ $status = 130 ] || echo "exit status $status: $(tail -n 5 "$log")"
	left_behind $pid
	[ $status = 130 ] && nothing_left $pid
}
t "Ctrl-C while the nodes boot leaves nothing" interrupted_at 'n0 .*firmware'
t "Ctrl-C while the command runs leaves nothing" interrupted_at '^[01]: began'

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
t_says "a wrong argument is explained" 2 "usage: ./demo" ./demo --colour
t_says "--help explains the options" 0 "--kernel KIND" ./demo --help
done_testing
