#!/bin/bash
# exits.sh - the exit statuses of bpsh, row by row as in its manual page, and what is said with each
#
# fast
. tests/system/lib.sh

finish() {
	chmod 700 "${BPBOOT_SOCKET%/*}"
	light_lab_end
}
trap finish EXIT
light_lab 4
cd "$SCRATCH" || exit 1
bpsh() { "$bin/bpsh" "$@" </dev/null; }
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/bpsh" "$@" </dev/null; }
down() { [ "$("$bin/bpstat" -s 3)" = down ]; }
: >none && chmod 755 none # neither a program nor a script
cp "$(command -v busybox)" foreign && printf '\0\0' | dd of=foreign bs=1 seek=18 conv=notrunc status=none # of a machine that nobody has

# row WHAT STATUS TEXT ARGUMENT...
row() { t_says "$1: $2" "$2" "$3" bpsh "${@:4}"; }
row "ended with N, one node" 7 "" 0 sh -c 'exit 7'
row "ended with N, several: the largest" 6 "" 0-2 sh -c 'exit $((BPROC_NODE * 3))'
for signal in 9 15 6; do
	row "ended by a signal, one node" $((128 + signal)) "" 0 sh -c "kill -$signal \$\$"
	row "ended by a signal, several" 255 "node 1: ended by signal $signal" 0-1 sh -c "[ \$BPROC_NODE = 1 ] && kill -$signal \$\$; exit 3"
done
t "the caller of one sees the signal itself" python3 - "$bin/bpsh" <<'EOT'
import subprocess, sys
r = subprocess.run([sys.argv[1], "0", "sh", "-c", "kill -9 $$"], stdin=subprocess.DEVNULL).returncode
print(r, flush=True)
assert r == -9
EOT
row "--timeout, one node" 255 "timed out after 1 s: ending the processes on 0" --timeout 1 0 sleep 60
row "--timeout, several" 255 "timed out after 1 s" --timeout 1 0-1 sh -c '[ $BPROC_NODE = 1 ] && exec sleep 60; exit 3'
row "no such command, one node" 127 "cannot run 'nosuch': No such file" 0 nosuch
row "no such command, several" 127 "node 1: cannot run 'nosuch'" 0-1 nosuch
row "cannot be run, one node" 126 "cannot run '/etc/passwd': Permission denied" 0 /etc/passwd
row "cannot be run, several" 126 "node 1: cannot run '/etc/passwd'" 0-1 /etc/passwd
row "a program of another kind of processor" 126 "node 0: its processor is $(uname -m): cannot run" 0 ./foreign
row "a file of -I that is not there" 126 "cannot read '/nosuch': No such file" -I /nosuch 0 cat
row "a file of -O that cannot be made" 126 "cannot write '/no/such'" -O /no/such 0 echo x
row "no such node" 1 "there is no node 9" 0,9 true
row "no set of nodes" 1 "is not a set of nodes" x true
row "a set without nodes" 1 "no node is in that set" '!0,!1,!2,!3' true
row "no bpmaster" 1 "bpmaster is not running" --socket "$SCRATCH/nosuch" 0 true
row "used wrongly: no command" 2 "which command?" 0
row "used wrongly: no such option" 2 "unknown option" --nosuch 0 true
row "used wrongly: options that exclude each other" 2 "none of" -b -s 0 true

"$bin/bpctl" -S 2 -m 110 && chmod 755 "$SCRATCH" "${BPBOOT_SOCKET%/*}"
t_says "the user may not run there: 1, and who may" 1 "may not run on node 2; who may: " nobody 2 true
t_says "on one of several: the others run" 4 "may not run on node 2" nobody 0-2 sh -c 'exit 4'
t_says "which counts as 1 when they are well" 1 "may not run on node 2" nobody 0-2 true
"$bin/bpctl" -S 2 -m 111

"$bin/bpsh" 3 sleep 300 </dev/null >lost 2>&1 &
one=$!
"$bin/bpsh" 2-3 sh -c 'echo up; [ $BPROC_NODE = 3 ] && exec sleep 300; exit 3' </dev/null >some 2>&1 &
several=$!
both_run() { [ "$("$bin/bpps" -n 3 -C sleep -o pid=)" ] && [ "$("$bin/bpps" -n 3 -C sleep -o pid= | wc -l)" = 2 ]; }
t "two run on node 3" wait_for 20 both_run
"$bin/bpctl" -S 3 -P
wait $one
t "node lost, one node: 255" test $? = 255
t_says "is said" 0 "node 3: node lost" cat lost
wait $several
t "node lost, several: 255" test $? = 255
t_says "is said, too" 0 "node 3: node lost" cat some
t "node 3 is down" wait_for 20 down
row "node not up, one node" 1 "node 3 is down" 3 true
row "node not up, one of several" 1 "node 3 is down" 2-3 true
row "the others run" 5 "node 3 is down" 2-3 sh -c 'exit 5'

# Each row of the page is one of these.
for text in 'ended with N' 'ended by signal S' 'node lost meanwhile' 'no such command' 'cannot be run there' 'node not up' \
	'user may not run there' 'no such node, no bpmaster' 'used wrongly'; do
	t "the page has: $text" grep -q "^\.It \"$text\" Ta" "$OLDPWD/man/bpsh.1"
done
done_testing
