#!/bin/bash
# ghosts-all.sh - bpsh --ghosts=all: what a process on a node forks has a ghost here, with its name and number; signals, stops and
# ends, both ways; nothing is left of a job; and what must go on working in one
. tests/system/lib.sh

job=
finish() {
	[ -z "$job" ] || kill -KILL "$job" 2>/dev/null
	light_lab_end
	[ -z "${keys-}" ] || space_end
}
trap finish EXIT
light_lab 2

# What our job has here, but the maker and the watcher of its ghosts; and what runs on the nodes: both without bpsh's own process.
here() {
	ps -o pid=,comm=,args= --ppid "$job" | awk '$2 !~ /^(bpghosts|bpsh-watch|bpsh)$/ && !/defunct/ {
		p = $1; sub(/^ *[0-9]+ +[^ ]+ +/, ""); sub(/ *$/, ""); print p " " $0 }' | sort
}
there() {
	"$bin/bpps" --no-headers -o s,pid,args,node | awk -v job="$job" '$2 != job && $1 != "Z" {
		n = $NF; $1 = $NF = ""; sub(/^ */, ""); sub(/ *$/, ""); print $0 " [n" n "]" }' | sort
}
same() { [ -n "$(here)" ] && [ "$(here)" = "$(there)" ]; }
ghosts() { [ "$(here | wc -l)" = "$1" ]; }
number() { here | awk -v name="$1" '{ p = $1; $1 = ""; sub(/^ /, ""); sub(/ \[n[0-9]+\]$/, "") } $0 == name { print p }' | head -n 1; }
all_here() { ghosts "$1" && same; }
# start COUNT ARGUMENTS...: run it, until it has so many ghosts and they are as their processes
start() {
	local n=$1
	shift
	env --default-signal=INT,QUIT "$bin/bpsh" --ghosts=all "$@" </dev/null >"$SCRATCH/out" 2>"$SCRATCH/err" &
	job=$!
	wait_for 30 all_here "$n" || not_ok "the ghosts of a job" "here: $(here) there: $(there) $(cat "$SCRATCH/err")"
}
state() { [ "$(awk '$1 == "State:" { print $2 }' "/proc/$2/status" 2>/dev/null | tr t T)" = "$1" ]; }
state_there() { [ "$("$bin/bpps" --no-headers -o s -p "$2" | tr -d ' ' | tr t T)" = "$1" ]; }
both() { state "$1" "$2" && state_there "$1" "$2"; }
no_ghost() { [ ! -e "/proc/$1" ] || state Z "$1"; } # process 1 may be slow to reap, or never do
gone() { case $("$bin/bpps" --no-headers -o s -p "$1") in '' | *Z*) no_ghost "$1" ;; *) false ;; esac } # its parent may never wait for it
nothing_there() { [ -z "$("$bin/bpps" --no-headers -o pid)" ]; }
nothing_left() { nothing_there && [ -z "$(pgrep -f '\[n[01]\]$')" ]; }
ended() { # NAME STATUS
	local got
	wait $job 2>/dev/null
	got=$?
	job=
	if [ $got = "$2" ]; then ok "$1"; else not_ok "$1" "status $got, expected $2: $(cat "$SCRATCH/err")"; fi
}

start 4 1 sh -c 'sleep 301 & sleep 302 & sh -c "sleep 303; true" & wait'
t "each has a ghost with its number, name, arguments and node" same
t_says "that of a fork of a fork, too" 0 "sleep 303 [n1]" here
listed() { "$bin/bpstat" -p "$@" | awk -v job="$job" 'NR > 1 && $1 != job { print $1, $2, $3 }' | sort; }
known() { [ "$(listed)" = "$(here | awk -v node="$1" '{ print $1, node, $1 }')" ]; }
t "bpstat -p lists them" wait_for 20 known 1
t_says "bpstat -P puts the node before each" 0 4 eval 'ps -o pid,args --ppid $job | "$bin/bpstat" -P | grep -c "^1 "'
t_says "libbproc knows the node of one" 0 1 python3 -c "import ctypes; print(ctypes.CDLL('$bin/../lib/libbproc.so').bproc_pidnode($(number 'sleep 302')))"
t_says "they are found by their names" 0 "$(number 'sleep 302')" pgrep -P $job -x sleep
t "all are children of bpsh" test "$(ps -o ppid= -p "$(number 'sleep 303')" | tr -d ' ')" = $job
a=$(number 'sleep 301') b=$(number 'sleep 302') c=$(number 'sleep 303')
kill -STOP $a
t "SIGSTOP of one stops both" wait_for 20 both T $a
t "and no other" both S $b
kill -CONT $a
t "SIGCONT lets both go on" wait_for 20 both S $a
"$bin/bpsh" 1 kill -STOP $b </dev/null
t "a stop on the node stops the ghost" wait_for 20 both T $b
"$bin/bpsh" 1 kill -CONT $b </dev/null
t "what goes on there lets the ghost go on" wait_for 20 both S $b
kill -TERM $a
t "SIGTERM of one ends both" wait_for 20 gone $a
kill -KILL $b
t "SIGKILL, too" wait_for 20 gone $b
"$bin/bpsh" 1 kill -9 $c </dev/null
t "an end on the node ends the ghost" wait_for 20 gone $c
ended "and the command goes on to its end" 0
t "nor listed" test -z "$(listed)"
t "nothing is left of it" wait_for 20 nothing_left

start 3 0 sh -c 'trap "echo usr1" USR1; setsid sleep 310 & sh -c "trap \"echo inner\" USR1; sleep 314 & wait; wait"'
kill -USR1 "$(here | awk '/ sh -c trap "echo inner/ { print $1 }')"
t "a signal for one goes to it alone" wait_for 20 grep -q inner "$SCRATCH/out"
t "and to nobody else" test "$(cat "$SCRATCH/out")" = inner
kill -KILL $job
wait $job 2>/dev/null
t "when bpsh is killed all go, sessions of their own, too" wait_for 20 nothing_left
start 1 0 sh -c 'setsid sleep 311 >/dev/null 2>&1 & until [ -e '"$SCRATCH"'/go ]; do :; done; exit 3'
: >"$SCRATCH/go"
ended "the status is the command's, whatever it leaves behind" 3
t "and what it leaves ends with the job" wait_for 20 nothing_left
start 2 0 sh -c 'sleep 312 & sleep 313 & wait'
kill -TERM $job
ended "a signal for the job reaches all" 143
t "and ends all" wait_for 20 nothing_left

start 4 0-1 sh -c 'sleep 320 & wait' # the two of the job itself among them
own() { "$bin/bpps" --no-headers -o pid,node | sort -k2 | awk '{ print $1 }' | tr '\n' ' '; }
t "on several nodes each has its own" test "$(here | grep -c 'sleep 320 \[n[01]\]')" = 2
t "with the numbers of their processes" test "$(own | tr ' ' '\n' | grep . | sort)" = "$(here | awk '{ print $1 }' | sort)"
kill -TERM $job
ended "they end with the job" 255
t "on all nodes" wait_for 20 nothing_left

# Forks in a row, from threads, by vfork; the numbers of all are those of their ghosts, or that is said.
t_says "300 forks in a row" 0 "300 done" timeout 100 "$bin/bpsh" --ghosts=all 1 sh -c \
	'i=0; while [ $i -lt 300 ]; do /bin/true & wait $!; i=$((i+1)); done; echo $i done' </dev/null
cat >"$SCRATCH/forks.py" <<'END'
import os, subprocess, threading
def one(i): out[i] = subprocess.run(["sh", "-c", "echo $((%d * 2))" % i], capture_output=True).stdout
out = [b""] * 12
threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
for t in threads: t.start()
for t in threads: t.join()
pid = os.fork()
if pid == 0: os._exit(9)
print(sum(int(o) for o in out), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.waitstatus_to_exitcode(os.system("kill -9 $$")), flush=True)
END
t_says "threads that fork at once, and statuses of children" 0 "132 9 -9" timeout 60 "$bin/bpsh" --ghosts=all 1 python3 "$SCRATCH/forks.py" </dev/null
cp "$(command -v id)" "$SCRATCH/suid-id" && chmod 4755 "$SCRATCH/suid-id" && chmod 755 "$SCRATCH" "${BPBOOT_SOCKET%/*}"
as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/bpsh" "$@" 1 sh -c "$SCRATCH/suid-id -u; id -u; grep NoNewPrivs /proc/self/status" </dev/null; }
t "a set-uid program is as set-uid as ever" test "$(as_user --ghosts=all)" = "$(as_user)"
t_says "other starts have no filter, and nobody traces them" 0 "TracerPid:0 Seccomp:0" "$bin/bpsh" 1 sh -c \
	'awk "/^(Seccomp|TracerPid):/ { printf \"%s%s \", \$1, \$2 }" /proc/$$/status' </dev/null
chmod 700 "${BPBOOT_SOCKET%/*}"

# A fork bomb, as far as the test wants it.
"$bin/bpsh" --ghosts=all 0 sh -c 'i=0; while [ $i -lt 1060 ]; do sleep 330 & i=$((i+1)); done; echo all there; wait' </dev/null >"$SCRATCH/out" 2>"$SCRATCH/err" &
job=$!
t "a command with more processes than there may be ghosts runs" wait_for 120 grep -q "all there" "$SCRATCH/out"
t "which is said" wait_for 20 grep -q "not every process that is forked has a ghost here: 1024 are there at once" "$SCRATCH/err"
t "once" test "$(wc -l <"$SCRATCH/err")" = 1
t "and bounded" test "$(pgrep -c -P $job -x sleep)" -le 1024
kill -TERM $job
ended "they end with it" 143
t "those without a ghost, too" wait_for 60 nothing_left
t_says "who says neither is told" 2 "expected 'each', 'all' or 'none'" "$bin/bpsh" --ghosts some 0 true

# bpmaster is killed and started again, while the command forks, a process ends, and another one's ghost does.
light_lab_end
space_begin
trap finish EXIT
nodes=(--node 0,52:54:00:00:00:00 --node 1,52:54:00:00:00:01)
space_master "${nodes[@]}"
for n in 0 1; do start_slave $n; done
for n in 0 1; do wait_for 30 state_is $n up || not_ok "node $n is up" "$(tail -n 3 "$SCRATCH/slave$n.log")"; done
mkfifo "$SCRATCH/turn"
start 7 1 sh -c 'for i in 6 7 8 9; do sleep 34$i & done; sleep 341 & a=$!; sleep 342 & sleep 343 & read x <'"$SCRATCH/turn"'; kill $a; sleep 344 & read x <'"$SCRATCH/turn"'; sleep 345 & wait; exit 6'
a=$(number 'sleep 341') b=$(number 'sleep 342') c=$(number 'sleep 343')
stops=$(number 'sleep 346') goes_on=$(number 'sleep 347') ends=$(number 'sleep 348') both_ways=$(number 'sleep 349')
kill -STOP $goes_on
t "a stop reaches one" wait_for 20 both T $goes_on
kill -KILL $master
wait $master 2>/dev/null
kill -KILL $b
kill -STOP $stops $both_ways
kill -TERM $ends
kill -CONT $goes_on
t "without bpmaster a stopped ghost stops" wait_for 20 state T $both_ways
kill -CONT $both_ways
t "and goes on" wait_for 20 state S $both_ways
echo >"$SCRATCH/turn" # its "kill" and its fork come while bpmaster is away
wait_for 20 no_ghost $b
t "without bpmaster ghosts stay" state S $c
space_master "${nodes[@]}"
t "when it is back, what ended meanwhile has no ghost" wait_for 60 gone $a
t "and what has no ghost any more has ended" wait_for 60 gone $b
t "the others are as they were" both S $c
t "and known to bpmaster again" wait_for 20 known 1
t "a stop of that time comes" wait_for 60 both T $stops
t "a SIGCONT, to what was stopped before" wait_for 60 both S $goes_on
t "SIGTERM" wait_for 60 gone $ends
t "of a stop and a SIGCONT the later one" wait_for 60 both S $both_ways
for p in $stops $goes_on $both_ways; do
	kill -CONT $p
	wait_for 60 both S $p && kill -STOP $p && wait_for 60 both T $p && kill -CONT $p
	t "and all is as before" wait_for 60 both S $p
done
there_is() { there | grep -q "^[0-9]* $1 \[n1\]$"; }
t "what was to fork meanwhile does" wait_for 60 there_is "sleep 344"
t "with a ghost" wait_for 60 same
echo >"$SCRATCH/turn"
t "and what forks later has one" wait_for 60 eval 'there_is "sleep 345" && same'
for p in $(here | awk '{ print $1 }'); do kill -TERM "$p"; done
ended "its status is the command's" 6
t "and nothing is left" wait_for 30 nothing_there
done_testing
