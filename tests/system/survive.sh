#!/bin/bash
# survive.sh - the process space when bpmaster is killed, nodes are cut off, readers are slow, and a node lacks something
#
# Nodes are bpslaves in network namespaces of their own. KILLS=20 tests/system/survive.sh master kills bpmaster so often;
# STARTS=10000 tests/system/survive.sh cut starts so many.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin

if [ "$(id -u)" != 0 ] || ! unshare --net --mount true 2>/dev/null; then
	echo "skip the process space survives - needs root"
	exit 0
fi
if [ -z "${SURVIVE_INSIDE-}" ]; then
	SURVIVE_INSIDE=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
bin=$(readlink -f "$BUILD")/src/cli
export BPBOOT_SOCKET=$SCRATCH/sock
declare -A slave net
master=
nodes="0 1 2 3"

cleanup() {
	local p
	for p in "${slave[@]}" "${net[@]}" $master; do kill -KILL "$p" 2>/dev/null; done # the rest ends with process 1
}
trap cleanup EXIT

start_master() { # OPTION...
	local n list=()
	for n in $nodes; do list+=(--node "$n,52:54:00:00:00:0$n"); done
	"$bin/bpmaster" --foreground --state "$SCRATCH/state" --key "$SCRATCH/keys/master.key" --keepalive 1 "${list[@]}" "$@" \
		>>"$SCRATCH/master.log" 2>&1 </dev/null &
	master=$!
}
kill_master() {
	kill -KILL $master
	wait $master 2>/dev/null
}
start_net() { # NUMBER
	unshare --net sleep 3600 &
	net[$1]=$!
	wait_for 10 bash -c "[ \"\$(readlink /proc/${net[$1]}/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
	ip link add "s$1" type veth peer name eth0 netns "${net[$1]}" && ip address add "10.9.$1.1/24" dev "s$1" &&
		ip link set "s$1" up && nsenter -t "${net[$1]}" -n ip address add "10.9.$1.2/24" dev eth0 &&
		nsenter -t "${net[$1]}" -n ip link set eth0 up
}
start_slave() { # NUMBER
	printf 'BOOT=1000000%s\nMAC=52:54:00:00:00:0%s\nMASTER=10.9.%s.1:2223\n' "$1" "$1" "$1" >"$SCRATCH/boot$1"
	nsenter -t "${net[$1]}" -n "$bin/bpslave" --boot-file "$SCRATCH/boot$1" --events "$SCRATCH/none" \
		--key "$SCRATCH/keys/master.pub" >>"$SCRATCH/slave$1.log" 2>&1 </dev/null &
	slave[$1]=$!
}
state_is() { # NUMBER STATE
	[ "$("$bin/bpstat" -s "$1" 2>/dev/null)" = "$2" ]
}
jobs() { "$bin/bpstat" -l "$1" | awk 'NR > 1 { n += $9 } END { print n + 0 }'; }
on_node() { [ "$("$bin/bpps" -n "$1" -p "$2" -o s= | tr -d ' ')" = "$3" ]; } # NODE PID STATE
run_there() { [ "$(pgrep -fxc "sleep $1")" = "$2" ]; } # ARGUMENT N: so many, on all nodes; a ghost shows its node, too
no_jobs() { [ "$(jobs "$1")" = 0 ]; } # NODES
all_up() { [ "$("$bin/bpstat" -t allup 2>/dev/null)" = 4 ]; }

mkdir -p "$SCRATCH/keys" "$SCRATCH/full"
mount -t tmpfs -o size=16k,nr_inodes=1 tmpfs "$SCRATCH/full" # before the nodes, whose mounts are their own
ip link set lo up
"$bin/bpboot" keygen --dir "$SCRATCH/keys" >/dev/null || not_ok "keys are made" "bpboot keygen failed"
start_master --orphan-limit 3600 # however long the rest takes
for n in $nodes; do start_net "$n" && start_slave "$n"; done
t "four nodes are up" wait_for 30 all_up

# --- bpmaster is killed ---
lines=$((4 + 4 * ${KILLS-3}))
script='i=0; while [ $i -lt $1 ]; do i=$((i+1)); echo line $i; sleep 0.5; done; exit $2'
case_master() {
	local j status bad=0 wrong=0 dead=0 k jobs=() cat many big
	for j in {1..100}; do
		"$bin/bpsh" $((j % 4)) sh -c "$script" - $lines $j </dev/null >"$SCRATCH/out.$j" 2>"$SCRATCH/err.$j" &
		jobs[j]=$!
	done
	seq 1 400000 | { cat; sleep 3; seq 400001 410000; } | "$bin/bpsh" 1 cat >"$SCRATCH/cat" 2>"$SCRATCH/cat.err" &
	cat=$!
	"$bin/bpsh" 2 sh -c 'seq 1 500000; sleep 3; seq 500001 1500000; exit 9' </dev/null >"$SCRATCH/big" 2>"$SCRATCH/big.err" &
	big=$!
	seq 1 50000 | "$bin/bpsh" -p 0-3 sh -c 'sleep 2; cat; sleep 2; exit $BPROC_NODE' >"$SCRATCH/many" 2>"$SCRATCH/many.err" &
	many=$!
	"$bin/bpsh" 3 sh -c 'echo on; sleep 2; exit 7' </dev/null >"$SCRATCH/away" 2>"$SCRATCH/away.err" &
	away=$!
	t "100 processes run" wait_for 60 bash -c "[ \$(cat '$SCRATCH'/out.* | grep -c 'line 1\$') = 100 ]"
	t "as bpmaster sees it ($(jobs 0-3))" test "$(jobs 0-3)" -ge 104
	for ((k = 0; k < ${KILLS-3}; k++)); do
		kill_master
		[ $k != 0 ] || sleep 3 # processes end meanwhile
		start_master --orphan-limit 3600
		wait_for 60 all_up || not_ok "nodes reconnect" "$("$bin/bpstat" -s 0-3 2>&1 | tr '\n' ' ')"
		sleep 0.$((RANDOM % 10))
	done
	for j in {1..100}; do
		wait "${jobs[j]}"
		status=$?
		[ $status = $j ] || { wrong=$((wrong + 1)); echo "# job $j: status $status: $(cat "$SCRATCH/err.$j")"; }
		cmp -s "$SCRATCH/out.$j" <(for ((k = 1; k <= lines; k++)); do echo "line $k"; done) ||
			{ bad=$((bad + 1)); echo "# job $j: $(wc -l <"$SCRATCH/out.$j") lines"; }
	done
	t "bpmaster killed ${KILLS-3} times: each line of 100 processes came once ($bad wrong)" test $bad = 0
	t "and each exit status ($wrong wrong)" test $wrong = 0
	wait $cat
	t "what is fed to a process arrives whole (status $?, $(cat "$SCRATCH/cat.err"))" cmp "$SCRATCH/cat" <(seq 1 410000)
	wait $big
	t "an exit status with much output" test $? = 9
	t "and all of that, once" cmp "$SCRATCH/big" <(seq 1 1500000)
	wait $many
	t "of processes on several nodes" test $? = 3
	t "with one input for all" test "$(sort "$SCRATCH/many" | uniq | wc -l) $(wc -l <"$SCRATCH/many")" = "200000 200000"
	wait $away
	t "a process that ended while bpmaster was away" test "$? $(cat "$SCRATCH/away")" = "7 on"
	t "nobody is left behind" wait_for 20 no_jobs 0-3
}

# --- a node is cut off; what the others do meanwhile ---
case_cut() {
	local ghost lost cut told stops stopped goes ends several p
	kill_master
	start_master # which waits for a node that is cut off as long as it does by itself
	wait_for 30 all_up || not_ok "nodes are up" "$("$bin/bpstat" -s 0-3 2>&1 | tr '\n' ' ')"
	"$bin/bpctl" -S 0 -R # which it refuses: that is forgotten when it is cut off
	t "a node that refuses to go down says so" wait_for 30 state_is 0 error
	"$bin/bpctl" -S 0 -s up
	"$bin/bpsh" 0 sh -c "$script" - 60 8 </dev/null >"$SCRATCH/cut" 2>"$SCRATCH/cut.err" &
	ghost=$!
	seq 1 300000 | "$bin/bpsh" 0 sh -c 'sleep 3; cat' >"$SCRATCH/cut.in" 2>&1 &
	fed=$!
	t "a process runs on the node" wait_for 30 grep -q line "$SCRATCH/cut"
	"$bin/bpsh" 0 sh -c 'for s in HUP USR1 USR2 WINCH; do trap "echo $s" $s; done; trap "echo TERM; exit 9" TERM; echo on; while :; do sleep 0.1; done' \
		</dev/null >"$SCRATCH/told" 2>/dev/null &
	told=$!
	"$bin/bpsh" 0 sleep 318.1 </dev/null &
	stops=$!
	"$bin/bpsh" 0 sleep 318.2 </dev/null &
	stopped=$!
	"$bin/bpsh" 0 sleep 318.3 </dev/null &
	goes=$!
	"$bin/bpsh" 0 sleep 318.4 </dev/null &
	ends=$!
	"$bin/bpsh" 0-3 sleep 318.5 </dev/null 2>"$SCRATCH/several" &
	several=$!
	wait_for 30 grep -q on "$SCRATCH/told"
	for p in $stops $stopped $goes $ends; do wait_for 30 pgrep -P "$p" -x bpsh-watch || not_ok "a ghost is watched" "$p"; done
	kill -STOP $goes
	wait_for 30 on_node 0 $goes T || not_ok "a stop reaches the process" ""
	wait_for 30 run_there 318.5 4 || not_ok "a process on each node runs" "$("$bin/bpps")"
	ip link set s0 down
	sleep 20 && ip link set s0 up &
	cut=$!
	kill -USR1 $told # before anybody knows that the node is cut off
	kill -USR2 $told
	kill -STOP $stops
	kill -CONT $goes
	kill -TERM $several
	t "a node that is cut off with processes is away" wait_for 30 state_is 0 away
	kill -WINCH $told
	kill -STOP $stopped
	kill -KILL $ends
	wait $ends 2>/dev/null
	t "its processes have not ended, here or there" eval "kill -0 $ghost && run_there 318.4 1"
	slow
	wait $cut
	t "after 20 s it returns" wait_for 60 state_is 0 up
	wait $ghost
	t "with its process: its status" test $? = 8
	t "and all of its output, once" cmp "$SCRATCH/cut" <(for k in {1..60}; do echo "line $k"; done)
	wait $fed
	t "and of its input" cmp "$SCRATCH/cut.in" <(seq 1 300000)
	wait_for 30 grep -q WINCH "$SCRATCH/told"
	kill -TERM $told
	wait $told
	t "signals that were on their way came once, those that waited, too ($(tr '\n' ' ' <"$SCRATCH/told"))" test "$(sort "$SCRATCH/told" | tr '\n' ' ')" = \
		"TERM USR1 USR2 WINCH on "
	t "a stop that was" wait_for 30 on_node 0 $stops T
	t "a stop that waited" wait_for 30 on_node 0 $stopped T
	t "a SIGCONT that was" wait_for 30 on_node 0 $goes S
	t "and a ghost that was killed has its process ended" wait_for 30 run_there 318.4 0
	wait $several
	t_says "a signal for all that was" 0 "node 0: ended by signal 15" cat "$SCRATCH/several"
	kill -KILL $stops $stopped $goes
	wait $stops $stopped $goes 2>/dev/null
	wait_for 20 no_jobs 0-3
	starts

	kill_master
	start_master --orphan-limit 3
	wait_for 30 all_up
	"$bin/bpsh" 1 sh -c 'echo on; sleep 317.5' </dev/null >"$SCRATCH/lost" 2>&1 &
	lost=$!
	wait_for 30 grep -q on "$SCRATCH/lost"
	ip link set s1 down
	wait $lost
	t "past the limit its ghosts end" test $? = 255
	t_says "and say why" 0 "node 1: node lost" cat "$SCRATCH/lost"
	t "and it is down" state_is 1 down
	ip link set s1 up
	t "it comes back" wait_for 60 state_is 1 up
	t "and ends what nobody asks for" wait_for 30 bash -c "! pgrep -f 'sleep 317[.]5'"
}

# A job whose output nobody reads, and one that reads no input, beside others on the same node.
slow() {
	local stuck idle
	mkfifo "$SCRATCH/unread"
	exec 7<>"$SCRATCH/unread"
	"$bin/bpsh" 2 yes </dev/null >"$SCRATCH/unread" 2>/dev/null &
	stuck=$!
	yes | "$bin/bpsh" 2 sleep 1000 >/dev/null 2>&1 &
	idle=$!
	t "its output waits" wait_for 20 bash -c "'$bin/bpsh' 2 ps -o stat= -C yes </dev/null | grep -q ^S"
	t "a job beside one that nobody reads" cmp <(timeout 60 "$bin/bpsh" 2 seq 1 300000 </dev/null) <(seq 1 300000)
	t "and with input" cmp <(seq 1 300000 | timeout 60 "$bin/bpsh" 2 cat) <(seq 1 300000)
	kill -KILL $stuck $idle
	wait $stuck $idle 2>/dev/null
	exec 7>&-
}

# What many starts leave behind: descriptors, processes and memory of bpmaster and a bpslave.
held() { # PID
	echo "$(ls "/proc/$1/fd" | wc -l) $(pgrep -cP "$1") $(awk '/^VmRSS/ { print $2 }' "/proc/$1/status")"
}
door() { ss -xHp state connected 2>/dev/null | grep -c "$SCRATCH/sock"; }
clients_gone() { [ "$(door)" = 0 ]; }
many_starts() {
	local i
	for ((i = 0; i < $1; i++)); do "$bin/bpsh" -N 3 true || return 1; done
}
starts() {
	local n=${STARTS-200} before after slave3=${slave[3]}
	t "100 starts" many_starts 100 # what is allocated once
	wait_for 20 clients_gone || not_ok "nobody is at the door" "$(door)"
	before="$(held $master) $(held "$slave3")"
	t "$n starts in a row" many_starts "$n"
	t "nobody stays" wait_for 10 eval "no_jobs 3 && clients_gone"
	after="$(held $master) $(held "$slave3")"
	echo "# descriptors, processes, KiB of bpmaster and of bpslave: before $before, after $after"
	set -- $before $after
	t "leave no descriptor ($1 $4, $7 ${10})" test "$1 $4" = "$7 ${10}"
	t "no process ($2 $5, $8 ${11})" test "$2 $5" = "$8 ${11}"
	t "and at most 512 KiB ($3 $6, $9 ${12})" test $(($9 - $3)) -le 512 -a $((${12} - $6)) -le 512
}

# A node whose disk is full.
case_full() {
	mkfifo "$SCRATCH/hold"
	"$bin/bpsh" 3 sh -c 'echo on; read x; exit 6' <"$SCRATCH/hold" >"$SCRATCH/beside" 2>&1 &
	beside=$!
	exec 6>"$SCRATCH/hold"
	wait_for 30 grep -q on "$SCRATCH/beside"
	t_says "a full disk on a node is an error of the start" 126 "No space left on device" \
		"$bin/bpsh" -O "$SCRATCH/full/out" 3 true </dev/null
	t_says "not of the next one" 0 "next" "$bin/bpsh" 3 echo next </dev/null
	echo >&6
	wait $beside
	t "nor of one that runs" test $? = 6
	exec 6>&-
}

for c in ${*:-master cut full}; do "case_$c"; done
done_testing
