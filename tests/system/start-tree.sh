#!/bin/bash
# start-tree.sh - a start with a large environment on many nodes goes from node to node, also when one of them dies or stands still
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin

nodes=64
held=()
finish() {
	[ ${#held[@]} = 0 ] || kill -CONT "${held[@]}" 2>/dev/null
	light_lab_end
}
trap finish EXIT
light_lab $nodes
lab=${BPBOOT_SOCKET%/*}
chmod 755 "$SCRATCH" "$lab" # other users come, too
supervisor=$(cut -d' ' -f1 "$lab/pid")
master=$(pgrep -P "$supervisor" -x bpmaster)
# Strings of 64 KiB, as one may have at most 128 of them.
text=$(head -c 65000 /dev/zero | tr '\0' e)
large() { # KIB COMMAND...: with so much more in its environment
	local i strings=()
	for ((i = 0; i < $1 / 64; i++)); do strings+=("TREE$i=$i$text"); done
	shift
	env "${strings[@]}" "$@"
}
bpsh() { timeout 100 "$bin/bpsh" "$@"; }
sent() { # bytes that bpmaster has sent to all nodes
	nsenter -t "$master" -n ss -tinH state established "sport = :2223" | grep -o 'bytes_sent:[0-9]*' | cut -d: -f2 | awk '{ n += $1 } END { print n + 0 }'
}
node_pid() { # NUMBER: its bpslave, which is process 1 there
	local p
	for p in $(pgrep -P "$supervisor" -x bpslave); do
		! grep -q "MAC=52:54:00:b0:00:$(printf %02x "$1")$" "/proc/$p/root/run/bpboot/boot" 2>/dev/null || echo "$p"
	done
}
up() { [ "$("$bin/bpstat" -t allup 2>/dev/null)" = $nodes ]; }

# --- what arrives ---
strings() { # the environment and arguments of all nodes are the caller's
	local want got
	want=$(for ((i = 0; i < 8; i++)); do printf '%s' "$i$text"; done | cksum)
	got=$(large 512 "$bin/bpsh" -b all sh -c 'printf "%s|%s|%s|" "$1" "$2" "$3"; printf "%s" "$TREE0" "$TREE1" "$TREE2" "$TREE3" "$TREE4" "$TREE5" "$TREE6" "$TREE7" | cksum' \
		x 'a b' '' $'\xff*' </dev/null 2>&1)
	printf '%s\n' "$got" | cat -v
	[ "$got" = "----------------
0-$((nodes - 1)) ($nodes)
----------------
a b||"$'\xff*|'"$want" ]
}
before=$(sent)
t "arguments and environment reach all nodes as they are" strings
after=$(sent)
[ $((after - before)) -lt $((nodes * 524288 * 3 / 4)) ] && ok "many of them have it from others" ||
	not_ok "many of them have it from others" "bpmaster sent $((after - before)) bytes"
before=$(sent)
t "a start with an ordinary environment" bpsh all true </dev/null
after=$(sent)
[ $((after - before)) -lt 4000000 ] && ok "is sent by bpmaster" || not_ok "is sent by bpmaster" "$((after - before)) bytes"
is() { # TEXT COMMAND...
	local got
	got=$("${@:2}" 2>&1)
	printf '%s\n' "$got"
	[ "$got" = "$1" ]
}
ranks() { large 256 "$bin/bpsh" all sh -c 'echo $BPROC_RANK/$BPROC_NODE' </dev/null | sort -n | awk -F/ '$1 == NR - 1 && $2 == NR - 1' | wc -l; }
t "each process has its own rank and node" is $nodes ranks
with_input() { echo word | large 256 "$bin/bpsh" all cat | sort | uniq -c | tr -d ' '; }
t "input that comes before finds its process" is "${nodes}word" with_input
as_user() { # with what the user gets at
	cp "$bin/bpsh" "$bin/bpghosts" "$SCRATCH" && cd "$SCRATCH" || return 1
	large 256 setpriv --reuid 12345 --regid 23456 --clear-groups "$SCRATCH/bpsh" -b all sh -c 'echo $(id -u) ${#TREE3}' </dev/null | tail -n 1
}
if [ "$(id -u)" = 0 ]; then t "as another user, too" is "12345 65001" as_user; fi
t "also by the node's own programs" is "$nodes" bash -c "$(declare -f large); text=$text; large 256 '$bin/bpsh' --image all sh -c 'echo \${#TREE3}' </dev/null | grep -cx 65001"
travels() { # a program that no node has comes at the same time
	cp /bin/sh "$SCRATCH/own-sh" && head -c 3000000 /dev/urandom >>"$SCRATCH/own-sh" || return 1
	large 256 unshare --mount "$bin/bpsh" all "$SCRATCH/own-sh" -c 'echo ${#TREE2}' </dev/null | grep -cx 65001
}
t "and with a program that has to come, too" is $nodes travels
status() { large 256 "$bin/bpsh" all sh -c 'exit 7' </dev/null; echo $?; }
t "the status comes back" is 7 status
none() { large 256 "$bin/bpsh" all /no/such/command </dev/null 2>/dev/null; echo $?; }
t "a command that is missing counts as 127" is 127 none
ended() { # by a signal before or while it arrives
	large 512 "$bin/bpsh" all sleep 1000 </dev/null >/dev/null 2>&1 &
	local pid=$!
	sleep 0.05
	kill -TERM $pid
	wait $pid
	wait_for 20 sleepless
}
sleepless() { ! bpsh all pgrep -x sleep </dev/null | grep -q .; }
t "a signal in between ends all" ended
many() { # several at once
	local i pids=() bad=0
	for i in 1 2 3 4; do large 256 "$bin/bpsh" all sh -c "echo $i" </dev/null >"$SCRATCH/many.$i" 2>&1 & pids+=($!); done
	for i in "${pids[@]}"; do wait "$i" || bad=1; done
	for i in 1 2 3 4; do [ "$(grep -cx $i "$SCRATCH/many.$i")" = $nodes ] || { tail -n 3 "$SCRATCH/many.$i"; bad=1; }; done
	return $bad
}
t "several at once" many
kept() { # what no process needs any more is not kept on any node
	local p
	for p in $(pgrep -P "$supervisor" -x bpslave); do
		! find "/proc/$p/fd" -lname '*/blobs/#*' 2>/dev/null | grep . || return 1
	done
}
t "nothing of it stays on nodes" wait_for 20 kept
"${knock[@]}" - "$BPBOOT_SOCKET" >"$SCRATCH/apart" 2>&1 <<'PYTHON'
import sys
from door import *
door = Door(sys.argv[1])
door.run(struct.pack(">HHIHHB", 64, 0o22, 4096, 0, 0, 0) + b"/\0\0\0\0" + u32(100) + bytes(32) + b"\0\0")
print("answered" if door.socket.recv(1) else "cut off", flush=True)
PYTHON
t "who names a blob at the door is cut off" grep -qx "cut off" "$SCRATCH/apart"

# --- a node on the way fails ---
# A start on nodes $1 and up while all but the first two of them stand still: those have the environment of bpmaster, and are the
# ones to give it to the others. $job is bpsh, $giver the first node's bpslave.
start_held() { # NUMBER
	local p second
	giver=$(node_pid "$1") second=$(node_pid $(($1 + 1))) held=()
	for p in $(pgrep -P "$supervisor" -x bpslave); do
		[ "$p" = "$giver" ] || [ "$p" = "$second" ] || held+=("$p")
	done
	kill -STOP "${held[@]}"
	large 960 "$bin/bpsh" -p "$1-" sh -c 'echo wave; [ $BPROC_NODE != '"$1"' ] || exec sleep 1000' </dev/null >"$SCRATCH/wave" 2>"$SCRATCH/wave.errors" &
	job=$!
	wait_for 10 grep -qx "$1: wave" "$SCRATCH/wave" && wait_for 10 grep -qx "$(($1 + 1)): wave" "$SCRATCH/wave"
}
go_on() { # NUMBER: all nodes behind the first start
	kill -CONT "${held[@]}"
	held=()
	wait_for 60 others "$1" && return
	cat "$SCRATCH/wave.errors"
	return 1
}
others() { [ "$(grep -v "^$1:" "$SCRATCH/wave" | grep -cE '^[0-9]+: wave$')" = $((nodes - $1 - 1)) ]; }
said() { grep -cE "node $1 did not give node [0-9]+ arguments and environment" "$lab/master.log"; }
frozen_sender() {
	start_held 0 && kill -STOP "$giver" && go_on 0 || return 1
	kill -CONT "$giver"
	kill -TERM $job
	wait $job
	tail -n 3 "$lab/master.log"
	[ "$(said 0)" = 1 ] # and the one who said so went on with another one
}
t "a node that stands still while it is to send keeps no other one from starting" frozen_sender
t "it comes back" wait_for 30 up
killed_sender() {
	start_held 1 && kill -KILL "$giver" && go_on 1 || return 1
	wait $job
	[ $? = 255 ] && [ "$(grep -c . "$SCRATCH/wave.errors")" = 1 ] && grep "node 1: " "$SCRATCH/wave.errors"
}
t "one that dies is named in one line, and all others start" killed_sender
done_testing
