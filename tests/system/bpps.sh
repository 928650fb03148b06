#!/bin/bash
# bpps.sh - what runs in the space: rows of every node, columns, selections, JSON, and nodes that are not there
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

t "with no process, none is shown" test "$("$bin/bpps" --no-headers)" = ""
"$bin/bpps" >"$SCRATCH/none"
t "and the status says so" test $? = 1

"$bin/bpsh" 0 sh -c 'sleep 311 & sleep 312; true' </dev/null &
first=$!
"$bin/bpsh" 2 sleep 313 </dev/null &
second=$!
pids+=($first $second)
has() { [ "$("$bin/bpps" --no-headers -o args "${@:2}" | sort | tr '\n' '|')" = "$1" ]; }
says() { # NAME EXPECTED ARGUMENT...: what bpps prints
	local got
	got=$("$bin/bpps" "${@:3}" 2>&1 | tr -s ' ' | sed 's/^ //')
	if [ "$got" = "$2" ]; then ok "$1"; else not_ok "$1" "$got; expected $2"; fi
}
all='sh -c sleep 311 & sleep 312; true|sleep 311|sleep 312|sleep 313|'
if wait_for 20 has "$all"; then
	ok "what was started, and what that has started"
else
	not_ok "what was started, and what that has started" "$("$bin/bpps")"
fi
says "node and number are those of the ghost" "2 $second sleep" -o node,pid,comm --no-headers -n 2
says "by number" "0 $first" -p "$first,999999" -o node,pid --no-headers
says "by name, in the order of the nodes" "0 sleep 311
0 sleep 312
2 sleep 313" -C sleep -o node,args --no-headers

t "of one group are all three" test "$("$bin/bpps" -g $first -o pid --no-headers | wc -l)" = 3
says "by user" "$second" -u root,nobody -n 2 -o pid --no-headers
says "of a user who has none" "" -u nobody --no-headers
says "columns have heads" "NODE PID USER S TIME COMMAND
2 $second root S 00:00:00 sleep 313" -n 2 -o node,pid,user,state,time,args
says "-o names heads, and an empty one is none" "N WHO
2 $second" -n 2 -o node=N,pid=WHO
says "without any head there is no line of heads" "2 $second" -n 2 -o node=,pid=
says "several -o are one" "2 sleep" -n 2 -o node= -o comm=
says "what several options select is put together, as in ps" "$first
$second" -p $first -p $second -o pid=
says "by the parent" "0 sleep
0 sleep" --ppid $first -C nothing -o node=,comm= --sort pid -n 0 -w
says "by session" "$second" -s $second -o pid=
says "all but those" "$second" -N -g $first -o pid=
says "sorted, the largest first" "$second
$first" -p $first,$second --sort -node -o pid=
says "sorted by a name, then by another" "0 sh
0 sleep
0 sleep
2 sleep" --sort +comm,node -o node=,comm=
says "a number alone is a process, as in ps" "$second" $second -o pid=
t "heads of -f are those of ps" test "$("$bin/bpps" -ef | head -n 1 | tr -s ' ')" = "NODE UID PID PPID C STIME TTY TIME CMD"
t "heads of aux, too" test "$("$bin/bpps" aux | head -n 1 | tr -s ' ')" = "NODE USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"
for how in -F -l -j aux ax -ef; do
	t "bpps $how shows each" test "$("$bin/bpps" $how --no-headers | grep -c sleep)" -ge 3
done
t_says "words that are no numbers of processes are refused" 2 "expected numbers" "$bin/bpps" -p x
t_says "a user that there is not is refused" 2 "there is no user 'nosuchuser'" "$bin/bpps" -u nosuchuser
"$bin/bpps" -p 999999 >"$SCRATCH/none"
t "where nothing is selected the status is 1, as in ps" test $? = 1
# The same words for the same process, seen by ps on the node and by bpps here.
t "columns are what ps shows there" python3 - "$bin" $second <<'EOT'
import subprocess, sys
bin, pid = sys.argv[1:]
columns = "pid,ppid,pgid,sid,user,uid,ruser,ruid,group,gid,tty,tpgid,s,stat,ni,nlwp,sz,pmem,comm,args"
run = lambda *a: subprocess.run(a, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.split("\n")
there = run(bin + "/bpsh", "2", "ps", "-o", columns, "-p", pid)
here = run(bin + "/bpps", "-n", "2", "-o", columns, "-p", pid)
print(there, here, flush=True)
assert len(here) == 3 and [w.split() for w in there] == [w.split() for w in here]
EOT
# One with a terminal, of a set-uid program: who started it is another than whose rights it has.
chmod 755 "$SCRATCH"
cp "$(command -v sleep)" "$SCRATCH/setuid"
chown nobody "$SCRATCH/setuid" && chmod 4755 "$SCRATCH/setuid"
printf 'expect ready\nend\n' | timeout 120 tests/tools/type-at.py 24x80 "$bin/bpsh" -t 1 sh -c "echo ready; '$SCRATCH/setuid' 314" >"$SCRATCH/typed" 2>&1 &
typed=$!
pids+=($typed)
other() { [ "$("$bin/bpps" -C setuid -o user=,ruser=,comm= | tr -s ' ')" = "nobody root setuid" ]; }
t "who has started a set-uid program" wait_for 20 other
"$bin/bpsh" 1 ps -C setuid -o "pid,ppid,pgid,sid,user,ruser,tty,tpgid,stat" </dev/null | tr -s ' ' >"$SCRATCH/there"
"$bin/bpps" -C setuid -o "pid,ppid,pgid,sid,user,ruser,tty,tpgid,stat" | tr -s ' ' >"$SCRATCH/here"
same() { diff <(tail -n 1 "$SCRATCH/there" | sed 's/^ //') <(tail -n 1 "$SCRATCH/here" | sed 's/^ //'); }
t "one at a terminal is what ps shows there ($(tail -n 1 "$SCRATCH/here"))" same
tty=$("$bin/bpps" -C setuid -o tty=)
case $tty in pts/*) ok "its terminal has a name" ;; *) not_ok "its terminal has a name" "$tty" ;; esac
says "by terminal" "setuid
sh" -t "$tty" -o comm= --sort comm
says "and its path" "setuid
sh" -t "/dev/$tty" -o comm= --sort comm
says "by whose rights it has" "setuid" -u nobody -o comm=
says "by who has started it" "" -U nobody -o comm=
t "those without a terminal" test "$("$bin/bpps" -t '?' -o tty= | sort -u)" = "?"
kill -TERM $typed
wait $typed 2>/dev/null
gone() { [ "$("$bin/bpps" --no-headers -C setuid)" = "" ]; }
wait_for 20 gone
t_says "a column that does not exist is refused" 2 "there is no column 'colour'" "$bin/bpps" -o colour
"$bin/bpps" --json -n 2 >"$SCRATCH/json"
t "JSON has the same" python3 - "$SCRATCH/json" $second <<'EOT'
import json, sys
(p,) = json.load(open(sys.argv[1]))
assert (p["node"], p["pid"], p["pgid"], p["sid"]) == (2, int(sys.argv[2]), int(sys.argv[2]), int(sys.argv[2])), p
assert p["args"] == "sleep 313" and p["comm"] == "sleep" and p["uid"] == 0 and p["state"] == "S", p
assert (p["ruid"], p["gid"], p["tty"], p["tpgid"]) == (0, 0, None, 0) and 0 <= p["pmem"] < 100, p
assert p["rss_kib"] > 0 and p["vsz_kib"] >= p["rss_kib"] and p["threads"] == 1, p
EOT
# What ps prints here, in its formats, with nodes in front: of the two ghosts, and of nobody else.
annotated() { # PS-ARGUMENT...: node and number of each line that has a node
	ps "$@" | "$bin/bpstat" -P >"$SCRATCH/annotated" || return 1
	grep -E '^[0-9]' "$SCRATCH/annotated" | grep -oE "^[0-9+]+|(^| )($first|$second)( |\$)" | tr -d ' ' | tr '\n' ' '
}
for format in "" "aux" "-ef" "axjf" "-eo ppid,pid" "-eo lstart,pid,args" "-eo args,pid" "-eo user:30,pid" "-eo ppid,pid,pgid" "-eo pid=,comm="; do
	case $format in "") set -- -p "$first,$second" ;; *) eval "set -- $format" ;; esac
	got=$(annotated "$@" | tr ' ' '\n' | awk -v a=$first -v b=$second '/^[02]$/ { node = $0; next } !($0 in seen) { seen[$0]; print node, $0 }' |
		sort | tr '\n' ' ')
	want=$(printf '0 %s\n2 %s\n' $first $second | sort | tr '\n' ' ')
	case $got in
	"$want") ok "bpstat -P reads ps $format" ;;
	*) not_ok "bpstat -P reads ps $format" "$got, expected $want: $(grep -E '^[0-9]' "$SCRATCH/annotated")" ;;
	esac
	t "ps $format: no other line has a node" test "$(grep -cE '^[0-9]' "$SCRATCH/annotated")" = 2
done
"$bin/bpstat" -UL -s 1 >"$SCRATCH/states" &
pids+=($!)
t "bpstat -U shows the nodes" wait_for 20 grep -qx up "$SCRATCH/states"
"$bin/bpctl" -S 1 -s drained
t "and again when one has changed" wait_for 20 grep -qx drained "$SCRATCH/states"
"$bin/bpctl" -S 1 -s up
stop_last
t_says "-U and -P exclude each other" 2 "-U shows a table again" "$bin/bpstat" -UP
t "--up leaves others out" test "$("$bin/bpstat" --up -t)" = 3
t_says "the old flags are all there" 0 "3" bash -c "for f in -c -l -a -s -n -t -R -N -S -O -L -p '-A 0'; do '$bin/bpstat' \$f >/dev/null || exit 1; done; '$bin/bpstat' -t"
t_says "-h and -V, -v" 0 "bpstat " bash -c "'$bin/bpstat' -h && '$bin/bpstat' -V && '$bin/bpstat' -v"
is_stopped() { [ "$("$bin/bpps" -p $second -o s --no-headers)" = T ]; }
kill -STOP $second
t "a stopped one" wait_for 20 is_stopped
kill -CONT $second
"$bin/bpsh" 1 sh -c 'while :; do :; done' </dev/null &
busy=$!
pids+=($busy)
burns() { [ "$("$bin/bpps" -p $busy -o times --no-headers | tr -d ' ')" -ge 1 ] 2>/dev/null; }
t "CPU time counts" wait_for 60 burns
kill -KILL $busy $first
one() { has 'sleep 313|'; }
t "what has ended is gone, with its group" wait_for 20 one

"$bin/bpctl" -S 1 -P
down() { [ "$("$bin/bpstat" -s 1)" = down ]; }
wait_for 20 down
t "nodes that are not there are left out" has 'sleep 313|'
t_says "and said when they are asked for" 1 "not there to be asked: node 1" "$bin/bpps" -n 1,2
done_testing
