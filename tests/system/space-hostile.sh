#!/bin/bash
# space-hostile.sh - peers that hold valid keys and break the rules: bpmaster and bpslave say so once, cut them off, and
# everybody else's jobs go on
. "$(dirname "$0")/lib.sh"

space_begin "$SCRATCH"
hostile=$(cd "$BUILD/tests/tools" && pwd)/space-hostile
rss() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
cpu() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
as_slave() { # MAC_DIGIT MODE...
	local mac=52:54:00:00:00:0$1
	shift
	timeout 120 "$hostile" slave $port "$SCRATCH/master.pub" "$mac" "$@"
}
start_hostile() { # MAC_DIGIT MODE OUTPUT
	"$hostile" slave $port "$SCRATCH/master.pub" 52:54:00:00:00:0"$1" "$2" >"$SCRATCH/$3" 2>&1 &
	hostile_pid=$!
	pids+=($!)
}

nodes=()
for n in {0..9}; do nodes+=(--node "$n,52:54:00:00:00:0$n"); done
space_master "${nodes[@]}"
start_slave 0
true_slave=$slave_pid
wait_for 10 state_is 0 up
mkfifo "$SCRATCH/end"
"$bin/bpsh" 0 sh -c "echo on; read x; exit 7" <"$SCRATCH/end" >"$SCRATCH/witness" 2>&1 &
witness=$!
pids+=($witness)
exec 8>"$SCRATCH/end"
wait_for 10 grep -q on "$SCRATCH/witness"

witness_lives() { kill -0 $witness && ! grep -q lost "$SCRATCH/witness"; }

# A registered node that breaks one rule: MODE, how it ends, and the words of bpmaster's log. Nodes 1 to 8 take turns, so
# that no node changes so often that bpmaster says less.
i=0
while read -r mode want words; do
	[ "$want" = alive ] || { want="cut off" words=${words#off }; }
	n=$((i++ % 8 + 1))
	before=$(wc -l <"$SCRATCH/master.log")
	if [ "${mode#job-}" != "$mode" ]; then
		as_slave $n "$mode" >"$SCRATCH/got" 2>&1 &
		peer=$!
		wait_for 5 state_is $n up
		"$bin/bpsh" $n sleep 60 </dev/null >"$SCRATCH/job" 2>&1
		status=$?
		wait $peer
		[ $status = 255 ] && grep -q "node $n: node lost" "$SCRATCH/job" || not_ok "bpsh says it after '$mode'" "$status $(cat "$SCRATCH/job")"
	else
		as_slave $n "$mode" >"$SCRATCH/got" 2>&1
	fi
	wait_for 5 state_is $n down
	said=$(tail -n "+$((before + 1))" "$SCRATCH/master.log" | grep "node $n is down")
	if [ "$(cat "$SCRATCH/got")" != "$mode: $want" ]; then
		not_ok "a node's '$mode' ends as '$want'" "$(cat "$SCRATCH/got"); $said"
	elif [ "$said" != "bpmaster: node $n is down: $words" ]; then
		not_ok "a node's '$mode' is said in one line: $words" "$said"
	elif ! witness_lives; then
		not_ok "a node's '$mode' leaves others alone" "$(cat "$SCRATCH/witness")"
	else
		ok "a node's '$mode': $want, and bpmaster says: $words"
	fi
done <<'END'
twice cut off a message that is not allowed here
client cut off a message that is not allowed here
master cut off a message that is not allowed here
unknown cut off a message of an unknown type
short cut off a message of a wrong size
long cut off a message of a wrong size
oversized cut off a frame of an impossible length
huge cut off a frame of an impossible length
megabytes cut off a frame of an impossible length
empty cut off a frame of an impossible length
records cut off a message out of turn or beyond its credit
list cut off a message out of turn or beyond its credit
half cut off no answer to keepalives
half-closed cut off the other side closed the connection
forged cut off a frame that is not authentic
replayed cut off a frame that is not authentic
skipped cut off a frame that is not authentic
words cut off a malformed message
job-early cut off a message out of turn or beyond its credit
job-stopped-early cut off a message out of turn or beyond its credit
job-continued-unasked cut off a message out of turn or beyond its credit
job-exit-early cut off a message out of turn or beyond its credit
job-want cut off a message out of turn or beyond its credit
job-resumed cut off a message out of turn or beyond its credit
job-fork cut off a message out of turn or beyond its credit
job-child cut off a message out of turn or beyond its credit
job-started-twice cut off a message out of turn or beyond its credit
job-failed-late cut off a message out of turn or beyond its credit
job-closed-twice cut off a message out of turn or beyond its credit
job-ended-twice cut off a message out of turn or beyond its credit
job-credit cut off a message out of turn or beyond its credit
job-overdraw cut off a message out of turn or beyond its credit
strays alive the other side closed the connection
kept alive the other side closed the connection
pongs alive the other side closed the connection
troubles alive the other side closed the connection
END

# Two machines with one MAC, the second of which says that it has booted anew (space-keys.sh has the other cases).
other() { HOSTILE_KEY=other HOSTILE_BOOT=67 "$@"; }
start_hostile 9 sit first
sitter=$hostile_pid
wait_for 5 state_is 9 up
t_says "a machine that claims the MAC of a node that answers is refused" 0 \
	"node 9 (52:54:00:00:00:09) is up at 127.0.0.1 and answers: another machine has that MAC" other as_slave 9 sit
t "and bpmaster says so" grep -q "refusing a node from 127.0.0.1: node 9 .* answers" "$SCRATCH/master.log"
t "the node stays up" state_is 9 up
t_says "bpstat -l shows it" 0 "a machine at 127.0.0.1 claims this node's MAC and was refused" "$bin/bpstat" -l 9
t "and so does the boot log" grep -q "up warn: a machine at 127.0.0.1 claims" "$SCRATCH/state/boots/9.events"
kill -STOP "$sitter"
other start_hostile 9 sit second
t "one that does not answer gives way" wait_for 10 grep -qx "sit: up" "$SCRATCH/second"
t "and bpmaster says so" wait_for 5 grep -q "node 9 registers again, from 127.0.0.1: ending its older connection" "$SCRATCH/master.log"
kill -CONT "$sitter"
t "the older one is cut off" wait_for 5 bash -c "! kill -0 $sitter"
t "and the newer one stays" state_is 9 up
kill $hostile_pid && wait $hostile_pid 2>/dev/null
t "a node that is gone is down" wait_for 5 state_is 9 down

# Handshakes: one that was listened to, many that change their key, and many that are never finished.
t_says "a replayed handshake is cut off" 0 "replay: cut off" as_slave 8 replay
t "and bpmaster says why" grep -q "ended before it registered: it does not prove that its key is its own" "$SCRATCH/master.log"
before=$(rss $master)
t_says "of 500 machines with the MAC of a node and other keys none is taken" 0 "storm: 500 of 500 refused" as_slave 8 storm
t_says "others run meanwhile" 0 "meanwhile" timeout 20 "$bin/bpsh" 0 echo meanwhile
cat >"$SCRATCH/half.py" <<'END'
import socket, sys, time
held = []
for i in range(600):
    s = socket.socket()
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"bpspace2"[:i % 9])
    held.append(s)
print("held", flush=True)
time.sleep(60)
END
python3 "$SCRATCH/half.py" $port >"$SCRATCH/half" 2>&1 &
half=$!
pids+=($half)
t "600 handshakes are begun and left" wait_for 20 grep -q held "$SCRATCH/half"
start_slave 7
t "a node registers all the same" wait_for 30 state_is 7 up
t "and bpmaster keeps few of them: $(ls /proc/$master/fd | wc -l) descriptors" test "$(ls /proc/$master/fd | wc -l)" -lt 200
t_says "and others run" 0 "meanwhile" timeout 20 "$bin/bpsh" 0 echo meanwhile
kill $half $slave_pid 2>/dev/null
wait $half $slave_pid 2>/dev/null
grown=$(($(rss $master) - before))
t "bpmaster held no more than a few megabytes for them: $grown KiB" test $grown -lt "${GROWN_MAX:-24000}"

# A node that says that it lives and reads nothing, and a user who sends it megabytes.
start_hostile 9 deaf deaf
wait_for 5 state_is 9 up
before=$(rss $master)
cat >"$SCRATCH/flood.py" <<'END'
import sys
from door import *
door = Door(sys.argv[1])
door.socket.settimeout(1.0)
n = 0
try:
    for n in range(300):
        door.run(spec([b"x" * 100000] * 10), node=int(sys.argv[2]), job=n)
except socket.timeout:
    print("held back after", n, flush=True)
    door.socket.settimeout(30)
    try:
        while door.socket.recv(65536): pass
    except OSError: pass
END
timeout 60 "${knock[@]}" "$SCRATCH/flood.py" "$BPBOOT_SOCKET" 9 >"$SCRATCH/flood" 2>&1 &
flood=$!
pids+=($flood)
t "who floods a node that does not read is held back" wait_for 10 grep -q "held back after" "$SCRATCH/flood"
t_says "others run meanwhile" 0 "meanwhile" timeout 5 "$bin/bpsh" 0 echo meanwhile
t "the node is cut off in the end" wait_for 15 state_is 9 away
t "and bpmaster says why" grep -q "node 9 is away: it does not read what it is sent" "$SCRATCH/master.log"
grown=$(($(rss $master) - before))
t "bpmaster held no more than a few megabytes for it: $grown KiB" test $grown -lt "${GROWN_MAX:-24000}"
kill $flood 2>/dev/null

# A node that says as much as it can.
as_slave 8 torrent >"$SCRATCH/torrent" 2>&1 &
torrent=$!
pids+=($torrent)
wait_for 5 state_is 8 up
t_says "others run while a node sends all it can" 0 "meanwhile" timeout 20 "$bin/bpsh" 0 echo meanwhile
wait $torrent
n=$(awk '/messages/ { print $2 }' "$SCRATCH/torrent")
t "and it is heard no more than 50,000 times a second, beside what the kernel keeps: $n in 4 s" test "${n:-1000000}" -lt "${TORRENT_MAX:-600000}"
t "it is a node all the same" grep -qx "torrent: alive" "$SCRATCH/torrent"

# A node that wants a file of its job again and again, and a program that does not give it.
before=$(rss $master)
as_slave 7 job-wants >"$SCRATCH/wants" 2>&1 &
wants=$!
pids+=($wants)
wait_for 5 state_is 7 up
cat >"$SCRATCH/keep.py" <<'END'
import sys
from door import *
door = Door(sys.argv[1])
door.run(spec([b"x"], file(b"h" * 32, 1000)), node=7)
while door.hear()[0] == WANTED: print("asked", flush=True)
END
"${knock[@]}" "$SCRATCH/keep.py" "$BPBOOT_SOCKET" >"$SCRATCH/keep" 2>&1 &
keep=$!
pids+=($keep)
wait $wants
t "a node that wants a file all the time is heard: $(cat "$SCRATCH/wants")" grep -qx "job-wants: alive" "$SCRATCH/wants"
t "the program was asked for it" grep -q asked "$SCRATCH/keep"
kill $keep
wait $keep 2>/dev/null
grown=$(($(rss $master) - before))
t "bpmaster held no more than a few megabytes for it: $grown KiB" test $grown -lt "${GROWN_MAX:-24000}"

# A node that has a file and gives it to another one a byte a second.
cat >"$SCRATCH/give.py" <<'END'
import os, sys
from door import *
data = os.urandom(4) * 75000
def start(node):
    door = Door(sys.argv[1])
    door.run(spec([b"x"], file(content_hash(data), len(data))), node=node)
    while True:
        m = door.hear()
        if m[0] == WANTED: door.give(data)
        if m[0] in (STARTED, FAILED): break
    print(node, words(m), flush=True)
    return door
held = [start(6)]
held.append(start(0))
END
as_slave 6 trickle >"$SCRATCH/trickle" 2>&1 &
trickle=$!
pids+=($trickle)
wait_for 5 state_is 6 up
timeout 100 "${knock[@]}" "$SCRATCH/give.py" "$BPBOOT_SOCKET" >"$SCRATCH/give" 2>&1
if grep -q "somebody comes" "$SCRATCH/trickle"; then
	name="who gives a file a byte a second is passed over: a program is started all the same"
	if grep -qE "^0 (started|.*cannot run)" "$SCRATCH/give"; then
		ok "$name"
	else
		not_ok "$name" "$(cat "$SCRATCH/give" "$SCRATCH/trickle"; tail -n 5 "$SCRATCH/master.log")"
	fi
else
	t "a file of a node that is slow on purpose was not asked of it" grep -q "^0 " "$SCRATCH/give"
fi
kill $trickle 2>/dev/null
wait $trickle 2>/dev/null

# A program that asks and does not read.
"${knock[@]}" - "$BPBOOT_SOCKET" >"$SCRATCH/lists" 2>&1 <<'END'
import sys
from door import *
door = Door(sys.argv[1])
door.socket.settimeout(1.0)
try:
    for i in range(1000): door.socket.sendall(frame(bytes([LIST])) * 100)
    print("all sent")
except socket.timeout:
    print("held back")
END
t "a program that reads no answers is held back" grep -qx "held back" "$SCRATCH/lists"
grown=$(($(rss $master) - before))
t "bpmaster held no more than a few megabytes for it: $grown KiB" test $grown -lt "${GROWN_MAX:-24000}"
used=$(cpu $master)
t_says "and is at rest afterwards" 0 "" bash -c "sleep 1; [ \$((\$(awk '{ print \$14 + \$15 }' /proc/$master/stat) - $used)) -lt 20 ]"

# A program that asks all the time, over 120 connections, and reads the answers.
cat >"$SCRATCH/ask.py" <<'END'
import sys
from door import *
doors = [Door(sys.argv[1]) for _ in range(120)]
asked = frame(bytes([KILL]) + u32(77777) + b"\x09") * 5000
sent = [0] * len(doors)
for d in doors: d.socket.setblocking(False)
print("asks", flush=True)
while True:
    for i, d in enumerate(doors):
        try: d.socket.recv(1 << 20)
        except BlockingIOError: pass
        try: sent[i] = (sent[i] + d.socket.send(asked[sent[i]:])) % len(asked)
        except BlockingIOError: pass
END
timeout 100 "${knock[@]}" "$SCRATCH/ask.py" "$BPBOOT_SOCKET" >"$SCRATCH/ask" 2>&1 &
ask=$!
pids+=($ask)
wait_for 20 grep -q asks "$SCRATCH/ask"
sleep 1 # until bpmaster has much to read of each
ten() { local i; for i in 1 2 3 4 5 6 7 8 9 10; do "$bin/bpsh" 0 true </dev/null || return 1; done; }
began=$EPOCHREALTIME
ten || not_ok "programs run" "while one asks all the time"
took=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
t "who asks all the time gets no more than a turn: ten starts beside that take $took s" awk -v s="$took" 'BEGIN { exit !(s < 5) }'
t "and goes on asking: $(tail -1 "$SCRATCH/ask")" kill -0 $ask
kill $ask
wait $ask 2>/dev/null

# Descriptors whose closing takes a minute: with a message, and behind one for which the program is cut off before it is read.
cat >"$SCRATCH/linger.py" <<'END'
import sys, threading, time
from door import *
served = socket.socket()
served.bind(("127.0.0.1", 0))
served.listen(9)
held = []
def lingering():
    s = socket.socket()
    s.connect(served.getsockname())
    held.append(served.accept()[0])
    s.setblocking(False)
    try:
        while True: s.send(b"x" * 65536)
    except BlockingIOError: pass
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    return s
for i in range(int(sys.argv[3])):
    door = socket.socket(socket.AF_UNIX)
    door.connect(sys.argv[1])
    s = lingering()
    try:
        if sys.argv[2] == "behind": door.sendall(frame(b"\xff"))
        door.sendmsg([HELLO], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()] * 3))])
    except OSError: pass # cut off before it was sent
    threading.Thread(target=s.close, daemon=True).start() # who closes it last waits
    held.append(door)
print("sent", flush=True)
time.sleep(60)
END
for how in with behind; do
	before=$(wc -l <"$SCRATCH/master.log")
	"${knock[@]}" "$SCRATCH/linger.py" "$BPBOOT_SOCKET" $how 12 >"$SCRATCH/linger.$how" 2>&1 &
	linger=$!
	pids+=($linger)
	t "12 programs send sockets that linger, $how a message" wait_for 20 grep -q sent "$SCRATCH/linger.$how"
	t "they are cut off, and bpmaster says why" wait_for 10 eval \
		'tail -n "+$((before + 1))" "$SCRATCH/master.log" | grep -qE "is cut off: (a descriptor that nobody asked for|a message of an unknown type)"'
	t_says "others run meanwhile" 0 "meanwhile" timeout 20 "$bin/bpsh" 0 echo meanwhile
	kill $linger
	wait $linger 2>/dev/null
done

# No descriptor is left.
if command -v prlimit >/dev/null; then
	prlimit --pid $master --nofile=$(($(ls /proc/$master/fd | wc -l) + 4))
	python3 - "$BPBOOT_SOCKET" $master >"$SCRATCH/many" 2>&1 <<'END'
import socket, sys, time
def used(): return sum(int(x) for x in open("/proc/%s/stat" % sys.argv[2]).read().rsplit(")", 1)[1].split()[11:13])
held = []
for i in range(60):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held.append(s)
time.sleep(0.2)
before = used()
time.sleep(1)
print("busy" if used() - before > 20 else "calm")
END
	t "without descriptors bpmaster turns connections away and does not spin" grep -qx calm "$SCRATCH/many"
	t "and says so" grep -q "turning a connection away: Too many open files" "$SCRATCH/master.log"
	t "and takes them again when there are some" wait_for 5 "$bin/bpsh" -n 0 true
else
	echo "skip without descriptors bpmaster turns connections away - needs prlimit"
fi
t "its log is short" test "$(wc -l <"$SCRATCH/master.log")" -lt 240

t "a job on another node saw nothing of it" witness_lives
exec 8>&-
wait $witness
t "and ends with its own status" test $? = 7

# A master that holds the key and breaks the rules, towards bpslave.
port=$((port + 2))
# Those that come before the welcome stand apart: bpslave waits longer after each of them.
timeout 200 "$hostile" master $port "$SCRATCH/master.key" version unknown before-welcome hello welcome refused-words short huge \
	power silent power-unknown start-cut start-garbage groups forged replayed strays signal-unknown input-overdraw \
	credit-overdraw pings half >"$SCRATCH/fake" 2>&1 &
fake=$!
pids+=($fake)
start_slave 3
wait $fake
t "a bad master is through with its tricks" test $? = 0
while read -r mode want; do
	t "a master's '$mode': $want" grep -qx "$mode: $want" "$SCRATCH/fake"
done <<'END'
version cut off
before-welcome cut off
refused-words cut off
silent cut off
unknown cut off
hello cut off
welcome cut off
short cut off
huge cut off
power alive
power-unknown cut off
start-cut cut off
start-garbage cut off
groups cut off
forged cut off
replayed cut off
strays alive
signal-unknown cut off
input-overdraw cut off
credit-overdraw cut off
pings alive
half cut off
END
while read -r words; do
	t "bpslave says: $words" grep -q "no connection to bpmaster at 127.0.0.1:$port: $words; trying again" "$SCRATCH/slave3.log"
done <<END
bpmaster speaks version 99, this bpslave $("${knock[@]}" -c 'import door; print(door.VERSION)')
a message that is not allowed here
a message of an unknown type
a message of a wrong size
a frame of an impossible length
a malformed message
a frame that is not authentic
a message out of turn or beyond its credit
the other side closed the connection
END
t "bpslave is unharmed" kill -0 $slave_pid
t "and has kept no process" wait_for 5 bash -c "! pgrep -P $slave_pid -x sleep"
t "its memory is small: $(rss $slave_pid) KiB" test "$(rss $slave_pid)" -lt "${RSS_MAX:-12000}"
t "its log is short" test "$(wc -l <"$SCRATCH/slave3.log")" -lt 80
done_testing
