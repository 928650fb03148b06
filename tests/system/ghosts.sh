#!/bin/bash
# ghosts.sh - a local process that stands for a remote one: its name, its number, signals, stops, ends, both ways
#
# The nodes are light ones, and bpmaster is the lab's: another PID namespace than the ghosts'.
# fast
. tests/system/lib.sh

pids=()
finish() {
	local p
	for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
	light_lab_end
}
trap finish EXIT
light_lab 3

# ghost NODE COMMAND...: start it; its pid is $pid. Its process runs once the node says so.
ghost() {
	"$bin/bpsh" "$@" </dev/null >"$SCRATCH/out" 2>"$SCRATCH/err" &
	pid=$!
	node=$1
	pids+=($pid)
	wait_for 20 watched
}
state() { # of a process here
	awk '$1 == "State:" { print $2 }' "/proc/$1/status" 2>/dev/null
}
remote() { # of the process of the ghost's number there
	"$bin/bpsh" "$node" awk '$1 == "State:" { print $2 }' "/proc/$pid/status" </dev/null 2>/dev/null
}
is() { [ "$("$1" "$pid")" = "$2" ]; }
both() { is state "$1" && is remote "$2"; }
stopped() { case $(state "$pid") in [tT]) [ "$(remote)" = T ] ;; *) false ;; esac; }
runs() { is state S && [ "$(remote)" = S ]; }
no_remote() { ! "$bin/bpsh" "$node" test -e "/proc/$pid" </dev/null; }
watched() { [ "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$pid/status")" != 0 ] && [ -n "$(remote)" ]; }
ended() { # NAME STATUS: of the ghost, as a shell has it; not in a subshell, which has no children
	local got
	wait "$pid" 2>/dev/null
	got=$?
	if [ $got = "$2" ]; then ok "$1"; else not_ok "$1" "status $got, expected $2: $(cat "$SCRATCH/err")"; fi
}

ghost 1 sh -c 'sleep 300; true' "a b" c
t_says "ps shows name, arguments and node" 0 "sh -c sleep 300; true a b c [n1]" ps -o args= -p $pid
kill -KILL $pid
wait $pid 2>/dev/null

ghost 1 sleep 300
t_says "top shows it, too" 0 "sleep 300 [n1]" env TERM=dumb top -b -c -n 1 -w 200 -p $pid
t_says "a process of that name is found" 0 "$pid" pgrep -x sleep
alone() { [ "$(pgrep -f 'sleep 300 \[n1\]' | tr '\n' ' ')" = "$pid " ]; } # a watcher just begun still shows them
t "nobody else shows its arguments" wait_for 5 alone
t "it is the caller's child" test "$(ps -o ppid= -p $pid | tr -d ' ')" = $$
t_says "the remote process has its number" 0 "sleep" "$bin/bpsh" 1 cat /proc/$pid/comm
t_says "on its node only" 1 "" "$bin/bpsh" 2 test -e /proc/$pid
t_says "a node shows the processes of the space and no other" 0 "1 space-init" "$bin/bpsh" 2 sh -c \
	'for p in /proc/[0-9]*; do echo ${p#/proc/} $(cat $p/comm); done'

kill -STOP $pid
t "SIGSTOP stops both" wait_for 10 stopped
jobs -s >"$SCRATCH/jobs" # bash asks wait() for it
kill -CONT $pid
t "SIGCONT lets both go on" wait_for 10 runs
for signal in TSTP TTIN TTOU; do
	kill -$signal $pid
	t "SIG$signal stops both" wait_for 10 stopped
	kill -CONT $pid
	t "and they go on" wait_for 10 runs
done
"$bin/bpsh" 1 kill -STOP $pid </dev/null
t "a stop on the node stops the ghost" wait_for 10 stopped
kill -CONT $pid
t "and the ghost's SIGCONT goes there" wait_for 10 runs
for i in 1 2 3 4 5 6 7 8; do kill -STOP $pid; kill -CONT $pid; done
t "many stops in a row end as the last one says" wait_for 10 runs
kill -TERM $pid
ended "SIGTERM ends both" 143
t "the remote one is gone" wait_for 10 no_remote

bad=
declare -A ended_by
node=0
for signal in {1..31} {34..64}; do
	case $signal in 17 | 18 | 19 | 20 | 21 | 22 | 23 | 28) continue ;; esac # these end nothing
	env --default-signal=INT,QUIT "$bin/bpsh" 0 sleep 300 </dev/null >"$SCRATCH/out" 2>&1 & # jobs of scripts ignore both
	ended_by[$signal]=$!
	pids+=($!)
done
for signal in "${!ended_by[@]}"; do
	pid=${ended_by[$signal]}
	wait_for 20 watched
	kill -$signal $pid
	wait $pid 2>/dev/null
	got=$?
	[ $got = $((128 + signal)) ] || bad="$bad $signal:$got"
done
if [ -z "$bad" ]; then ok "each signal ends both as it ends one"; else not_ok "each signal ends both as it ends one" "$bad"; fi
none_there() { [ -z "$("$bin/bpps" --no-headers -n 0 -C sleep -o pid)" ]; }
t "and none is left there" wait_for 10 none_there

ghost 0 sh -c 'trap "echo usr1" USR1; trap "echo win" WINCH; trap "echo term; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
wait_for 10 grep -q ready "$SCRATCH/out"
kill -USR1 $pid
t "a signal that the process takes does not end it" wait_for 10 grep -q usr1 "$SCRATCH/out"
for signal in CHLD URG WINCH; do kill -$signal $pid; done
t "nor one that would be ignored" wait_for 10 grep -q win "$SCRATCH/out"
kill -TERM $pid
ended "its exit status is the ghost's" 5

ghost 2 sleep 300
kill -KILL $pid
ended "SIGKILL of the ghost" 137
t "ends the remote process" wait_for 10 no_remote
ghost 2 sleep 300
"$bin/bpsh" 2 kill -KILL $pid </dev/null
ended "SIGKILL of the remote process ends the ghost" 137
ghost 2 sleep 300
kill -STOP $pid
wait_for 10 stopped
kill -KILL $pid
ended "a stopped ghost can be killed" 137
t "and its process, too" wait_for 10 no_remote

ghost 2 sleep 300
"$bin/bpctl" -S 2 -P
ended "a ghost whose node goes ends with a status of its own" 255
t_says "and says why" 0 "node 2: node lost" cat "$SCRATCH/err"

# A pipeline across nodes; the reader's end reaches the writer.
t "a pipeline across nodes" test "$("$bin/bpsh" 0 seq 5 </dev/null | "$bin/bpsh" 1 sort -r | head -n 1)" = 5
writer_ends() { "$bin/bpsh" 0 yes </dev/null | head -n 1 >/dev/null; [ "${PIPESTATUS[0]}" = 141 ]; }
t "who writes into a closed pipe ends by SIGPIPE" writer_ends

# Job control in a shell on a terminal.
if command -v python3 >/dev/null; then
	cat >"$SCRATCH/shell.py" <<'END'
import sys, time
from at_shell import hear, say, watched
bpsh = sys.argv[1].encode()
hear(rb"ask> ")
say(bpsh + b" 0 sh -c 'echo be''gun; while read x; do echo got $x; done'\n")
hear(rb"begun"); say(b"one\n"); hear(rb"got one")
watched(1); say(b"\x1a"); hear(rb"Stopped"); hear(rb"ask> ")
say(b"bg\n"); hear(rb"&"); say(b"\n"); hear(rb"ask> ")
say(b"fg\n"); time.sleep(0.2); say(b"two\n"); hear(rb"got two")
say(b"\x03"); hear(rb"ask> "); say(b"echo status $?\n"); hear(rb"status 130")
say(b"exit\n")
END
	t "a shell's ^Z, bg, fg and ^C" timeout 90 env PYTHONPATH="$PWD/tests/tools" python3 -B "$SCRATCH/shell.py" "$bin/bpsh"
else
	echo "skip a shell's ^Z, bg, fg and ^C - no python3"
fi

# A start that asks for the number of another, and what the door takes.
"${knock[@]}" - "$BPBOOT_SOCKET" >"$SCRATCH/door" 2>&1 <<'END'
import sys
from door import *
door = Door(sys.argv[1])
for pid in (77777, 0):
    door.say(bytes([KILL]) + u32(pid) + b"\x09"); print(words(door.hear()))
for job, pid in ((0, 1), (1, 0xffffffff)):  # process 1 of the realm, and a number that no kernel has
    door.run(spec([b"true"]), job=job, pid=pid)
    while True:
        m = door.hear()
        if m[0] in (FAILED, EXIT):
            print("ended", m[0], m[5]); break
END
t_says "a signal for nobody's ghost is refused" 0 "77777 is nobody's ghost" cat "$SCRATCH/door"
t "a number that cannot be had is no reason not to run" test "$(grep -c 'ended 25 0' "$SCRATCH/door")" = 2
done_testing
