#!/bin/bash
# terminal.sh - bpsh -t: the caller's terminal lent to a process on a node, and given back whatever happens
#
. tests/system/lib.sh

trap light_lab_end EXIT
light_lab 3
cd "$SCRATCH" || exit 1 # of the nodes, too: light ones see the files of this machine
at=$OLDPWD/tests/tools/type-at.py

# at_terminal SCRIPT COMMAND...: the script's steps are separated by ';'.
at_terminal() {
	local script=$1
	shift
	printf '%s\n' "$script" | sed 's/; */\n/g' | "$at" 33x77 "$@"
}
# gone PATTERN: no process of that command line is on node 1.
gone() { ! "$bin/bpsh" 1 pgrep -f "$1" </dev/null; }

t_says "the process has a terminal as large as ours" 0 "33 77" at_terminal 'end' "$bin/bpsh" -t 1 stty size
t_says "which has a name" 0 "/dev/pts/" at_terminal 'end' "$bin/bpsh" -t 1 tty
t_says "and controls it" 0 "yes" at_terminal 'end' "$bin/bpsh" -t 1 sh -c 'echo yes >/dev/tty'
t_says "its exit status is ours" 0 "status 9" at_terminal 'end' "$bin/bpsh" -t 1 sh -c 'exit 9'
t_says "the terminal is as before then" 0 "restored" at_terminal 'end' "$bin/bpsh" -t 1 true
t_says "a new size gets there" 0 "20 50" at_terminal 'expect ready; raw; resize 20x50; expect 20 50; end' "$bin/bpsh" -t 1 sh -c \
	'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done'
t_says "^C goes to the process, not to us" 0 "status 5" at_terminal 'expect ready; raw; send \x03; end' "$bin/bpsh" -t 1 sh -c \
	'trap "exit 5" INT; echo ready; while :; do sleep 0.05; done'
t_says "^D ends its input" 0 "status 0" at_terminal 'expect ready; raw; send \x04; end' "$bin/bpsh" -t 1 sh -c 'echo ready; cat'
t_says "^Z stops a job of a shell there" 0 "status 3" at_terminal \
	'expect #; raw; send cat\r; send hm\r; expect hm; expect hm; send \x1a; expect topped; send exit 3\r; expect exit; send exit 3\r; end' \
	env PS1='# ' "$bin/bpsh" -t 1 sh -i
t_says "each key gets there at once" 0 "got x" at_terminal 'expect ready; raw; send x; expect got x; end' "$bin/bpsh" -t 1 sh -c \
	'stty raw; echo ready; echo "got $(dd bs=1 count=1 2>/dev/null)"'
t_says "an editor works" 0 "restored" at_terminal 'expect \x1b; raw; send ihello there; expect hello there; send \x1b; expect 100%; send :wq\r; end' \
	env TERM=vt100 "$bin/bpsh" -t 1 busybox vi "$SCRATCH/edited"
t_says "and has written" 0 "hello there" cat "$SCRATCH/edited"
t_says "TERM comes along" 0 "it is vt320" at_terminal 'end' env TERM=vt320 "$bin/bpsh" -t 1 sh -c 'echo it is $TERM'
chmod 755 "$SCRATCH" "${BPBOOT_SOCKET%/*}"
t_says "another user's terminal is his" 0 "mine" at_terminal 'end' setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/bpsh" -t 1 sh -c \
	'[ -O $(tty) ] && echo mine >$(tty)'
chmod 700 "${BPBOOT_SOCKET%/*}"
t_says "much output comes whole" 0 "all 200000" at_terminal 'expect all; end' "$bin/bpsh" -t 1 sh -c \
	'yes 12345678 | head -n 20000 | tr -d "\r" >/dev/tty; echo all 200000'

hang='echo ready; trap "" HUP; while :; do sleep 0.05; done; : of'
t_says "~. at the beginning of a line ends it" 0 "told so by ~." at_terminal 'expect ready; raw; send \r~.; end' "$bin/bpsh" -t 1 sh -c "$hang tilde"
t "and the process" wait_for 10 gone "of tilde"
t_says "~ elsewhere is one" 0 "got a~.b" at_terminal 'expect ready; raw; send a~.b\r; expect got; end' "$bin/bpsh" -t 1 sh -c \
	'stty -echo; echo ready; read x; echo "got $x"'
t_says "~~ is one" 0 "got ~.b" at_terminal 'expect ready; raw; send ~~.b\r; expect got; end' "$bin/bpsh" -t 1 sh -c \
	'stty -echo; echo ready; read x; echo "got $x"'
for signal in TERM HUP INT QUIT USR1 SEGV; do
	t_says "SIG$signal gives the terminal back" 0 "restored" at_terminal "expect ready; raw; signal $signal; end" "$bin/bpsh" -t 1 sh -c \
		'echo ready; while :; do sleep 0.05; done'
done
t_says "so does SIGKILL" 0 "restored" at_terminal "expect ready; raw; signal KILL; end" "$bin/bpsh" -t 1 sh -c "$hang kill"
t "and the process ends" wait_for 10 gone "of kill"
t_says "when the terminal goes" 0 "status" at_terminal 'expect ready; raw; hangup; end' "$bin/bpsh" -t 1 sh -c "$hang hangup"
t "the process does" wait_for 10 gone "of hangup"

# A terminal within a terminal, as with ssh: light nodes reach bpmaster's door.
t_says "one within another has the same size" 0 "33 77" at_terminal 'end' "$bin/bpsh" -t 1 "$bin/bpsh" -t 2 stty size
t_says "its status comes through both" 0 "status 6" at_terminal 'end' "$bin/bpsh" -t 1 "$bin/bpsh" -t 2 sh -c 'exit 6'
t_says "a new size gets through both" 0 "20 50" at_terminal 'expect ready; raw; resize 20x50; expect 20 50; end' "$bin/bpsh" -t 1 "$bin/bpsh" -t 2 \
	sh -c 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done'
t_says "~~. ends the inner one" 0 "status 255" at_terminal 'expect ready; raw; send \r~~.; expect told so by ~.; end' "$bin/bpsh" -t 1 "$bin/bpsh" -t 2 \
	sh -c "$hang inner"
t_says "SIGKILL of the outer one gives the terminal back" 0 "restored" at_terminal 'expect ready; raw; signal KILL; end' "$bin/bpsh" -t 1 "$bin/bpsh" -t 2 \
	sh -c "$hang both"
t "and the innermost process ends" wait_for 20 gone "of both"

# dash leaves the terminal cooked at its prompt.
t_says "a stop gives it back, and fg lends it again" 0 "restored" at_terminal \
	"expect #; send $bin/bpsh -t 1 busybox cat\r; raw; send echo\r; expect echo; expect echo; run pkill -TSTP -f '^busybox cat \[n1]'; \
expect topped; cooked; send fg\r; raw; send more\r; expect more; expect more; send \x04; cooked; send exit\r; end" \
	env PS1='# ' dash -i

t_says "without a terminal there is none to lend" 1 "standard input is none" "$bin/bpsh" -t 1 true </dev/null
t_says "it is lent to one process" 0 "status 2" at_terminal 'expect name one node; end' "$bin/bpsh" -t 0-1 true
t_says "and wholly" 2 "-t lends the whole terminal" "$bin/bpsh" -t -n 1 true
t_says "a command that there is not" 0 "status 127" at_terminal 'end' "$bin/bpsh" -t 1 /no/such
t_says "gives it back" 0 "restored" at_terminal 'end' "$bin/bpsh" -t 1 /no/such

t_says "a node that is lost gives it back" 0 "restored" at_terminal \
	"expect ready; raw; run $bin/bpctl -S 2 -P; expect node lost; end" "$bin/bpsh" -t 2 sh -c "$hang lost"
t_says "a master that is away, too" 0 "restored" at_terminal \
	"expect ready; raw; run $bin/bpboot lab down --name terminal; expect bpmaster has ended; cooked; expect lost bpmaster; end" "$bin/bpsh" -t 1 sh -c "$hang master"
done_testing
