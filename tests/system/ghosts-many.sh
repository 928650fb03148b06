#!/bin/bash
# ghosts-many.sh - a job on several nodes has a ghost for each process: names, numbers, signals, stops, ends, both ways
# fast
. tests/system/lib.sh

job=
finish() {
	[ -z "$job" ] || kill -KILL "$job" 2>/dev/null
	light_lab_end
}
trap finish EXIT
light_lab 3

ghosts() { pgrep -P "$job" -x "${1:-sleep}" | tr '\n' ' '; }
running() { # of N processes, each in the state that is asked for
	[ "$("$bin/bpps" --no-headers -o s,pid -p "$list" | grep -c "^$2")" = "$1" ]
}
# start NODES COMMAND...: run it; its ghosts are $g0 $g1 $g2, once all processes run
start() {
	env --default-signal=INT,QUIT "$bin/bpsh" "$@" </dev/null >"$SCRATCH/out" 2>"$SCRATCH/err" &
	job=$!
	wait_for 20 three || not_ok "the ghosts of a job" "$(ps -o pid,ppid,comm,args --ppid $job; "$bin/bpps"; cat "$SCRATCH/err")"
	wait_for 20 running 3 "[SR]" || not_ok "the processes of a job" "$("$bin/bpps")"
	wait_for 20 watched
}
three() {
	read -r g0 g1 g2 <<<"$(ghosts "$comm")"
	list=$g0,$g1,$g2
	[ -n "$g2" ]
}
watched() { [ "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$job/status")" != 0 ]; }
here() { # STATE PID: of a ghost
	[ "$(awk '$1 == "State:" { print $2 }' "/proc/$2/status" 2>/dev/null)" = "$1" ]
}
there() { [ "$("$bin/bpps" --no-headers -o s -p "$2" | tr -d ' ')" = "$1" ]; }
both() { here "$1" "$2" && there "$1" "$2"; }
no_ghost() { [ ! -e "/proc/$1" ] || here Z "$1"; } # process 1 may be slow to reap, or never do
gone() { [ -z "$("$bin/bpps" --no-headers -p "$1")" ] && no_ghost "$1"; }
ended() { # NAME STATUS
	local got
	wait $job 2>/dev/null
	got=$?
	job=
	if [ $got = "$2" ]; then ok "$1"; else not_ok "$1" "status $got, expected $2: $(cat "$SCRATCH/err")"; fi
}

comm=sleep
start 0-2 sleep 300
t_says "each shows name, arguments and its node" 0 "sleep 300 [n1]" ps -o args= -p $g1
t "each process has the number of its ghost" test "$("$bin/bpps" --no-headers -o node,pid -p $list | tr -s ' ' | sed 's/^ //' | tr '\n' ' ')" = \
	"0 $g0 1 $g1 2 $g2 "
t "they are a process group of their own" test "$(ps -o pgid= -p $g0 | tr -d ' ')" != "$(ps -o pgid= -p $job | tr -d ' ')"

t "bpstat -p names each with its node and number there" test "$("$bin/bpstat" -p | awk 'NR > 1 { print $1, $2, $3 }' | tr '\n' ' ')" = \
	"$g0 0 $g0 $g1 1 $g1 $g2 2 $g2 "
t "of the nodes that are asked for" test "$("$bin/bpstat" -p 1 | awk 'NR > 1 { print $1 }')" = $g1
t "bpstat -P puts the node in front of what ps prints" test "$(ps -o user,pid,comm -p $$,$g2 | "$bin/bpstat" -P |
	awk 'NR == 1 { print $1 } $2 == "root" && /sleep/ { print $1, $3 } /bash/ { print NF }' | sort | tr '\n' ' ')" = "2 $g2 3 NODE "
t "and without heads" test "$(ps -o pid=,comm= -p $g1 | "$bin/bpstat" -P | awk '{ print $1, $2 }')" = "1 $g1"

kill -STOP $g1
t "SIGSTOP of one stops both" wait_for 20 both T $g1
t "and no other" both S $g0
kill -CONT $g1
t "SIGCONT lets both go on" wait_for 20 both S $g1
"$bin/bpsh" 2 kill -STOP $g2 </dev/null
t "a stop on the node stops the ghost" wait_for 20 both T $g2
kill -CONT $g2
t "and its SIGCONT goes there" wait_for 20 both S $g2
"$bin/bpsh" 2 kill -STOP $g2 </dev/null
wait_for 20 both T $g2
"$bin/bpsh" 2 kill -CONT $g2 </dev/null
t "what goes on there lets the ghost go on" wait_for 20 both S $g2
for i in 1 2 3 4 5 6 7 8; do kill -STOP $g0; kill -CONT $g0; done
t "many stops in a row end as the last one says" wait_for 20 both S $g0

kill -STOP $job
t "a stop of bpsh stops all" wait_for 20 running 3 T
kill -CONT $job
all_go_on() { both S $g0 && both S $g1 && both S $g2; }
t "and its SIGCONT lets all go on" wait_for 20 all_go_on

kill -TERM $g1
t "SIGTERM of one ends both" wait_for 20 gone $g1
kill -KILL $g0
t "SIGKILL, too" wait_for 20 gone $g0
"$bin/bpsh" 2 kill -KILL $g2 </dev/null
ended "an end by a signal counts as 255" 255
t "no ghost is left" test ! -e /proc/$g2

comm=sh
start 0-2 sh -c 'trap "exit 7" USR1; trap "echo win" WINCH; while :; do sleep 0.05; done'
kill -WINCH $g1
t "a signal that is taken there" wait_for 20 grep -q win "$SCRATCH/out"
t "by one process" test "$(wc -l <"$SCRATCH/out")" = 1
kill -USR1 -- -"$(ps -o pgid= -p $g0 | tr -d ' ')"
ended "a signal to the ghosts' group reaches all, and their status is the job's" 7

# What each ghost ended with is in the kernel's accounts (acct(5)); bpsh alone sees it otherwise.
cat >"$SCRATCH/accounts" <<'END'
import ctypes, struct, sys
libc = ctypes.CDLL(None)
if len(sys.argv) == 2:
    sys.exit(libc.acct(sys.argv[1].encode()) != 0)
libc.acct(None)
ends = {pid: status for status, pid in struct.iter_unpack("=4xI8xI44x", open(sys.argv[1], "rb").read())}
print(*(ends.get(int(pid), "none") for pid in sys.argv[2:]))
END
: >"$SCRATCH/acct"
if python3 "$SCRATCH/accounts" "$SCRATCH/acct" 2>/dev/null; then
	start 0-2 sh -c 'trap "exit $((5 + $BPROC_RANK))" USR1; while :; do sleep 0.05; done'
	kill -USR1 $g0 $g1
	wait_for 20 gone $g0
	wait_for 20 gone $g1
	kill -TERM $g2
	ended "the status of a job in which a signal ended one" 255
	t_says "each ghost ends with the status or the signal of its own process" 0 "$((5 << 8)) $((6 << 8)) 15" \
		python3 "$SCRATCH/accounts" "$SCRATCH/acct" $g0 $g1 $g2
else
	echo "skip the status of each ghost - the kernel keeps no accounts, or not for us"
fi

comm=sleep
start 0-2 sleep 300
kill -KILL $job
wait $job 2>/dev/null
all_gone() { gone $g0 && gone $g1 && gone $g2; }
t "when bpsh is killed, ghosts and processes go" wait_for 20 all_gone
start 0-2 sleep 300
kill -INT $job
ended "SIGINT of bpsh ends all" 255
t "and nothing is left" wait_for 20 all_gone

start 0-2 sleep 300
"$bin/bpctl" -S 1 -P
lost() { no_ghost $g1; }
t "the ghost of a node that goes ends" wait_for 30 lost
t_says "with a message" 0 "node 1: node lost" cat "$SCRATCH/err"
t "and the others stay" both S $g2
kill -TERM $job
ended "the status tells of it" 255

"$bin/bpsh" --ghosts none 0,2 sleep 300 </dev/null 2>/dev/null &
job=$!
none() { [ "$("$bin/bpps" --no-headers -p $job | wc -l)" = 2 ]; }
t "without ghosts, the processes have bpsh's number" wait_for 20 none
t "and it has no children of that name" test "$(pgrep -P $job -x sleep)" = ""
kill -TERM $job
wait $job 2>/dev/null
job=
t_says "what else there could be is said" 2 "expected 'each', 'all' or 'none'" "$bin/bpsh" --ghosts some 0 true

# Job control in a shell on a terminal, for a job on two nodes.
cat >"$SCRATCH/shell.py" <<'END'
import subprocess, sys, time
from at_shell import hear, say, watched
def states(want):
    end = time.time() + 30
    while True:
        got = subprocess.run([sys.argv[2], "--no-headers", "-C", "sleep", "-o", "s"], capture_output=True).stdout.split()
        if got == [want] * 2: return
        if time.time() > end:
            print("states", got, "wanted", want); sys.exit(1)
        time.sleep(0.1)
hear(rb"ask> ")
say(sys.argv[1].encode() + b" 0,2 sleep 3''00\n"); states(b"S"); watched(1)
say(b"\x1a"); hear(rb"Stopped"); hear(rb"ask> "); states(b"T")
say(b"bg\n"); hear(rb"&"); hear(rb"ask> "); states(b"S")
say(b"fg\n"); hear(rb"sleep"); time.sleep(0.3)
say(b"\x03"); hear(rb"waiting for 2 of 2 nodes: 0,2"); say(b"\x03"); hear(rb"ask> "); say(b"echo status $?\n"); hear(rb"status 255")
say(b"exit\n")
END
t "a shell's ^Z, bg, fg and ^C" timeout 150 env PYTHONPATH="$PWD/tests/tools" python3 -B "$SCRATCH/shell.py" "$bin/bpsh" "$bin/bpps"
done_testing
