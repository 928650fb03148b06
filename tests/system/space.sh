#!/bin/bash
# space.sh - the process space on loopback: bpmaster, bpslaves as ordinary processes, bpsh in all its variants
. "$(dirname "$0")/lib.sh"

space_begin
start_master() { # OPTION...
	space_master --node 0,52:54:00:00:00:00 --node 1,52:54:00:00:00:01 --node 2,52:54:00:00:00:02,,third \
		--node 7,52:54:00:00:00:07,127.0.0.7 "$@"
}
bpsh() { "$bin/bpsh" "$@" </dev/null; }
says() { t_says "$@" </dev/null; }

"$bin/bpboot" keygen --dir "$SCRATCH/other" >/dev/null || not_ok "other keys are made" "bpboot keygen failed"

says "without a bpmaster bpsh says so" 1 "bpmaster is not running: no socket '$BPBOOT_SOCKET'" "$bin/bpsh" 0 true
start_master
says "a second bpmaster on the socket is refused" 1 "another bpmaster serves '$BPBOOT_SOCKET' already" \
	"$bin/bpmaster" --foreground --port $((port + 2)) --log-port $((port + 3)) --state "$SCRATCH/state2" \
	--key "$SCRATCH/keys/master.key"
t "nodes are down before they come" state_is 0 down
says "a node that is down says so" 1 "node 0 is down" "$bin/bpsh" 0 true
for n in 0 1 2; do start_slave $n; done
for n in 0 1 2; do t "node $n registers" wait_for 10 state_is $n up; done
t "bpslave says which node it is" grep -q "bpslave: up as node 1" "$SCRATCH/slave1.log"

# Exit statuses and signals.
bad=
for status in {0..255}; do
	bpsh 0 sh -c "exit $status"
	got=$?
	[ $got = $status ] || bad="$bad $status->$got"
done
t "every exit status comes back exactly" test -z "$bad"
says "of several nodes a signal is said and counts as 255" 255 "node 1: ended by signal 9 (Killed)" "$bin/bpsh" 0,1 sh -c 'kill -9 $$'
says "a single process's signal ends bpsh, too" 137 "" "$bin/bpsh" 1 sh -c 'kill -9 $$'
says "and so does its abort" 134 "" "$bin/bpsh" 1 sh -c 'ulimit -c 0; kill -6 $$'
says "the largest status counts" 5 "" "$bin/bpsh" 0-2 sh -c 'exit ${BPX:-5}'
says "a command that is missing counts as 127" 127 "node 0: cannot run 'no-such-command': No such file" \
	"$bin/bpsh" 0 no-such-command
says "a file that cannot be run counts as 126" 126 "cannot run '/etc/passwd': Permission denied" "$bin/bpsh" 0 /etc/passwd
says "a node that does not exist is said" 1 "there is no node 99" "$bin/bpsh" 99 true
says "a down node does not keep others from running" 1 "here" "$bin/bpsh" 0,7 echo here
says "a wrong set is said" 1 "'5-3' is not a set of nodes" "$bin/bpsh" 5-3 true
says "bpsh without a command is wrong use" 2 "which command" "$bin/bpsh" 0
says "--help works" 0 "usage: bpsh" "$bin/bpsh" -h
says "-v tells the version" 0 "bpboot " "$bin/bpsh" -v

# What travels along.
says "arguments travel as they are" 0 '[a b][*][$x][][é]' "$bin/bpsh" 0 printf '[%s]' 'a b' '*' '$x' '' 'é'
says "the environment travels" 0 "BPX=a=b c" env "BPX=a=b c" "$bin/bpsh" 0 env
says "the working directory travels" 0 "$SCRATCH/keys" env -C "$SCRATCH/keys" "$bin/bpsh" 0 pwd
mkdir "$SCRATCH/gone"
if unshare --mount true 2>/dev/null; then # a directory that only the front end has
	here="mount -t tmpfs none '$SCRATCH/gone' && mkdir '$SCRATCH/gone/here' && cd '$SCRATCH/gone/here'"
	says "bpsh says which nodes lack its directory" 0 "bpsh: warning: nodes 0-2 have no directory '$SCRATCH/gone/here': running in '/'" \
		unshare --mount bash -c "$here && '$bin/bpsh' 0-2 true"
	says "once, and runs in /" 0 "1/" unshare --mount bash -c "$here && { '$bin/bpsh' 0,1 true 2>&1 | wc -l | tr -d '\n'; '$bin/bpsh' 0 pwd 2>/dev/null; }"
else
	echo "skip bpsh says which nodes lack its directory - no mount namespaces"
fi
says "a missing directory becomes /" 0 "the working directory is gone" bash -c "cd '$SCRATCH/gone' && rmdir '$SCRATCH/gone' && '$bin/bpsh' 0 pwd"
says "the umask travels" 0 "0027" bash -c "umask 027; '$bin/bpsh' 0 sh -c umask"
says "limits travel" 0 "77" bash -c "ulimit -n 77; '$bin/bpsh' 0 sh -c 'ulimit -n'"
# What the kernel ends for want of memory: programs; bpslave, where it may say so, not.
score=$(cat /proc/self/oom_score_adj) spared=$score
if bash -c 'echo -1000 >/proc/self/oom_score_adj' 2>/dev/null; then spared=-1000 score=$((score > 0 ? score : 0)); fi
t "bpslave spares itself where it may ($spared)" test "$(cat /proc/"${slave[0]}"/oom_score_adj)" = "$spared"
t "and not what it runs ($score)" test "$(bpsh 0 cat /proc/self/oom_score_adj)" = "$score"
says "each process leads a session of its own" 0 "yes" "$bin/bpsh" 0 sh -c '[ $(ps -o sid= -p $$) = $$ ] && echo yes'
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
	chmod 755 "$SCRATCH"
	says "the caller's user, group and groups are kept" 0 "uid=12345 gid=23456 groups=23456,34567" \
		setpriv --reuid 12345 --regid 23456 --groups 34567,23456 "$bin/bpsh" 0 sh -c \
		'echo uid=$(id -u) gid=$(id -g) groups=$(id -G | tr " " ,)'
	says "an ordinary user may not control nodes" 1 "only root" \
		setpriv --reuid 12345 --regid 23456 --clear-groups "$bin/bpctl" -S 0 -s x
	"$bin/bpctl" -S 0 -m 110 -g 34567
	says "node permissions are kept" 1 "user 12345 may not run on node 0" \
		setpriv --reuid 12345 --regid 23456 --clear-groups "$bin/bpsh" 0 true
	says "a group's permission counts for supplementary groups" 0 "" \
		setpriv --reuid 12345 --regid 23456 --groups 34567 "$bin/bpsh" 0 true
	says "bpstat shows the mode" 0 "---x--x---" "$bin/bpstat"
	"$bin/bpctl" -S 0 -m 111 -g 0
else
	echo "skip the caller's user is kept - needs root and setpriv"
fi

# Streams.
head -c 50000000 /dev/urandom >"$SCRATCH/random"
want=$(sha256sum <"$SCRATCH/random")
t "50 MB come through both ways" test "$want" = "$("$bin/bpsh" 0 cat <"$SCRATCH/random" | sha256sum)"
t "standard input goes to every node" test "$("$bin/bpsh" 0-2 sha256sum <"$SCRATCH/random" | grep -cx -e "$want")" = 3
t "standard output and error are apart" test "$(bpsh 0 sh -c 'echo out; echo err >&2' 2>"$SCRATCH/err")$(cat "$SCRATCH/err")" = outerr
t "a process that closes its input does not stop bpsh" timeout 20 bash -c "yes | '$bin/bpsh' 0 head -n 1 | grep -qx y"
t "a reader that goes ends bpsh" timeout 20 bash -c "'$bin/bpsh' 0 yes </dev/null | head -n 1 | grep -qx y"
t "no process is left behind by it" wait_for 10 bash -c "! pgrep -P ${slave[0]} -x yes"
says "-n gives an empty input" 0 "0" bash -c "echo x | '$bin/bpsh' -n 0 wc -c"
says "-N gives no output" 0 "" "$bin/bpsh" -N 0 echo nothing
t "-N gives no output at all" test -z "$(bpsh -N 0 echo nothing)"
echo "from the node" >"$SCRATCH/in"
t "-I, -O and -E are files on the node" bash -c "'$bin/bpsh' -I '$SCRATCH/in' -O '$SCRATCH/out' -E '$SCRATCH/err' 0 sh -c 'cat; echo e >&2' &&
	grep -q 'from the node' '$SCRATCH/out' && grep -qx e '$SCRATCH/err'"
says "a file that is not there is said" 126 "cannot read '/nonexistent': No such file" "$bin/bpsh" -I /nonexistent 0 cat

# Output by line.
bpsh -p 0-2 sh -c 'for i in $(seq 300); do printf abc; printf "def %s\n" $i; done' >"$SCRATCH/lines"
t "-p tears no line" test "$(grep -cE '^[0-2]: abcdef [0-9]+$' "$SCRATCH/lines")" = 900
t "-p ends a last line that has no end" test "$(bpsh -p 0,1 printf x | sort | tr '\n' ,)" = "0: x,1: x,"
t "a line that is longer than the buffer is not torn" test "$(bpsh -p --buffer 1000 0-2 sh -c 'head -c 300000 /dev/zero | tr "\0" z; echo' |
	awk '/^[0-2]: z+$/ && length($0) == 300003' | wc -l)" = 3
t "-L writes whole lines" test "$(bpsh -L 0-2 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do printf a; printf "b\n"; done' | grep -cx ab)" = 27
t "-s writes node by node" test "$(bpsh -s -p 0-2 sh -c 'seq 50' | cut -d: -f1 | uniq | tr -d '\n')" = 012
t "-d divides" test "$(bpsh -d 0-1 echo x | grep -cE '^[01]	-+$')" = 2
says "--time tells the time" 0 "node 0: real" "$bin/bpsh" --time 0 true
t "each process is told its rank" test "$(bpsh -p 0,2 sh -c 'echo $BPROC_RANK $BPROC_NRANKS $BPROC_NODES $BPROC_NODE' | sort | tr '\n' ,)" = "0: 0 2 0,2 0,2: 1 2 0,2 2,"
t "-a takes all that are up" test "$(bpsh -a -p true; bpsh -p -a echo x | wc -l)" = 3
t "-A takes all that are not down" test "$(bpsh -A echo x | wc -l)" = 3
t "a set with exceptions" test "$(bpsh -p 'allup,!1' echo x | sort | tr '\n' ,)" = "0: x,2: x,"
says "--timeout ends what still runs" 255 "timed out after 1 s: ending the processes on 0-2" "$bin/bpsh" --timeout 1 0-2 sleep 60
t "and leaves nothing" wait_for 10 bash -c "! pgrep -P ${slave[0]} -x sleep"
t "statuses come back under load" bash -c "for i in \$(seq 40); do '$bin/bpsh' 0-2 sh -c 'echo x; exit 9' </dev/null >/dev/null & p=\"\$p \$!\"; done
	for x in \$p; do wait \$x; [ \$? = 9 ] || exit 1; done"

# Signals. A script's background jobs ignore SIGINT, which bpsh would respect.
env --default-signal=INT "$bin/bpsh" 0 sh -c 'trap "echo got int; exit 7" INT; echo ready; while :; do sleep 0.1; done' </dev/null >"$SCRATCH/int" 2>&1 &
pid=$!
wait_for 10 grep -q ready "$SCRATCH/int"
kill -INT $pid
wait $pid
t "an interrupt is passed on and the status is the process's" test $? = 7
# Processes of node 0, with what is on their command lines.
on_node() { pgrep -P "${slave[0]}" -f "$1"; }
none_on_node() { ! on_node "$1"; }
"$bin/bpsh" 0 sh -c 'echo $$; exec sleep 301.25' </dev/null >"$SCRATCH/kill" 2>&1 &
pid=$!
wait_for 10 on_node "sleep 301.25"
kill -KILL $pid
wait $pid 2>/dev/null
t "when bpsh is killed its process goes too" wait_for 10 none_on_node "sleep 301.25"
"$bin/bpsh" 0 sh -c 'sleep 302.25 & sleep 302.25 & echo $$; wait' </dev/null >"$SCRATCH/group" 2>&1 &
pid=$!
wait_for 10 test -s "$SCRATCH/group"
group=$(ps -o pgid= -p "$(on_node "sleep 302.25" | head -n 1)")
kill -KILL $pid
wait $pid 2>/dev/null
t "and its whole process group" wait_for 10 bash -c "! pgrep -g ${group:-1}"

# A slow reader: memory of all three stays bounded.
mkfifo "$SCRATCH/slow"
"$bin/bpsh" 0-2 yes </dev/null >"$SCRATCH/slow" 2>/dev/null &
pid=$!
exec 9<"$SCRATCH/slow"
sleep 1.5 # as much as they would pile up in that time
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
big=
for p in $pid $master ${slave[0]}; do
	[ "$(rss $p)" -lt ${RSS_MAX:-20000} ] || big="$big $p:$(rss $p)KiB"
done
t "a slow reader fills nobody's memory" test -z "$big"
says "and does not stall another job" 0 "meanwhile" "$bin/bpsh" 0 echo meanwhile
exec 9<&-
wait $pid 2>/dev/null

# States.
"$bin/bpctl" -S 1 -s busy
t "bpctl sets any state" state_is 1 busy
t "allup leaves it out" test "$(bpsh -a -p echo x | sort | tr '\n' ,)" = "0: x,2: x,"
says "bpctl refuses a word that is too long" 1 "expected 1 to 15 letters" "$bin/bpctl" -S 1 -s abcdefghijklmnop
"$bin/bpctl" -S 1 -s up
says "orders to go down are refused where bpslave is not init" 0 "" "$bin/bpctl" -S 1 -R
t "and the state says so" wait_for 5 state_is 1 error
"$bin/bpctl" -S 1 -s up
says "bpstat folds nodes that are alike" 0 "0-2                  up" "$bin/bpstat"
says "bpstat -l shows the MAC and the name" 0 "third           52:54:00:00:00:02" "$bin/bpstat" -l
t "bpstat --json is JSON" bash -c "'$bin/bpstat' --json | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d[2][\"name\"]==\"third\" and d[0][\"status\"]==\"up\"'"
"$bin/bpctl" -S 1 -s busy
t "bpstat -S sorts by state" test "$("$bin/bpstat" -n -S 0-2 | tr '\n' ,)" = "1,0,2,"
t "bpstat -R turns it round" test "$("$bin/bpstat" -n -S -R 0-2 | tr '\n' ,)" = "2,0,1,"
t "bpstat -O keeps the order given" test "$("$bin/bpstat" -n -O '2,all,!7' | tr '\n' ,)" = "2,0,1,"
says "bpstat -N and -S exclude each other" 2 "exclude each other" "$bin/bpstat" -N -S
"$bin/bpctl" -S 1 -s up
says "bpstat -A finds the address" 0 "127.0.0.1" "$bin/bpstat" -A third

# Who may come in.
boot_file 8 52:54:00:00:00:ff
start_slave 8
t "an unknown MAC is refused, on the node" wait_for 10 grep -q "refuses this node: 52:54:00:00:00:ff is not in the list" "$SCRATCH/slave8.log"
t "and on the front end" grep -q "refusing a node from 127.0.0.1: 52:54:00:00:00:ff" "$SCRATCH/master.log"
stop "${slave[8]}"
start_slave 7
t "a node bound to another address is refused" wait_for 10 grep -q "node 7 (52:54:00:00:00:07) must come from 127.0.0.7" "$SCRATCH/slave7.log"
stop "${slave[7]}"
"$bin/bpslave" --boot-file "$SCRATCH/boot7" --key "$SCRATCH/other/master.pub" >"$SCRATCH/wrong.log" 2>&1 &
slave[9]=$!
t "a master with another key is not obeyed" wait_for 10 grep -q "it ended the handshake: is this node's master.pub" "$SCRATCH/wrong.log"
stop "${slave[9]}"
says "a secret key in the node's image is refused" 1 "has no place on a node" \
	"$bin/bpslave" --boot-file "$SCRATCH/boot7" --key "$SCRATCH/keys/master.key"

# Hostile bytes at the port.
poke() { # TEXT: send it and hold the connection until the master closes it, or resets it for what it has not read, at most 15 s
	timeout 15 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; printf '$1' >&3; cat <&3 >/dev/null || true"
}
t "garbage is told at once" poke 'GET / HTTP/1.0\r\n\r\n'
head -c 100000 /dev/urandom >"$SCRATCH/garbage"
(exec 3<>/dev/tcp/127.0.0.1/$port; cat "$SCRATCH/garbage" >&3) 2>/dev/null
t "a greeting that stops is cut off in time" poke 'bpspace2xxxx'
t "a connection that says nothing is cut off in time" poke ''
for i in $(seq 150); do exec {fd}<>/dev/tcp/127.0.0.1/$port; fds="${fds-} $fd"; done
start_slave 7
says "who holds connections open keeps nobody out" 0 "still here" "$bin/bpsh" 1 echo still here
t "a node gets in beside them" wait_for 10 grep -q "must come from" "$SCRATCH/slave7.log"
for fd in $fds; do exec {fd}<&-; done
stop "${slave[7]}"
t "bpmaster is unharmed" kill -0 $master
python3 - "$BPBOOT_SOCKET" <<'END'
import os, socket, struct, sys
for junk in (b"\xff\xff\xff\xff", struct.pack(">IB", 1, 250), struct.pack(">IB", 1, 0) * 50, os.urandom(4096),
             struct.pack(">IBH", 3, 10, 1) + struct.pack(">IB", 6, 12) + b"\xff" * 5):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(junk)
        s.settimeout(5)
        while s.recv(4096): pass
    except OSError:
        pass
    s.close()
END
t "garbage at the door harms nobody" bpsh 0 true

# A node is lost, and comes back.
"$bin/bpsh" 0-2 sh -c 'echo on; sleep 300' </dev/null >"$SCRATCH/lost" 2>&1 &
pid=$!
wait_for 10 bash -c "[ \$(grep -c on '$SCRATCH/lost') = 3 ]"
kill -KILL "${slave[2]}"
wait "${slave[2]}" 2>/dev/null
t "a lost node is said" wait_for 30 grep -q "node 2: node lost" "$SCRATCH/lost"
t "and is down" wait_for 5 state_is 2 down
kill -TERM $pid
wait $pid
t "and counts as 255" test $? = 255
start_slave 2
t "it comes back" wait_for 10 state_is 2 up
kill -STOP "${slave[1]}"
t "a node that hangs is down after three keepalives" wait_for 15 state_is 1 down
kill -CONT "${slave[1]}"
t "and comes back when it does not" wait_for 20 state_is 1 up

# The master goes and comes back.
"$bin/bpsh" 0 sh -c 'echo $$; exec sleep 303.25' </dev/null >"$SCRATCH/orphan" 2>&1 &
pid=$!
wait_for 10 test -s "$SCRATCH/orphan"
kill -KILL $master
wait $master 2>/dev/null
says "a dead master's socket is told from a live one" 1 "bpmaster is not running: nobody listens" "$bin/bpsh" 0 true
start_master --unknown accept
for n in 0 1 2; do t "node $n connects again" wait_for 20 state_is $n up; done
t "a process outlives its master, and so does its bpsh" kill -0 $pid
kill -TERM $pid
wait $pid
t "its signals reach it as before" test $? = 143
t "the process ends on the node" wait_for 10 none_on_node "sleep 303.25"
start_slave 8
t "with --unknown accept a new machine gets the next free number" wait_for 20 state_is 3 up
says "and runs commands" 0 "3: new" "$bin/bpsh" -p 3 echo new
stop "${slave[8]}"

# Boot events.
event() { # MAC BOOT SEQ MS STAGE STATE WORDS
	printf '<133>1 - %s bpboot - %s [bpboot@32473 boot="%s" seq="%s" ms="%s" state="%s"] %s' "$1" "$5" "$2" "$3" "$4" "$6" "$7" \
		>/dev/udp/127.0.0.1/$log_port
}
boots=$SCRATCH/state/boots
event 52:54:00:00:00:07 deadbeef 1 1000 start ok "init runs"
t "a boot event makes the state boot" wait_for 5 state_is 7 boot
event 52:54:00:00:00:07 deadbeef 2 2000 dhcp fail "no DHCP answer"
t "a failed boot makes the state error" wait_for 5 state_is 7 error
says "and bpstat -l says why" 0 "dhcp: no DHCP answer" "$bin/bpstat" -l 7
event 52:54:00:00:00:07 deadbeef 2 2000 dhcp fail "no DHCP answer"
event 52:54:00:00:00:07 deadbeef 3 3000 link ok "eth0"
t "a boot that goes on is boot again" wait_for 5 state_is 7 boot
t "the log has each event once, by the node's number" test "$(grep -c 'deadbeef [0-9]* bpboot: ' "$boots/7.events")" = 3
event 52:54:00:00:00:07 cafe0000 1 900 start ok "again"
t "a new boot begins a new log" wait_for 5 grep -q "cafe0000 1 bpboot: 0.900 start ok: again" "$boots/7.events"
t "and keeps the last one" grep -q deadbeef "$boots/7.last"
t "logs are world-readable" test "$(stat -L -c %a "$boots/7.events")" = 644
event 52:54:00:00:00:aa 00000001 1 1 start ok "stranger"
t "an unknown machine's boot is kept by its MAC" wait_for 5 test -s "$boots/52:54:00:00:00:aa.events"
t "a node that is up logs it" grep -q " up ok: registered" "$boots/0.events"
stop "${slave[0]}"
printf 'bpboot: 1.000 start ok: here\nbpboot: 2.000 link ok: eth0\n' >"$SCRATCH/events0"
printf 'BOOT=0badc0de\nMAC=52:54:00:00:00:00\nMASTER=127.0.0.1:%s\n' $port >"$SCRATCH/boot0"
event 52:54:00:00:00:00 0badc0de 1 1000 start ok here
start_slave 0
t "lost events are filled in at registration" wait_for 10 grep -q "0badc0de 0 bpboot: 2.000 link ok: eth0" "$boots/0.events"
t "and those that came are not doubled" test "$(grep -c 'start ok' "$boots/0.events")" = 1
head -c 2000 /dev/urandom >/dev/udp/127.0.0.1/$log_port
t "garbage datagrams harm nobody" bpsh 1 true

# As the node's init, in a PID namespace of its own.
if unshare --pid --fork --mount --uts --mount-proc true 2>/dev/null; then
	stop "${slave[1]}"
	wait_for 10 state_is 1 down
	unshare --pid --fork --mount --uts --mount-proc --kill-child "$bin/bpslave" --boot-file "$SCRATCH/boot1" \
		--key "$SCRATCH/keys/late.pub" >"$SCRATCH/init.log" 2>&1 </dev/null &
	slave[1]=$!
	t "as init it does not end for want of a key" wait_for 10 grep -q "cannot read the master's public key" "$SCRATCH/init.log"
	cp "$SCRATCH/keys/master.pub" "$SCRATCH/keys/late.pub"
	t "and goes on when there is one" wait_for 20 state_is 1 up
	says "programs run under it, in a realm of their own" 0 "space-init" "$bin/bpsh" 1 ps -o comm= -p 1
	bpsh 1 sh -c '(setsid sleep 0.1 &) ; exit 0'
	t "it reaps orphans" wait_for 5 bash -c "! '$bin/bpsh' 1 ps -eo stat= </dev/null | grep -q Z"
	"$bin/bpsh" 1 sleep 300 </dev/null >"$SCRATCH/down" 2>&1 &
	pid=$!
	wait_for 10 bash -c "'$bin/bpsh' 1 pgrep -x sleep </dev/null"
	t "bpctl -P powers it off" "$bin/bpctl" -S 1 -P
	t "and the node is down" wait_for 10 state_is 1 down
	wait $pid
	t "its processes are lost" grep -q "node 1: " "$SCRATCH/down"
	t "its kernel was told" wait_for 10 bash -c "! kill -0 ${slave[1]}"
	wait "${slave[1]}" 2>/dev/null
	start_slave 1
	wait_for 10 state_is 1 up
else
	echo "skip as init - no namespaces"
fi

# The list of nodes is read anew.
stop "$master"
mkdir -p "$SCRATCH/site"
cat >"$SCRATCH/site/cluster.conf" <<END
[cluster]
interface = lo
network = 127.0.0.0/24
address = 127.0.0.1
image = x
nodes = nodes
[master]
port = $port
log_port = $log_port
state = $SCRATCH/state
socket = $BPBOOT_SOCKET
key = $SCRATCH/keys/master.key
[groups]
odd = n1
new = all,!n0,!n1
END
printf '0 52:54:00:00:00:00\n1 52:54:00:00:00:01\n' >"$SCRATCH/site/nodes"
"$bin/bpmaster" -f -c "$SCRATCH/site/cluster.conf" >>"$SCRATCH/master.log" 2>&1 &
master=$!
t "it runs from a cluster file" wait_for 20 state_is 1 up || tail -n 3 "$SCRATCH/master.log"
says "groups of the cluster file are known to bpsh" 0 "odd" "$bin/bpsh" @odd echo odd
says "a group may have no node" 1 "no node is in that set" "$bin/bpsh" @new true
says "and one that is not there is said" 1 "there is no group '@none'" "$bin/bpstat" @none
t "a node that is added" "$bin/bpboot" node --cluster "$SCRATCH/site/cluster.conf" add 5 52:54:00:00:00:02
t "reaches bpmaster without more" wait_for 40 state_is 5 up
says "also as one of its group" 0 "5" "$bin/bpstat" -n @new
says "which bpctl knows, too" 0 "" "$bin/bpctl" -S @new -m 110
sed -i 's/^odd = .*/odd = n[1,5]/' "$SCRATCH/site/cluster.conf"
t "a changed group reaches bpmaster, too" wait_for 20 bash -c "[ \"\$('$bin/bpstat' -t @odd)\" = 2 ]"
"$bin/bpctl" -S @new -m 111
echo "nonsense" >"$SCRATCH/site/nodes"
kill -HUP $master
t "a wrong node table is said" wait_for 5 grep -q "keeping the old list of nodes" "$SCRATCH/master.log"
t "and the old one stays" state_is 5 up
"$bin/bpsh" 5 sh -c 'echo on; sleep 300' </dev/null >"$SCRATCH/dropped" 2>&1 &
pid=$!
wait_for 10 grep -q on "$SCRATCH/dropped"
printf '0 52:54:00:00:00:00\n' >"$SCRATCH/site/nodes"
kill -HUP $master
t "a node that is listed no more is dropped" wait_for 5 bash -c "[ \$('$bin/bpstat' -t) = 1 ]"
says "a group of which it was is ignored" 1 "there is no group '@odd'" "$bin/bpstat" @odd
t "which is said with file and line" grep -q "cluster.conf:[0-9]*: ignoring group odd" "$SCRATCH/master.log"
wait $pid
t "its processes are lost" grep -q "node 5: node lost: its node is not listed any more" "$SCRATCH/dropped"
says "and bpmaster goes on" 0 "on" "$bin/bpsh" 0 echo on

# Machines that nobody listed: the oldest gives way, also over a restart.
for i in {1..300}; do event "$(printf '52:54:00:ff:%02x:%02x' $((i / 256)) $((i % 256)))" 00000001 1 1 start ok stranger; done
t "the last of many unknown machines is kept" wait_for 10 test -s "$boots/52:54:00:ff:01:2c.events"
unknown() { ls "$boots" | grep -c '^[0-9a-f][0-9a-f]:.*[.]events$'; }
t "and no more than 256 of them" test "$(unknown)" -le 264
stop "$master"
"$bin/bpmaster" -f -c "$SCRATCH/site/cluster.conf" >>"$SCRATCH/master.log" 2>&1 &
master=$!
wait_for 20 state_is 0 up
for i in {1..40}; do event "$(printf '52:54:00:fe:00:%02x' $i)" 00000001 1 1 start ok stranger; done
t "also after a restart" wait_for 10 test -s "$boots/52:54:00:fe:00:28.events"
t "there are no more" test "$(unknown)" -le 264
stop "$master"
mkdir -m 777 "$SCRATCH/open" "$SCRATCH/open/boots" && chmod 777 "$SCRATCH/open/boots"
says "a directory that others may write is refused" 1 "boot logs are not safe in '$SCRATCH/open/boots'" \
	"$bin/bpmaster" -f --port $port --log-port $log_port --state "$SCRATCH/open" --key "$SCRATCH/keys/master.key"
master=
says "in the background it says why it cannot start" 1 "cannot read the master's key '/nonexistent'" \
	"$bin/bpmaster" --port $port --log-port $log_port --state "$SCRATCH/state" --key /nonexistent
done_testing
