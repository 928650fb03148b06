#!/bin/bash
# libbproc.sh - libbproc beside a real bpmaster: each function, ghosts as children, a program of old, what is installed
. "$(dirname "$0")/lib.sh"

build=$(cd "$BUILD" && pwd)
space_begin
export BPBOOT_LIBEXEC=$build/src/lib
run() { timeout 60 "$build/tests/tools/$@" </dev/null; }

# What is exported is what the header declares, and what has a test.
lib=$build/src/lib/libbproc.so
declared=$(grep -ohE '\b(_?bproc|vmadump)_[a-z_]+\(' include/bproc.h include/sys/vmadump.h | tr -d '(' | grep -v bproc_node_set_node | LC_ALL=C sort -u)
exported=$(nm -D --defined-only "$lib" | awk '$2 == "T" { sub("@.*", "", $3); print $3 }' | LC_ALL=C sort)
t "exactly the functions of the header are exported" diff <(echo "$declared") <(echo "$exported")
t "nothing else is" bash -c "! nm -D --defined-only '$lib' | grep -vE ' [TA] ((_?bproc|vmadump)_[a-z_]+@@LIBBPROC_4|LIBBPROC_4)'"
t "the map names them, no more and no less" diff <(echo "$declared") <(sed -n 's/^\t\(.*\);$/\1/p' src/lib/bproc.map | grep -v '\*' | LC_ALL=C sort)
t "none that a program may be linked with has gone" bash -c "! LC_ALL=C comm -23 tests/system/libbproc.abi <(echo '$declared') | grep ."
t "the name of the library is fixed" bash -c "objdump -p '$lib' | grep -q 'SONAME *libbproc.so.4$'"
t "each function has a test" diff <(echo "$declared") <("$build/tests/tools/bproc-test" --list | LC_ALL=C sort)
t "each function is in a manual page" bash -c "for f in $(echo $declared); do grep -qs \"^\.Fn .*\b\$f\b\|^\.Fo \$f\$\" man/bproc*.3 || { echo \$f; exit 1; }; done"

t_says "without a bpmaster a program is told so" 1 "bproc_nodelist: Connection refused" run bproc-old true
cat >"$SCRATCH/cluster.conf" <<END
[cluster]
interface = lo
network = 127.0.0.0/24
address = 127.0.0.1
image = x
nodes = nodes
[master]
socket = $BPBOOT_SOCKET
[groups]
odd = 1,7
END
echo '7 52:54:00:00:00:07' >"$SCRATCH/nodes"
space_master --config "$SCRATCH/cluster.conf" --node 0,52:54:00:00:00:00,127.0.0.1 --node 1,52:54:00:00:00:01 --node 2,52:54:00:00:00:02,,third
t "bpmaster starts" "$bin/bpstat"
chmod 755 "$SCRATCH"
for n in 0 1 2; do start_slave $n; done
for n in 0 1 2; do t "node $n registers" wait_for 20 state_is $n up; done

for f in $("$build/tests/tools/bproc-test" --list); do
	t "$f" run bproc-test "$f"
done

# Ghosts as a shell sees them.
t_says "the old program runs on every node, and its output comes back" 0 "3 of 4 nodes" run bproc-old /bin/echo hello
t "from each" test "$(run bproc-old /bin/echo hello | grep -cx hello)" = 3
t_says "statuses come back" 7 "" run bproc-old /bin/sh -c 'exit 7'
t_says "signals come back" 0 "node 2: signal 9" run bproc-old /bin/sh -c 'kill -9 $$'
t_says "a command that no node has is said" 1 "node 1: No such file or directory" run bproc-old /no/such/command
t "1 MB from each comes whole" test "$(run bproc-old /bin/sh -c 'head -c 1000000 /dev/zero' | wc -c)" = 3000013

"$build/tests/tools/bproc-old" /bin/sh -c "echo \$\$ >$SCRATCH/pid\$BPROC_NODE; exec sleep 600" >"$SCRATCH/long" 2>&1 </dev/null &
job=$!
t "processes run" wait_for 20 test -s "$SCRATCH/pid0" -a -s "$SCRATCH/pid1" -a -s "$SCRATCH/pid2"
t "ps shows a ghost by the program's name and arguments, a child of the caller" bash -c \
	"[ \$(ps -o comm=,args= --ppid $job | grep -c '^sh .*exec sleep 600') = 3 ]"
first=$(pgrep -P $job | head -n 1)
t "a ghost is small" bash -c "[ \$(awk '/VmRSS/ { print \$2 }' /proc/$first/status) -lt 4000 ]"
kill -KILL "$first"
t "killing a ghost ends the remote process" wait_for 20 bash -c \
	"[ \$(cat $SCRATCH/pid? | while read p; do kill -0 \$p 2>/dev/null && echo x; done | wc -l) = 2 ]"
for p in $(pgrep -P $job); do kill -TERM "$p"; done
ended() { ! kill -0 $job 2>/dev/null; }
t "a signal reaches the others" wait_for 20 ended
wait $job
t "the caller sees how each ended" bash -c "grep -q 'signal 15' '$SCRATCH/long' && grep -q 'signal 9' '$SCRATCH/long'"
t "nothing is left running" wait_for 20 bash -c \
	"for p in \$(cat $SCRATCH/pid?); do ! kill -0 \$p 2>/dev/null || exit 1; done"

"$build/tests/tools/bproc-old" /bin/sh -c "echo \$\$ >$SCRATCH/pid\$BPROC_NODE; echo up; exec sleep 600" >"$SCRATCH/lost" 2>&1 </dev/null &
job=$!
t "processes run again" wait_for 20 bash -c "[ \$(grep -c up '$SCRATCH/lost') = 3 ]"
kill -KILL "${slave[2]}"
{ wait "${slave[2]}"; } 2>/dev/null
unset "slave[2]"
t "the ghost of a node that is lost ends with words" wait_for 20 grep -q "^sh: node lost" "$SCRATCH/lost"
for p in $(pgrep -P $job); do kill -TERM "$p"; done
wait $job
t "and with status 255" test $? = 255
kill "$(cat "$SCRATCH/pid2")" 2>/dev/null # its slave was killed and could not
start_slave 2
t "the node comes back" wait_for 20 state_is 2 up

# The streams of a ghost, and a stop from the terminal.
on() { timeout 60 "$build/tests/tools/bproc-test" on "$@"; }
head -c 20000000 /dev/urandom >"$SCRATCH/random"
t "20 MB come through both ways" test "$(on 1 /bin/cat <"$SCRATCH/random" | sha256sum)" = "$(sha256sum <"$SCRATCH/random")"
t "the end of the input arrives" test "$(printf abc | on 1 /usr/bin/wc -c)" = 3
t "standard output and error are apart" test "$(on 1 /bin/sh -c 'echo out; echo err >&2' 2>"$SCRATCH/err" </dev/null)$(cat "$SCRATCH/err")" = outerr
t "a process that closes its input does not stop the ghost" timeout 20 bash -c \
	"yes | '$build/tests/tools/bproc-test' on 1 /usr/bin/head -n 1 | grep -qx y"
t "a reader that goes ends the process, as it would here" timeout 20 bash -c \
	"set -o pipefail; '$build/tests/tools/bproc-test' on 1 /usr/bin/yes </dev/null | head -n 1 >/dev/null; [ \${PIPESTATUS[0]} = 141 ]"
t "a program that has closed its standard descriptors starts one" \
	bash -c "exec timeout 60 '$build/tests/tools/bproc-test' on 1 /bin/cat <&- >&- 2>&-"
t "an output that the process closes ends for who reads it" test "$(on 1 /bin/sh -c 'echo x; exec >&-; sleep 0.5; kill -9 $$' </dev/null)" = x
"$build/tests/tools/bproc-test" on 1 /bin/sh -c "echo \$\$ >$SCRATCH/pid; exec sleep 600" </dev/null >/dev/null 2>&1 &
job=$!
t "a process runs" wait_for 20 test -s "$SCRATCH/pid"
stat_of() { cut -d' ' -f3 "/proc/$1/stat"; }
in_state() { [ "$(stat_of "$1" | tr t T)" = "$2" ]; } # a process that is traced stops as "t"
t "it runs in the ghost" wait_for 20 in_state "$(cat "$SCRATCH/pid")" S
kill -TSTP $job
t "a stop from the terminal stops the remote process" wait_for 20 in_state "$(cat "$SCRATCH/pid")" T
t "and the ghost" wait_for 20 in_state $job T
kill -CONT $job
t "both go on together" wait_for 20 in_state "$(cat "$SCRATCH/pid")" S
watched() { [ "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$job/status")" != 0 ]; }
both() { in_state "$(cat "$SCRATCH/pid")" "$1" && in_state $job "$1"; }
t "a ghost that lasts is watched" wait_for 20 watched
kill -STOP $job
t "SIGSTOP of the ghost stops both" wait_for 20 both T
kill -CONT $job
t "SIGCONT lets both go on" wait_for 20 both S
kill -TSTP $job
t "a stop from the terminal still does" wait_for 20 both T
kill -CONT $job
t "and they go on again" wait_for 20 both S
kill -STOP "$(cat "$SCRATCH/pid")"
t "a stop on the node stops the ghost" wait_for 20 both T
kill -CONT $job
t "and the ghost's SIGCONT goes there" wait_for 20 both S
for i in 1 2 3 4 5 6 7 8; do kill -STOP $job; kill -CONT $job; done
t "many stops in a row end as the last one says" wait_for 20 both S
kill -INT $job
wait $job
t "an interrupt ends it, and the shell sees it" test $? = 130
cat >"$SCRATCH/parent.py" <<'END'
import os, signal, subprocess, sys, time
def tracer(pid):
    return [l for l in open(f"/proc/{pid}/status") if l.startswith("TracerPid")][0].split()[1]
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
while tracer(child.pid) == "0": time.sleep(0.02)
said = []
def hear(want):
    pid, status = os.waitpid(child.pid, os.WUNTRACED | os.WCONTINUED)
    said.append("stopped" if os.WIFSTOPPED(status) else "continued" if os.WIFCONTINUED(status) else "ended %d" % os.WTERMSIG(status))
for sig in signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL:
    os.kill(child.pid, sig); hear(sig)
print(*said, flush=True)
END
t_says "its parent sees it stop, go on, and end" 0 "stopped continued ended 9" timeout 60 python3 "$SCRATCH/parent.py" \
	"$build/tests/tools/bproc-test" on 1 /bin/sleep 600
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	mkdir -p "$SCRATCH/user/tests/tools" "$SCRATCH/user/src/lib" # where a user gets at them
	cp "$build/tests/tools/bproc-test" "$SCRATCH/user/tests/tools" && cp "$lib" "$SCRATCH/user/src/lib/libbproc.so.4"
	cp "$build/src/lib/bpghost" "$SCRATCH/user/src/lib"
	t "a user's program runs as that user" test "$(BPBOOT_LIBEXEC=$SCRATCH/user/src/lib setpriv --reuid 12345 --regid 23456 --groups 34567 \
		"$SCRATCH/user/tests/tools/bproc-test" on 1 /bin/sh -c 'echo $(id -u) $(id -g) $(id -G)' </dev/null)" = "12345 23456 23456 34567"
else
	echo "skip a user's program runs as that user - needs root and setpriv"
fi

# As installed: a compiler that knows only what pkg-config says.
if DESTDIR=$SCRATCH/root meson install -C "$build" --no-rebuild --quiet >"$SCRATCH/install.log" 2>&1; then
	pc=$(find "$SCRATCH/root" -name bproc.pc)
	export PKG_CONFIG_SYSROOT_DIR=$SCRATCH/root PKG_CONFIG_LIBDIR=${pc%/*}
	t "a program of old compiles unchanged with what is installed" bash -c \
		"gcc -Wall -Wextra -Wno-sign-compare -Werror -o '$SCRATCH/old' tests/tools/bproc-old.c \$(pkg-config --cflags --libs bproc)"
	t_says "and runs" 0 "3 of 4 nodes" env LD_LIBRARY_PATH="${pc%/pkgconfig/*}" timeout 60 "$SCRATCH/old" /bin/true
	if command -v g++ >/dev/null; then
		t "the headers are good for C++ too" bash -c "printf '#include <sys/bproc.h>\n#include <sys/vmadump.h>\n' | g++ -Wall -Werror -fsyntax-only -x c++ \$(pkg-config --cflags bproc) -"
	fi
else
	not_ok "what is installed compiles a program" "$(tail -n 3 "$SCRATCH/install.log")"
fi
# Nodes are given another root, and another bpmaster.
busybox=$(command -v busybox)
mkdir -p "$SCRATCH/tree/bin" "$SCRATCH/tree/only-here" && cp "$busybox" "$SCRATCH/tree/bin/busybox"
t "bproc_nodechroot() gives what is started another root" run bproc-test tell 1 bproc_nodechroot "$SCRATCH/tree"
t "which is seen there" wait_for 10 run bproc-test on 1 /bin/busybox test -d /only-here
t "and the old one again" run bproc-test tell 1 bproc_nodechroot /
t "which is, too" wait_for 10 run bproc-test on 1 "$busybox" test -d "$SCRATCH/tree"
"$bin/bpmaster" --foreground --address 127.0.0.1 --port $((port + 2500)) --log-port $((port + 2501)) --state "$SCRATCH/state2" \
	--socket "$SCRATCH/sock2" --key "$keys/master.key" --node 2,52:54:00:00:00:02 >"$SCRATCH/master2.log" 2>&1 </dev/null &
pids+=($!)
there() { [ "$("$bin/bpstat" --socket "$SCRATCH/sock2" -s 2 2>/dev/null)" = up ]; }
t "a node goes to the bpmaster that bproc_nodereconnect() says" run bproc-test tell 2 bproc_nodereconnect $((port + 2500))
t "and is a node there" wait_for 20 there

# A node that dies while a program is about to start there.
kill -STOP "${slave[1]}"
run bproc-test on 1 /bin/true >"$SCRATCH/died" 2>&1 &
died=$!
has_job() { [ "$("$bin/bpstat" -l 1 | awk 'NR == 2 { print $9 }')" = 1 ]; }
t "a node that stands still has a job" wait_for 10 has_job
{ kill -KILL "${slave[1]}"; wait "${slave[1]}"; } 2>/dev/null
wait $died
t_says "a node that dies before the program runs is said" 0 "bproc_rexec: node was lost" cat "$SCRATCH/died"

# Nodes obey.
if [ "$(id -u)" = 0 ]; then # nodes with bpslave as their init
	trap 'light_lab_end; space_end' EXIT
	light_lab 6
	boot() { "$bin/bpsh" "$1" cat /run/bpboot/boot </dev/null; }
	anew() { local now; now=$(boot "$1") && [ -n "$now" ] && [ "$now" != "$2" ]; }
	calls="0:nodereboot 1:nodereboot_async 2:nodehalt 3:nodepwroff 4:nodehalt_async 5:nodepwroff_async"
	declare -A before told
	for row in $calls; do
		n=${row%:*}
		before[$n]=$(boot "$n")
		run bproc-test tell "$n" "bproc_${row#*:}" &
		told[$n]=$!
	done
	for row in $calls; do
		n=${row%:*}
		wait "${told[$n]}"
		t "bproc_${row#*:}() tells a node" test $? = 0
		case $row in
		*reboot*) t "which boots anew" wait_for 20 anew "$n" "${before[$n]}" ;;
		*) t "which goes" wait_for 20 state_is "$n" down ;;
		esac
	done
else
	echo "skip nodes obey - needs root"
fi
t "bpmaster has nothing to complain of" bash -c "! grep -iE 'cut off|malformed' '$SCRATCH/master.log'"
exit $lib_failed
