#!/bin/bash
# restart.sh - what happens to ghosts while bpmaster is away, bpmaster ended on purpose, starts that it interrupts
#
# The nodes and most helpers are those of survive.sh, which runs the cases below.

settled() { wait_for 60 all_up || not_ok "nodes come back" "$("$bin/bpstat" -s 0-3 2>&1 | tr '\n' ' ')"; }
restarted() { # OPTION...: a master in place of one that was killed
	start_master --orphan-limit 3600 "$@"
	settled
}
# Processes of a node are seen from here by their arguments; bpsh has them too, behind a name of its own.
remote() { # TEXT: the pid of the process with these arguments that is no ghost
	local p
	for p in $(pgrep -f -- "$1"); do
		case $(readlink "/proc/$p/exe") in */bpsh | */bpghosts | */bpghost | */bash | "") ;; *) echo "$p" && return ;; esac
	done
	return 1
}
gone() { ! remote "$1"; }
there() { [[ $("$bin/bpps" --no-headers -o s -p "$1" | tr -d ' ') == $2 ]]; } # PID STATES: of the process with that number on its node
state_of() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status"; }
is_in() { # PID STATES
	case $2 in *"$(state_of "$1")"*) return 0 ;; esac
	return 1
}

# --- ghosts that are killed, ended or stopped while bpmaster is away ---
case_ghosts() {
	local killed ended stopped early several waits each ghost=() n
	"$bin/bpsh" 0 sleep 411.1 </dev/null >"$SCRATCH/killed" 2>&1 &
	killed=$!
	"$bin/bpsh" 1 sh -c 'trap "echo told; exit 5" TERM; echo on; while :; do sleep 0.1; done' </dev/null >"$SCRATCH/ended" 2>&1 &
	ended=$!
	"$bin/bpsh" 2 sleep 411.2 </dev/null >"$SCRATCH/stopped" 2>&1 &
	stopped=$!
	"$bin/bpsh" 3 sleep 411.3 </dev/null >"$SCRATCH/early" 2>&1 &
	early=$!
	"$bin/bpsh" 0-3 sleep 411.4 </dev/null >"$SCRATCH/several" 2>&1 &
	several=$!
	"$bin/bpsh" 0 sleep 411.5 </dev/null >"$SCRATCH/waits" 2>&1 &
	waits=$!
	"$bin/bpsh" 0-3 sleep 411.6 </dev/null >"$SCRATCH/each" 2>&1 &
	each=$!
	for i in 1 2 3 4 5 6; do wait_for 60 remote "sleep 411.$i" || not_ok "process $i runs" "$(ps ax | grep 'sleep 411' | head -3)"; done
	wait_for 60 grep -q on "$SCRATCH/ended"
	for i in $stopped $early $waits; do wait_for 60 pgrep -P "$i" -x bpsh-watch || not_ok "a ghost is watched" "$i"; done
	kill -STOP $early $waits
	wait_for 60 is_in "$(remote 'sleep 411[.]3')" T || not_ok "a stop reaches the process" ""
	wait_for 60 is_in "$(remote 'sleep 411[.]5')" T || not_ok "a stop reaches the process" ""
	for n in 0 1 2 3; do
		ghost[n]=$(pgrep -P $each -f "sleep 411.6 \\[n$n\\]$")
		wait_for 60 there "${ghost[n]}" "[SR]" || not_ok "a process of several nodes has its ghost's number" "${ghost[n]}"
	done
	kill_master
	kill -STOP "${ghost[0]}" "${ghost[1]}"
	wait_for 60 is_in "${ghost[1]}" T || not_ok "a ghost stops" "$(state_of "${ghost[1]}")"
	kill -CONT "${ghost[1]}"
	kill -TERM "${ghost[2]}"
	kill -USR1 "${ghost[3]}"
	kill -KILL $killed $several
	kill -TERM $ended
	kill -STOP $stopped
	kill -CONT $early
	wait $killed $several 2>/dev/null
	t "with bpmaster away a process goes on without its ghost" remote 'sleep 411[.]1'
	restarted
	t "and ends as soon as bpmaster is back" wait_for 60 gone 'sleep 411[.]1'
	t "so do those of a job on several nodes" wait_for 60 gone 'sleep 411[.]4'
	wait $ended
	t "a signal of that time comes then: status $?, $(tr '\n' ' ' <"$SCRATCH/ended")" grep -qx told "$SCRATCH/ended"
	t "so does a stop" wait_for 60 is_in "$(remote 'sleep 411[.]2')" T
	t "and a SIGCONT to what was stopped before" wait_for 60 is_in "$(remote 'sleep 411[.]3')" SR
	t "whose ghost runs, too" wait_for 60 is_in $early SR
	t "what was stopped all the time stays so" is_in "$(remote 'sleep 411[.]5')" T
	t "of several, a stop comes to one" wait_for 60 there "${ghost[0]}" T
	t "to another, of a stop and a SIGCONT the later one" wait_for 60 there "${ghost[1]}" "[SR]"
	t "to a third SIGTERM" wait_for 60 grep -q "node 2: ended by signal 15" "$SCRATCH/each"
	t "to the last SIGUSR1" wait_for 60 grep -q "node 3: ended by signal 10" "$SCRATCH/each"
	for n in 0 1; do
		kill -CONT "${ghost[n]}"
		wait_for 60 there "${ghost[n]}" "[SR]" && kill -STOP "${ghost[n]}"
		t "a stop afterwards" wait_for 60 there "${ghost[n]}" T
		kill -TERM "${ghost[n]}"
		kill -CONT "${ghost[n]}"
	done
	wait $each
	kill -CONT $stopped $waits
	t "SIGCONT afterwards is told" wait_for 60 is_in "$(remote 'sleep 411[.]2')" SR
	t "also there" wait_for 60 is_in "$(remote 'sleep 411[.]5')" SR
	kill -STOP $stopped
	t "and the next stop" wait_for 60 is_in "$(remote 'sleep 411[.]2')" T
	kill -KILL $stopped
	wait $stopped 2>/dev/null
	kill -TERM $early $waits
	wait $early
	t "signals end them: $?" test $? != 0
	wait $waits 2>/dev/null
	t "none is left" wait_for 60 gone 'sleep 411'
}

# --- bpmaster is ended on purpose: for a restart, and for good ---
case_ended() {
	local job since
	"$bin/bpsh" 1 sh -c 'echo on; sleep 412.1' </dev/null >"$SCRATCH/job" 2>&1 &
	job=$!
	wait_for 60 grep -q on "$SCRATCH/job"
	kill -TERM $master
	wait $master
	restarted
	t "bpmaster that is ended and started again ends no job" kill -0 $job
	t "nor its process" remote 'sleep 412[.]1'
	t_says "and serves" 0 "again" timeout 60 "$bin/bpsh" 1 echo again </dev/null
	kill -TERM $master
	wait $master
	since=$SECONDS
	t "one that has ended leaves no socket" test ! -e "$BPBOOT_SOCKET"
	t_says "and programs say that it is not running" 1 "bpmaster is not running" timeout 60 "$bin/bpstat"
	attacked
	wait $job
	t "after 10 s bpsh gives up ($((SECONDS - since)) s)" test $? = 255 -a $((SECONDS - since)) -ge 9
	t_says "and says why" 0 "it was ended, and none has come in 10 s" cat "$SCRATCH/job"
	t "the process is still there" remote 'sleep 412[.]1'
	restarted
	t "and is not when bpmaster is back" wait_for 60 gone 'sleep 412[.]1'
}

# Other bpmasters beside a state, a socket or a port that are not theirs alone. Run while ours is away.
other() { # STATE SOCKET PORT LOG-PORT
	local master="$bin/bpmaster"
	"${run[@]}" "$master" --foreground --state "$1" --socket "$2" --port "$3" --log-port "$4" --key "$SCRATCH/keys/master.key" \
		--node 9,52:54:00:00:00:09 </dev/null
}
run=(timeout -s KILL 60)
begin_other() { # the same: it goes on, as $first
	: >"$SCRATCH/other/log" # before anybody looks for its words, not those of the one before
	(run=(exec) && other "$@") >"$SCRATCH/other/log" 2>&1 &
	first=$!
}
attacked() {
	local dir=$SCRATCH/other first
	mkdir -p "$dir/ro" "$dir/full"
	begin_other "$dir/state" "$dir/sock" 2390 2391
	wait_for 60 grep -q ready "$dir/log" || not_ok "another bpmaster starts" "$(tail -3 "$dir/log")"
	t_says "a second bpmaster at the same socket is refused" 1 "another bpmaster serves '$dir/sock' already" other "$dir/state2" "$dir/sock" 2392 2393
	t_says "at the same state" 1 "another bpmaster keeps its logs in '$dir/state" other "$dir/state" "$dir/sock2" 2392 2393
	t_says "at the same port" 1 "TCP port 2390: Address already in use" other "$dir/state2" "$dir/sock2" 2390 2393
	t_says "at the same port for boot events" 1 "UDP port 2391" other "$dir/state2" "$dir/sock2" 2392 2391
	t_says "and the first one serves on" 0 "down" "$bin/bpstat" --socket "$dir/sock" -s 9
	kill -KILL $first
	wait $first 2>/dev/null
	t "one that is killed leaves its socket" test -S "$dir/sock"
	begin_other "$dir/state" "$dir/sock" 2390 2391
	t "which keeps no other one away" wait_for 60 grep -q ready "$dir/log"
	kill -TERM $first
	wait $first
	mount -t tmpfs -o ro tmpfs "$dir/ro"
	t_says "a state that cannot be written keeps it from starting" 1 "Read-only file system" other "$dir/ro/state" "$dir/sock" 2390 2391
	mount -t tmpfs -o size=64k tmpfs "$dir/full"
	mkdir "$dir/full/state"
	head -c 1M /dev/zero >"$dir/full/fill" 2>/dev/null
	begin_other "$dir/full/state" "$dir/sock" 2390 2391
	t "one that is full does not" wait_for 60 grep -q ready "$dir/log"
	t_says "what it cannot keep it says" 1 "cannot keep it over a restart: No space left on device" "$bin/bpctl" --socket "$dir/sock" -S 9 -s drained
	t_says "and does" 0 "drained" "$bin/bpstat" --socket "$dir/sock" -s 9
	rm "$dir/full/fill"
	t "with room again it keeps it" "$bin/bpctl" --socket "$dir/sock" -S 9 -s resting
	kill -TERM $first
	wait $first
	umount "$dir/ro" "$dir/full"
}

# --- starts that bpmaster's end interrupts ---
case_starts() {
	local big=$SCRATCH/big many job status n
	env --default-signal=INT "$bin/bpsh" 0 sh -c 'echo on; sleep 412.3' </dev/null >"$SCRATCH/away" 2>&1 &
	job=$!
	wait_for 60 grep -q on "$SCRATCH/away"
	kill_master
	t "bpsh says that bpmaster is away" wait_for 60 grep -q "bpmaster is away: waiting for it, up to 600 s" "$SCRATCH/away"
	kill -INT $job
	wait $job
	t_says "SIGINT ends it then (status $?)" 0 "interrupted while bpmaster is away" cat "$SCRATCH/away"
	restarted
	t "and the process when bpmaster is back" wait_for 60 gone 'sleep 412[.]3'
	cp "$(command -v bash)" "$big" # which others may not read: it always travels
	head -c 32M /dev/urandom >>"$big"
	chmod 700 "$big"
	"$bin/bpsh" -p 0-3 "$big" -c 'cat; exit 3' >"$SCRATCH/travels" 2>&1 < <(seq 1 1000) &
	job=$!
	wait_for 60 grep -aq "big" <(ls /proc/[0-9]*/fd -l 2>/dev/null | grep memfd) # it is being sent
	kill_master
	restarted
	wait $job
	status=$?
	t "a start whose files were on their way goes on: status $status" test $status = 3
	t "and gets its input ($(grep -v '^[0-3]: [0-9]*$' "$SCRATCH/travels" | head -3 | tr '\n' ' '))" test "$(sort "$SCRATCH/travels" | uniq | wc -l)" = 4000
	# Many at once, killed in the midst, and again before the nodes are back.
	for n in {1..64}; do
		"$bin/bpsh" $((n % 4)) sh -c "echo $n; sleep 1; exit $n" </dev/null >"$SCRATCH/many.$n" 2>&1 &
		many[n]=$!
	done
	wait_for 60 bash -c "[ \$(cat '$SCRATCH'/many.* | wc -l) -ge 8 ]"
	kill_master
	start_master --orphan-limit 3600
	wait_for 60 test -S "$BPBOOT_SOCKET"
	kill_master
	restarted
	job=0
	for n in {1..64}; do
		wait "${many[n]}"
		status=$?
		# One that found nobody at the door has started nothing.
		[ $status = "$n" ] && [ "$(cat "$SCRATCH/many.$n")" = "$n" ] && continue
		[ $status = 1 ] && grep -q 'nobody listens\|no socket\|connection to bpmaster broke' "$SCRATCH/many.$n" && continue
		echo "# start $n: status $status: $(head -c 200 "$SCRATCH/many.$n")"
		job=$((job + 1))
	done
	t "bpmaster killed twice in a row during 64 starts loses none ($job lost)" test $job = 0
	# A terminal.
	printf 'expect ready\nraw\nsend \\r\nend\n' | timeout 120 tests/tools/type-at.py 33x77 "$bin/bpsh" -t 3 sh -c \
		'echo ready; read x; sleep 3; stty size; exit 4' >"$SCRATCH/terminal" 2>&1 &
	job=$!
	wait_for 60 grep -q ready "$SCRATCH/terminal"
	kill_master
	restarted
	wait $job
	t_says "a process with a terminal goes on, too" 0 "status 4" cat "$SCRATCH/terminal"
}

# --- starts just after a restart, on nodes that are not back yet ---
case_expected() {
	local one set none list job started
	"$bin/bpsh" 3 sleep 414.1 </dev/null >/dev/null 2>&1 &
	job=$!
	wait_for 60 remote 'sleep 414.1'
	wait_for 60 bash -c "[ \$(wc -l <'$SCRATCH/state/up') = 4 ]" || not_ok "bpmaster keeps which nodes are up" "$(cat "$SCRATCH/state/up")"
	kill -STOP "${slave[3]}" # it comes back when we say so
	kill_master
	start_master
	wait_for 60 test -S "$BPBOOT_SOCKET"
	t "after a restart a node that was up is away, not down" wait_for 60 state_is 3 away
	t_says "bpstat does not wait for it, and says why" 0 "was up when bpmaster ended, and is not back yet" "$bin/bpstat" -l 3
	"$bin/bpsh" 3 echo back </dev/null >"$SCRATCH/one" 2>&1 &
	one=$!
	"$bin/bpsh" -p allup echo back </dev/null >"$SCRATCH/set" 2>&1 &
	set=$!
	"$bin/bpsh" 3 touch "$SCRATCH/none" </dev/null >/dev/null 2>&1 &
	none=$!
	"$bin/bpps" -n allup --no-headers -o node >"$SCRATCH/list" 2>&1 &
	list=$!
	wait_for 60 bash -c "[ \$('$bin/bpstat' -t allup) = 3 ]"
	t_says "a start elsewhere does not" 0 "here" timeout 60 "$bin/bpsh" 1 echo here </dev/null
	wait_for 60 bash -c "ls -l /proc/$none/fd | grep -q socket" # it asks
	kill -KILL $none
	t "one there waits" test -z "$(cat "$SCRATCH/one" "$SCRATCH/set" "$SCRATCH/list")"
	kill -CONT "${slave[3]}"
	wait $one
	t "until it is back: status $?, $(cat "$SCRATCH/one")" test "$(cat "$SCRATCH/one")" = back
	wait $set
	t "so does who wants all nodes that are up" test "$(sort "$SCRATCH/set" | tr '\n' ' ')" = "0: back 1: back 2: back 3: back "
	wait $list
	t "and a list of all processes ($(tr '\n' ' ' <"$SCRATCH/list"))" grep -q '^ *3$' "$SCRATCH/list"
	wait $none 2>/dev/null
	kill $job
	wait $job 2>/dev/null
	wait_for 60 no_jobs 0-3
	t "who has gone meanwhile starts nothing" test ! -e "$SCRATCH/none"
	kill -STOP "${slave[3]}"
	kill_master
	started=$SECONDS
	start_master
	wait_for 60 "$bin/bpstat" -t # the socket's name is there all the time
	t_says "one that does not come back is down" 1 "node 3 is down" timeout 60 "$bin/bpsh" 3 true </dev/null
	t "after 11 s ($((SECONDS - started)) s)" test $((SECONDS - started)) -ge 9
	t_says "as bpstat says" 0 "it has not come back since bpmaster was restarted" "$bin/bpstat" -l 3
	kill -CONT "${slave[3]}"
	settled
	kill -TERM $master
	wait $master
	cp "$SCRATCH/state/up" "$SCRATCH/up"
	t "a bpmaster that ends keeps which nodes are up" test "$(wc -l <"$SCRATCH/up")" = 4
	printf 'rubbish\n' >"$SCRATCH/state/up"
	start_master
	wait $master
	t_says "one does not start on a file that is not its own" 0 "state/up:1: not a line that bpmaster has written" tail -n 3 "$SCRATCH/master.log"
	cp "$SCRATCH/up" "$SCRATCH/state/up"
	restarted
}

# --- a node that lacks descriptors or memory; a bpslave that is killed ---
limited() { prlimit --pid "${slave[1]}" "$@"; }
case_lacks() {
	local beside status x
	mkfifo "$SCRATCH/lacks.in"
	"$bin/bpsh" 1 sh -c 'echo on; while read x; do echo $x; done; exit 6' <"$SCRATCH/lacks.in" >"$SCRATCH/lacks" 2>&1 &
	beside=$!
	exec 8>"$SCRATCH/lacks.in"
	wait_for 60 grep -q on "$SCRATCH/lacks"
	limited --nofile=$(($(ls "/proc/${slave[1]}/fd" | wc -l) + 2)):
	t_says "no descriptors on a node: an error of that start" 126 "Too many open files" timeout 60 "$bin/bpsh" 1 true </dev/null
	echo one >&8
	t "another job of the node goes on" wait_for 60 grep -q one "$SCRATCH/lacks"
	limited --nofile="$(prlimit --pid "${slave[1]}" --nofile --output HARD --noheadings | tr -d ' ')":
	t_says "and the next start works" 0 "next" timeout 60 "$bin/bpsh" 1 echo next </dev/null
	limited --as=$(($(awk '/^VmSize/ { print $2 }' "/proc/${slave[1]}/status") * 1024)):unlimited
	x=$(head -c 120000 /dev/zero | tr '\0' x)
	timeout 60 "$bin/bpsh" 1 sh -c 'exit 0' "$x" "$x" "$x" "$x" "$x" "$x" "$x" </dev/null >"$SCRATCH/memory" 2>&1
	status=$?
	t "no memory there: at most an error of that start ($status, $(head -c 200 "$SCRATCH/memory"))" test $status = 0 -o -s "$SCRATCH/memory"
	echo two >&8
	t "without memory another job goes on" wait_for 60 grep -q two "$SCRATCH/lacks"
	limited --as=unlimited:unlimited
	settled
	t_says "and the next start works with some again" 0 "next" timeout 60 "$bin/bpsh" 1 echo next </dev/null
	chmod 755 "$SCRATCH"
	cp "$bin/bpsh" "$SCRATCH/bpsh" # where the user gets at it
	t_says "a user who may have no more processes there" 126 "Resource temporarily unavailable" setpriv --reuid 65534 --regid 65534 --clear-groups \
		prlimit --nproc=0:0 "$SCRATCH/bpsh" 1 true </dev/null
	exec 8>&-
	wait $beside
	t "that job's status" test $? = 6

	"$bin/bpsh" 1 sh -c 'echo on; sleep 413.1' </dev/null >"$SCRATCH/lost" 2>&1 &
	beside=$!
	wait_for 60 grep -q on "$SCRATCH/lost"
	kill -KILL "${slave[1]}"
	wait "${slave[1]}" 2>/dev/null
	t "a bpslave that is killed takes its processes along" wait_for 60 gone 'sleep 413[.]1'
	wait $beside
	t_says "then the job is lost, which is said (status $?)" 0 "node 1: node lost" cat "$SCRATCH/lost"
	t "and the node down" wait_for 60 state_is 1 down
	start_slave 1
	settled
	t_says "another bpslave serves" 0 "next" timeout 60 "$bin/bpsh" 1 echo next </dev/null
}

# --- programs of libbproc ---
case_library() {
	local lib child notified
	lib=$(dirname "$bin")/lib/libbproc.so.4
	[ -e "$lib" ] || lib=$(ls "$(dirname "$bin")"/lib/libbproc.so* | head -1)
	export BPBOOT_LIBEXEC=$(dirname "$bin")/lib
	cat >"$SCRATCH/library.py" <<-'END'
		import ctypes, os, select, sys, time
		lib = ctypes.CDLL(sys.argv[1], use_errno=True)
		if sys.argv[2] == "start":
		    argv = (ctypes.c_char_p * 4)(b"sh", b"-c", b"echo started; exit 7", None)
		    env = (ctypes.c_char_p * 2)(b"PATH=/usr/bin:/bin", None)
		    print("asks", flush=True)
		    r = lib.bproc_rexec(2, b"/bin/sh", argv, env)
		    print("failed", r, ctypes.get_errno(), flush=True)
		    sys.exit(1)
		nodes = ctypes.create_string_buffer(64)
		fd = lib.bproc_notifier()
		print("listens", fd, flush=True)
		lost = False
		for i in range(600):
		    p = select.poll()
		    p.register(fd, select.POLLIN)
		    if p.poll(100):
		        n = lib.bproc_nodelist_(nodes, fd)
		        if n < 0 and not lost:
		            lost = True
		            print("lost", ctypes.get_errno(), flush=True)
		        if n == 4 and lost:
		            print("back", flush=True)
		            lost = False
		        elif n == 4 and os.path.exists(sys.argv[3]):
		            print("hears", flush=True)
		            break
		        time.sleep(0.1)
	END
	python3 "$SCRATCH/library.py" "$lib" notify "$SCRATCH/changed" >"$SCRATCH/notified" 2>&1 </dev/null &
	notified=$!
	wait_for 60 grep -q listens "$SCRATCH/notified"
	kill -STOP "${slave[2]}"
	python3 "$SCRATCH/library.py" "$lib" start >"$SCRATCH/library" 2>&1 </dev/null &
	child=$!
	wait_for 60 grep -q asks "$SCRATCH/library"
	asked() { ! no_jobs 2; }
	t "a start is on its way to a node that stands still" wait_for 60 asked
	kill_master
	t "a notifier hears that bpmaster is gone" wait_for 60 grep -q lost "$SCRATCH/notified"
	kill -CONT "${slave[2]}"
	restarted
	wait $child
	t "bproc_rexec() outlives bpmaster ($?, $(tail -1 "$SCRATCH/library"))" test "$(tail -1 "$SCRATCH/library")" = started
	t "the notifier is one of the next bpmaster" wait_for 60 grep -q back "$SCRATCH/notified"
	touch "$SCRATCH/changed"
	"$bin/bpctl" -S 3 -s resting
	t "and hears of changes" wait_for 60 grep -q hears "$SCRATCH/notified"
	"$bin/bpctl" -S 3 -s up
	wait $notified
}

[ $# -gt 0 ] || set -- ghosts ended starts expected library lacks
. tests/system/survive.sh
