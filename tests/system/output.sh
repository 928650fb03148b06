#!/bin/bash
# output.sh - what bpsh makes of many nodes' output and input: folded, compared, into files; who is pending; exit statuses
#
# fast
. tests/system/lib.sh

stopped=
finish() {
	[ -z "$stopped" ] || kill -CONT "$stopped"
	light_lab_end
}
trap finish EXIT
light_lab 4
at=$PWD/tests/tools/type-at.py
cd "$SCRATCH" || exit 1
bpsh() { "$bin/bpsh" "$@" </dev/null; }
# is NAME TEXT COMMAND...: its standard output is exactly TEXT.
is() {
	local got
	got=$("${@:3}" 2>"$SCRATCH/err")
	if [ "$got" = "$2" ]; then ok "$1"; else not_ok "$1" "$got $(cat "$SCRATCH/err")"; fi
}
rule=----------------
odd='[ $BPROC_NODE = 2 ] && echo odd || echo even'

is "-b shows equal outputs once, with their nodes" "$rule
0,1,3 (3)
$rule
even
$rule
2 (1)
$rule
odd" bpsh -b 0-3 sh -c "$odd"
is "of all nodes at once" "$rule
0-3 (4)
$rule
same" bpsh --fold 0-3 echo same
is "a last line without an end gets one" "$rule
0-3 (4)
$rule
x" bpsh -b 0-3 printf x
is "nothing is shown of nothing" "" bpsh -b 0-3 true
is "errors are folded beside" "$rule
0-3 (4)
$rule
bad" bash -c "'$bin/bpsh' -b 0-3 sh -c 'echo bad >&2' 2>&1 >/dev/null </dev/null"
t "much output folds" test "$(bpsh -b 0-3 seq 100000 | md5sum)" = "$({ printf '%s\n0-3 (4)\n%s\n' $rule $rule; seq 100000; } | md5sum)"
t_says "-b keeps the exit status" 3 "" bpsh -b 0-3 sh -c 'exit $BPROC_RANK'
is "--diff shows what most say, and how others differ" "$rule
0,1,3 (3)
$rule
1
2
3
--- 0,1,3
+++ 2
@@ -1,3 +1,3 @@
 1
-2
+two
 3" bpsh --diff 0-3 sh -c '[ $BPROC_NODE = 2 ] && printf "1\ntwo\n3\n" || seq 3'
t_says "-b and -p exclude each other" 2 "-b and --diff show output at the end" bpsh -b -p 0 true

bpsh --output 'out.%n' --error 'err.%n' 0-3 sh -c 'echo out $BPROC_NODE; echo err >&2'
is "--output writes a file a node" "out 0 out 1 out 2 out 3 " bash -c "cat out.[0-3] | tr '\n' ' '"
is "--error, too" "err err err err " bash -c "cat err.[0-3] | tr '\n' ' '"
bpsh --output 'out.%n' 0-3 true
t "files of nodes that write nothing are empty" test -f out.2 -a ! -s out.2
t "%% is one, and large output is whole" bash -c "'$bin/bpsh' --output 'big%%.%n' 0-1 seq 200000 </dev/null && seq 200000 | cmp - big%.0 && cmp big%.0 big%.1"
t_says "one file is not for several nodes" 2 "%n stands for" bpsh --output out 0-1 true
is "but for one" "one" bash -c "'$bin/bpsh' --output single 0 echo one </dev/null; cat single"
t_says "a file that cannot be written is said" 1 "cannot write '/no/such/0'" bpsh --output /no/such/%n 0-1 true

is "standard input goes to all" "0: hi,1: hi,2: hi," bash -c "echo hi | '$bin/bpsh' -p 0-2 cat | sort | tr '\n' ,"
is "--stdin-to gives it to some" "1: hi," bash -c "echo hi | '$bin/bpsh' -p --stdin-to 1 0-2 cat | sort | tr '\n' ,"
is "however much it is" "600000" bash -c "head -c 600000 /dev/zero | '$bin/bpsh' --stdin-to 1 0-2 cat | wc -c"
t_says "who is none of the command's gets none" 2 "node 3 is none of the command's" bpsh --stdin-to 3 0-2 cat

# Sets of nodes, the same for each command.
numbers() { bpsh -p "$1" echo | tr -cd '0-9\n' | sort -n | tr '\n' ' '; }
for set in "2 :2" "1-2,3 :1 2 3" "n[1-3] :1 2 3" "all :0 1 2 3" "allup :0 1 2 3" "all,!2 :0 1 3" "!2 :0 1 3" "all-2 :0 1 3" "0-2&1-3 :1 2" "2- :2 3"; do
	is "the set '${set%% :*}'" "${set##*:} " numbers "${set%% :*}"
done
is "bpstat has the same sets" "0 1 3 " bash -c "'$bin/bpstat' -n 'all-2' | tr '\n' ' '"
t_says "bpctl has the same words" 1 "'0-x' is not a set of nodes" "$bin/bpctl" -S 0-x -s up
t_says "bpcp, too" 1 "'0-x' is not a set of nodes" "$bin/bpcp" /dev/null 0-x:/tmp/x
t_says "and bpsh" 1 "'0-x' is not a set of nodes" bpsh 0-x true

# Exit statuses.
t_says "the largest status counts" 9 "" bpsh 0-3 sh -c '[ $BPROC_NODE = 1 ] && exit 9; exit $BPROC_NODE'
t_says "no such command" 127 "" bpsh --image 0-1 /no/such
t_says "one that cannot be run" 126 "" bpsh --image 0-1 /etc/passwd
t_says "a signal on one of several" 255 "node 0: ended by signal 9" bpsh 0-1 sh -c 'kill -KILL $$'
t_says "a node that there is not" 1 "there is no node 9" bpsh 0,9 true
t_says "the time limit" 255 "timed out after 1 s: ending the processes on 0,1" bpsh --timeout 1 0-1 sleep 60

# Who is pending.
t_says "^C says who is pending, and goes on" 0 "status 0" "$at" 24x100 bash -c \
	"exec '$bin/bpsh' 0-3 sh -c 'echo up; [ \$BPROC_NODE = 2 ] || exit 0; while [ ! -e go ]; do sleep 0.05; done'" <<-END
		expect up
		expect up
		expect up
		expect up
		run sleep 0.3
		send \\x03
		expect waiting for 1 of 4 nodes: 2
		run touch '$SCRATCH/go'
		end
	END
rm -f go
t_says "a second one goes to the processes" 0 "status 255" "$at" 24x100 "$bin/bpsh" 0-1 sh -c 'echo up; exec sleep 100' <<-END
	expect up
	expect up
	send \\x03
	expect waiting for 2 of 2 nodes: 0,1
	send \\x03
	expect ended by signal 2
	end
END
t_says "progress is shown at a terminal" 0 "4 of 4 nodes have ended" "$at" 24x100 "$bin/bpsh" -b 0-3 echo hello <<<end
t "and nowhere else" test -z "$(bpsh -b 0-3 true 2>&1)"

# What is closed or full here. Without a standard input of our own nothing else is to take its number.
t_says "a closed standard input is an empty one" 0 "" timeout 30 bash -c "'$bin/bpsh' 0 cat <&- && '$bin/bpsh' 0-1 cat <&-"
for nodes in 0 0-3; do
	t_says "a closed output is an error: $nodes" 255 "cannot write the output: Bad file descriptor" \
		timeout 30 bash -c "'$bin/bpsh' $nodes echo hi 2>&1 >&- </dev/null"
	full() { timeout 30 "$bin/bpsh" -L $nodes echo hi 2>"$SCRATCH/err" >/dev/full </dev/null; }
	full
	is "a full one is, too: $nodes" "255 bpsh: cannot write the output: No space left on device" echo $? "$(cat "$SCRATCH/err")"
done
t_says "all of them closed" 3 "" timeout 30 bash -c "exec '$bin/bpsh' 0 sh -c 'exit 3' <&- >&- 2>&-"
for program in "bpstat" "bpstat --json" "bpctl --keys" "bpps --help" "bpboot --help"; do
	t_says "$program says that its output is full" 1 "cannot write the output: No space left on device" \
		bash -c "timeout 30 '$bin'/$program 2>&1 >/dev/full"
done

# A node that stands still: its bpslave is the parent of what runs there.
"$bin/bpsh" 3 sleep 98765 </dev/null &
ghost=$!
real() { pgrep -fx 'sleep 98765'; }
wait_for 10 real
stopped=$(ps -o ppid= -p "$(real)" | tr -d ' ')
kill -STOP "$stopped"
t_says "--connect-timeout gives up on a node that does not start it" 1 "not started within 1 s on node 3: giving up on it" \
	bpsh --connect-timeout 1 2-3 true
is "the others have run" "2: hi" bpsh -p --connect-timeout 1 2-3 echo hi
kill -CONT "$stopped"
stopped=
t "the node goes on" wait_for 20 "$bin/bpsh" 3 true </dev/null
kill $ghost
wait $ghost 2>/dev/null
done_testing
