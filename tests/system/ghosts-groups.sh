#!/bin/bash
# ghosts-groups.sh - process groups and sessions: each process of a job hears a signal once, with all that it has forked, wherever
# it runs; a pipeline across nodes is one job of its shell
. tests/system/lib.sh

bin=$(cd "$BUILD/src/cli" && pwd)
export XDG_RUNTIME_DIR=$SCRATCH
job=
finish() {
	[ -z "$job" ] || kill -KILL "$job" 2>/dev/null
	"$bin/bpboot" lab down --name groups >/dev/null 2>&1
}
trap finish EXIT
"$bin/bpboot" lab up --name groups --light 2 >"$SCRATCH/up" 2>&1 || not_ok "the lab comes up" "$(cat "$SCRATCH/up")"
BPBOOT_SOCKET=$(echo "$SCRATCH"/bpboot-lab-*-groups/master.sock)
export BPBOOT_SOCKET
at=$PWD/tests/tools/type-at.py

sleeps() { "$bin/bpps" --no-headers -C sleep -o pid | grep -c .; }
are() { [ "$(sleeps)" = "$1" ]; }
start() { # COUNT ARGUMENTS...: until so many sleep
	local n=$1
	shift
	env --default-signal=INT,QUIT "$bin/bpsh" "$@" </dev/null >"$SCRATCH/out" 2>"$SCRATCH/err" &
	job=$!
	wait_for 30 are "$n" || not_ok "the processes of a job" "$("$bin/bpps") $(cat "$SCRATCH/err")"
}
over() { # NAME: whatever the job's status, nothing is left of it
	if ! wait_for 60 ended; then
		not_ok "$1" "bpsh runs still: $("$bin/bpps")"
		kill -KILL $job
	fi
	wait $job 2>/dev/null
	job=
	if wait_for 30 are 0; then ok "$1"; else not_ok "$1" "$("$bin/bpps")"; fi
}
ended() { ! kill -0 $job 2>/dev/null; }
stopped() { [ "$("$bin/bpps" --no-headers -C sleep -o s | tr -d ' \n' | tr t T)" = "$1" ]; }

# What a process forks is signalled with its group.
forks='sleep 401 & sh -c "sleep 402; true" & sleep 403; true'
start 3 1 sh -c "$forks"
watched() { [ "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$job/status")" != 0 ]; }
wait_for 20 watched # see bpsh(1), CAVEATS
kill -STOP $job
t "a stop of a ghost stops what its process forked" wait_for 20 stopped TTT
kill -CONT $job
t "which goes on with it" wait_for 20 stopped SSS
kill -TERM $job
over "SIGTERM ends them with it"
start 3 1 sh -c "$forks"
kill -KILL $job
over "so does SIGKILL"
start 6 0-1 sh -c "$forks"
ghost=$(pgrep -P $job -x sh | head -n 1)
kill -TERM "$ghost"
t "on several nodes: SIGTERM of one ghost ends what that one forked" wait_for 20 are 3
kill -TERM $job
over "and a signal for bpsh the rest"
start 6 --ghosts none 0-1 sh -c "$forks"
kill -KILL $job
over "without ghosts, too"
t_says "at a terminal: ^C" 0 "status -2" "$at" 33x77 "$bin/bpsh" -t 1 sh -c 'sh -c "sleep 402; true"; true' <<<"$(printf 'run %s\nraw\nsend \\x03\nend\n' \
	"sh -c 'until [ \$($bin/bpps --no-headers -C sleep -o pid | grep -c .) = 1 ]; do sleep 0.1; done'")"
t "reaches what was forked there" wait_for 20 are 0
t_says "and a signal for bpsh -t" 0 "restored" "$at" 33x77 "$bin/bpsh" -t 1 sh -c "$forks" <<<"$(printf 'run %s\nraw\nsignal TERM\nend\n' \
	"sh -c 'until [ \$($bin/bpps --no-headers -C sleep -o pid | grep -c .) = 3 ]; do sleep 0.1; done'")"
t "does" wait_for 20 are 0

# A pipeline in a shell with job control: one group and one session here, two commands on one node, or on two.
cat >"$SCRATCH/count.sh" <<'END'
trap "echo int >>$1.ints" INT
trap "exit 0" TERM
echo >"$1.begun"
while :; do sleep 404 & wait $!; kill $! 2>/dev/null; done
END
cat >"$SCRATCH/shell.py" <<'END'
import os, subprocess, sys, time
from at_shell import hear, pid, say, watched
bpsh, bpps, dir, second = sys.argv[1:]
def until(what, is_so):
    end = time.time() + 40
    while True:
        got = is_so()
        if got: return got
        if time.time() > end:
            print("waited for", what, "processes", rows(), flush=True); sys.exit(1)
        time.sleep(0.1)
def rows():
    out = subprocess.run([bpps, "--no-headers", "-C", "sh", "-o", "pid,ghost,gpgid,gsid,s"], capture_output=True).stdout.decode()
    return [l.split() for l in out.splitlines()]
def ints(): return [len(open(f).read().split()) if os.path.exists(f) else 0 for f in (dir + "/a.ints", dir + "/b.ints")]
def states(s): return lambda: [r[4] for r in rows()] == [s, s]
hear(rb"ask> ")
say(f"{bpsh} 1 sh {dir}/count.sh {dir}/a | {bpsh} {second} sh {dir}/count.sh {dir}/b\n".encode())
until("both", lambda: os.path.exists(dir + "/a.begun") and os.path.exists(dir + "/b.begun") and states("S")())
two = rows()
if [r[0] for r in two] != [r[1] for r in two] or len({r[2] for r in two}) != 1 or {r[3] for r in two} != {str(pid)}:
    print("groups and sessions of the ghosts, shell", pid, two, flush=True); sys.exit(1)
if two[0][2] not in [r[0] for r in two]:
    print("the group is led by one of them", two, flush=True); sys.exit(1)
watched(2)
say(b"\x1a"); hear(rb"Stopped"); hear(rb"ask> "); until("stops", states("T"))
say(b"fg\n"); until("going on", states("S"))
for n in 1, 2:
    say(b"\x03"); until("an interrupt", lambda: ints() == [n, n] or max(ints()) > n)
    time.sleep(0.5)
    if ints() != [n, n]:
        print("interrupts heard", ints(), "of", n, flush=True); sys.exit(1)
os.killpg(int(two[0][2]), 15)
hear(rb"ask> "); say(b"exit\n")
print("well", flush=True)
END
for second in 1 0; do
	rm -f "$SCRATCH"/*.ints "$SCRATCH"/*.begun
	t_says "a pipeline on nodes 1 and $second is one group of its shell's session; ^Z stops both, ^C comes to each once" 0 "well" \
		timeout 250 env PYTHONPATH="$PWD/tests/tools" python3 -B "$SCRATCH/shell.py" "$bin/bpsh" "$bin/bpps" "$SCRATCH" $second
	t "and nothing is left" wait_for 20 are 0
done
done_testing
