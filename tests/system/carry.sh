#!/bin/bash
# carry.sh - programs travel to nodes that have them not, with their libraries and interpreters, once
#
# The nodes are bpslaves in mount namespaces of their own, where the folder with the programs is empty.
. tests/system/lib.sh

space_begin
export XDG_CACHE_HOME=$SCRATCH/memory
home=$SCRATCH/home

from=127.0.0.1 # where nodes find bpmaster, and each other
start_apart() { # NUMBER COMMANDS OPTION...: its pid becomes ${slave[NUMBER]}
	local n=$1 commands=$2
	shift 2
	boot_file $n
	[ "$from" = 127.0.0.1 ] || sed -i "s/127.0.0.1/[$from]/" "$SCRATCH/boot$n"
	unshare --mount --propagation private sh -ec "$commands"'
		shift
		exec "$@"' sh x "$bin/bpslave" --boot-file "$SCRATCH/boot$n" --events "$SCRATCH/no-events" \
		--key "$keys/master.pub" "$@" </dev/null >>"$SCRATCH/slave$n.log" 2>&1 &
	slave[n]=$!
}
bpsh() { timeout 60 "$bin/bpsh" "$@" </dev/null; }
says() { t_says "$1" "$2" "$3" timeout 60 "$bin/bpsh" "${@:4}" </dev/null; }
sent() { # bytes that bpmaster has sent to all nodes
	ss -tinH state established "sport = :$port" | grep -o 'bytes_sent:[0-9]*' | cut -d: -f2 | awk '{ n += $1 } END { print n + 0 }'
}

mkdir -p "$home/bin" "$home/lib" "$SCRATCH/small" && chmod 755 "$SCRATCH" "$home"
nodes=()
for n in {0..9}; do nodes+=(--node "$n,52:54:00:00:00:0$n"); done
six=
! grep -q '^0*1 .* lo$' /proc/net/if_inet6 2>/dev/null || six=1 # this machine has IPv6
space_master ${six:+--address ::} "${nodes[@]}" || not_ok "bpmaster starts" "$(tail -3 "$SCRATCH/master.log")"
hide="mount -t tmpfs tmpfs '$home'"
start_apart 0 "$hide"
start_apart 1 "$hide"
# Its cache is small, and the file system that it lies on is smaller.
start_apart 2 "$hide; mount -t tmpfs -o size=3m,mode=755 tmpfs '$SCRATCH/small'" --cache "$SCRATCH/small/cache" --cache-size 8M
for n in 0 1 2; do wait_for 20 state_is $n up || not_ok "node $n registers" "$(tail -3 "$SCRATCH/slave$n.log")"; done

# --- programs ---
build() { cc -O1 -o "$@" 2>&1; }
cat >"$SCRATCH/main.c" <<'END'
#include <stdio.h>
int main(int argc, char **argv)
{
	printf("runs as %s with %d\n", argv[0], argc - 1);
	return 7;
}
END
printf 'int answer(void) { return 42; }\n' >"$SCRATCH/lib.c"
printf '#include <stdio.h>\nint answer(void);\nint main(void) { printf("answer %%d\\n", answer()); return 0; }\n' >"$SCRATCH/uses.c"
cat >"$SCRATCH/opens.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	if (!dlopen(argv[1], RTLD_NOW))
		return puts(dlerror()), 3;
	return 0;
}
END
build "$home/bin/static" -static "$SCRATCH/main.c"
build "$home/lib/libanswer.so" -shared -fPIC "$SCRATCH/lib.c"
build "$home/bin/by-path" "$SCRATCH/uses.c" -L"$home/lib" -lanswer -Wl,-rpath,"$home/lib"
build "$home/bin/by-origin" "$SCRATCH/uses.c" -L"$home/lib" -lanswer -Wl,-rpath,'$ORIGIN/../lib'
build "$home/bin/opens" "$SCRATCH/opens.c"
cp /bin/sh "$home/bin/own-sh"
printf '#!%s -e\necho "script $1"\n' "$home/bin/own-sh" >"$home/bin/script"
chmod 755 "$home/bin/script"
head -c 2000000 /dev/urandom >>"$home/bin/static"

says "a program that the node has not runs there" 7 "runs as $home/bin/static with 2" 0 "$home/bin/static" a b
before=$(sent)
says "and again" 7 "with 0" 0 "$home/bin/static"
after=$(sent)
[ $((after - before)) -lt 100000 ] && ok "the second start sends no file" || not_ok "the second start sends no file" "$((after - before)) bytes"
says "on several nodes" 7 "1: runs as" -p 0,1 "$home/bin/static"
says "a library at a path of the program's own comes with it" 0 "answer 42" 0 "$home/bin/by-path"
says "and one that is found from where the program lies" 0 "answer 42" 0 "$home/bin/by-origin"
says "a script brings its interpreter" 0 "script works" 0 "$home/bin/script" works
printf '#!/usr/bin/env own-sh\necho "by env $1"\n' >"$home/bin/by-env" && chmod 755 "$home/bin/by-env"
t_says "also one that it names through env" 0 "by env works" env PATH="$home/bin:$PATH" timeout 60 "$bin/bpsh" 0 "$home/bin/by-env" works </dev/null
printf '#!/bin/sh\r\necho dos\r\n' >"$home/bin/dos"
chmod 755 "$home/bin/dos"
says "one with the line ends of DOS says why it cannot run" 126 "has lines that end in CR LF" 0 "$home/bin/dos"
mkdir -m 755 "$SCRATCH/theirs" "$SCRATCH/ours"
chown 65534 "$SCRATCH/theirs"
for h in theirs absent ours; do
	HOME=$SCRATCH/$h XDG_CACHE_HOME='' timeout 60 "$bin/bpsh" 0 /bin/true </dev/null >/dev/null 2>&1
done
t "what was found out about a program is kept in a home of one's own" test -d "$SCRATCH/ours/.cache/bpboot/programs"
t "and in no other, nor is one made" test ! -e "$SCRATCH/theirs/.cache" -a ! -e "$SCRATCH/absent"
says "a library that it opens later does not come" 3 "cannot open shared object file" 0 "$home/bin/opens" "$home/lib/libanswer.so"
says "--image runs what the node has" 0 "" --image 0 true
says "and nothing else" 127 "cannot run '$home/bin/static': No such file" --image 0 "$home/bin/static"
says "the name of the process is the program's" 0 "own-sh" 0 "$home/bin/own-sh" -c 'cat /proc/$$/comm'
before=$(sent)
says "a program that the node has, too, is run from there" 0 "/bin/" 0 sh -c 'readlink /proc/$$/exe'
after=$(sent)
[ $((after - before)) -lt 100000 ] && ok "and sends no file" || not_ok "and sends no file" "$((after - before)) bytes"
sed -i 's/works/changed/; s/script/other/' "$home/bin/script"
says "a program that was changed is the new one at once" 0 "other x" 0 "$home/bin/script" x
many() {
	local i out= started=()
	for i in 1 2 3 4 5 6 7 8; do
		bpsh 0,1 "$home/bin/fresh" -c "echo $i" >"$SCRATCH/many$i" &
		started+=($!)
	done
	for i in "${started[@]}"; do wait "$i" || return 1; done
	for i in 1 2 3 4 5 6 7 8; do out=$out$(sort -u "$SCRATCH/many$i"); done
	echo "$out"
	[ "$out" = 12345678 ]
}
cp "$home/bin/own-sh" "$home/bin/fresh" && head -c 3000000 /dev/urandom >>"$home/bin/fresh"
t "many starts at once share what comes" many
signalled() { # a signal finds a process whose files are under way, or that runs
	head -c 3000000 /dev/zero >>"$home/bin/own-sh"
	"$bin/bpsh" 0 "$home/bin/own-sh" -c 'sleep 60' </dev/null >/dev/null 2>&1 &
	local pid=$!
	sleep 0.1
	kill -TERM $pid
	wait $pid
	[ $? = 143 ]
}
t "a signal to a process whose files are on their way ends it" signalled

# --- bounds ---
head -c 9000000 /dev/zero >"$home/bin/huge"
cat "$home/bin/static" - <"$home/bin/huge" >"$home/bin/large" && chmod 755 "$home/bin/large"
says "a program larger than the node's cache is refused" 126 "larger than the node's cache" 2 "$home/bin/large"
head -c 2000000 /dev/zero | cat "$home/bin/static" - >"$home/bin/middle" && chmod 755 "$home/bin/middle"
says "one for which its disk has no room, too" 126 "No space left on device" 2 "$home/bin/middle"
says "and the next one runs" 0 "script here" 2 sh -c 'echo script here'
says "also one that has to be sent" 0 "answer 42" 2 "$home/bin/by-path"
in_turn() {
	local i
	for i in 1 2 3 4 5 6; do
		cp /bin/sh "$home/bin/turn$i" && head -c 1000000 /dev/urandom >>"$home/bin/turn$i" && bpsh 2 "$home/bin/turn$i" -c "exit $i"
		[ $? = $i ] || return 1
	done
}
t "and one after the other more than it has room for" in_turn
no_memory() {
	local all out status
	all=$(awk '/^VmSize/ { print $2 * 1024 }' /proc/"${slave[1]}"/status)
	prlimit --pid "${slave[1]}" --as=$all:unlimited || return 1
	out=$(bpsh 1 "$home/bin/middle" 2>&1)
	status=$?
	prlimit --pid "${slave[1]}" --as=unlimited:unlimited
	echo "$status $out"
	[ $status = 126 ]
}
kill "${slave[1]}" && wait "${slave[1]}"
start_apart 1 "$hide" # one that has not taken memory yet for something else
wait_for 20 state_is 1 up || not_ok "node 1 registers again" "$(tail -3 "$SCRATCH/slave1.log")"
t "a node without memory refuses that start" no_memory
says "and runs the next one" 7 "runs as" 1 "$home/bin/middle"
kill "${slave[2]}" && wait "${slave[2]}"
start_apart 2 "$hide; mount -t tmpfs -o size=2m,mode=755 tmpfs /run; mount -t tmpfs -o size=8m tmpfs /dev/shm" --cache-size 5M
again() { [ "$(grep -c 'up as node 2' "$SCRATCH/slave2.log")" = 2 ] && state_is 2 up; }
wait_for 20 again || not_ok "node 2 registers again" "$(tail -3 "$SCRATCH/slave2.log")"
t_says "a cache for which /run has no room lies elsewhere" 0 "/dev/shm/bpboot-cache/" timeout 60 "$bin/bpsh" 2 "$home/bin/turn1" -c \
	'readlink /proc/$$/exe' </dev/null

# --- who may have what ---
if [ "$(id -u)" = 0 ]; then
	cat >"$SCRATCH/liar.py" <<'END'
# A program at the door that names files as it likes: liar.py SOCKET FILE private|public give|keep UID
import os, sys
from door import *
path, how, what, uid = sys.argv[2:6]
data = open(path, "rb").read()
os.setgid(int(uid)); os.setuid(int(uid))
door = Door(sys.argv[1])
door.run(spec([b"x"], file(content_hash(data), len(data), how == "private")))
while True:
    try: m = door.hear()
    except CutOff: print("cut off"); break
    if m[0] in (STARTED, FAILED): print(words(m)); break
    if m[0] == WANTED:
        print("wanted", flush=True)
        if what == "keep": break
        door.give(data if what == "give" else bytes(len(data)), seals=0 if what == "unsealed" else SEALS,
                  bytes_of_file=len(data) if what == "holes" else None)
END
	liar() { timeout 30 "${knock[@]}" "$SCRATCH/liar.py" "$BPBOOT_SOCKET" "$@" 2>&1; }
	is() { local want=$1; shift; local out; out=$("$@" | tr '\n' ' '); echo "$out"; [ "$out" = "$want" ]; }
	cp "$home/bin/static" "$home/bin/secret" && head -c 5000 /dev/urandom >>"$home/bin/secret" && chmod 700 "$home/bin/secret"
	says "a private program runs" 7 "runs as" 0 "$home/bin/secret"
	t "who knows the hash of a public program has it run from the cache" is "started " liar "$home/bin/static" public keep 65534
	t "but not of another user's private one" is "wanted " liar "$home/bin/secret" private keep 65534
	t "nor by saying that it is public" is "wanted " liar "$home/bin/secret" public keep 65534
	t "its owner has it from the cache" is "started " liar "$home/bin/secret" private keep 0
	head -c 300000 /dev/urandom >"$home/other"
	t "bytes with another hash are refused" is "wanted cut off " liar "$home/other" public poison 65534
	t "a memory file that can change is refused" is "wanted cut off " liar "$home/other" public unsealed 65534
	t "and one with pages that nobody has written" is "wanted cut off " liar "$home/other" public holes 65534
	t "what was refused is not there" is "wanted " liar "$home/other" public keep 65534
	says "nobody lists the cache of a node" 2 "Permission denied" 0 setpriv --reuid 65534 --clear-groups ls /run/bpboot/cache
fi

# --- from node to node ---
export BPBOOT_DEBUG=1
[ -z "$six" ] || from=::1
for n in 4 5 6 7 8 9; do start_apart $n "$hide"; done
unset BPBOOT_DEBUG
for n in 4 5 6 7 8 9; do wait_for 20 state_is $n up || not_ok "node $n registers" "$(tail -3 "$SCRATCH/slave$n.log")"; done
grow() { # NAME BYTES: a program of that size
	cp "$home/bin/own-sh" "$home/bin/$1" && head -c "$2" /dev/urandom >>"$home/bin/$1"
}
grow tree 8000000
before=$(sent)
says "a large program runs on many nodes" 0 "9: tree" -p 4-9 "$home/bin/tree" -c 'echo tree'
after=$(sent)
t "some of them have it from others" grep -q "got [0-9]* bytes of a program from $from" "$SCRATCH"/slave[4-9].log
[ $((after - before)) -lt 60000000 ] && ok "and bpmaster sends fewer bytes than they all get" ||
	not_ok "and bpmaster sends fewer bytes than they all get" "$((after - before)) bytes"
killed() {
	local pid i
	grow wave 40000000
	timeout 60 "$bin/bpsh" -p 4-9 "$home/bin/wave" -c 'echo wave' </dev/null >"$SCRATCH/wave" 2>"$SCRATCH/wave.errors" &
	pid=$!
	wait_for 20 eval '[ $(($(sent) - after)) -gt 10000000 ]'
	kill -KILL "${slave[4]}"
	wait $pid
	cat "$SCRATCH/wave" "$SCRATCH/wave.errors"
	for i in 5 6 7 8 9; do grep -qx "$i: wave" "$SCRATCH/wave" || return 1; done
}
t "a node that dies on the way keeps the file from nobody" killed
altered() { # what a sender has is not what it says
	grow good 2000000
	bpsh 5 "$home/bin/good" -c 'readlink /proc/$$/exe' >"$SCRATCH/where" || return 1
	printf X | dd of="$(cat "$SCRATCH/where")" bs=1 seek=1500000 conv=notrunc status=none || return 1
	[ "$(tail -c 2000000 "$home/bin/good" | cksum)" = "$(bpsh 6 "$home/bin/good" -c 'tail -c 2000000 /proc/$$/exe' | cksum)" ]
}
t "what was altered on the node that sends it does not run on another" altered
stopped() {
	local status
	grow late 2000000
	bpsh 7 "$home/bin/late" -c true || return 1
	kill -STOP "${slave[7]}"
	bpsh 8 "$home/bin/late" -c true
	status=$?
	kill -CONT "${slave[7]}"
	return $status
}
t "a node that does not answer is passed over" stopped

# --- a node that has little: its root cannot be written, and has the libraries of bpslave alone ---
bare='
	r=$SCRATCH/bare
	mkdir -p $r; mount -t tmpfs -o mode=755 tmpfs $r; cd $r
	mkdir -p dev proc sys run tmp etc bin old lib64 lib/x86_64-linux-gnu
	for f in $("$BUILD/src/cli/bpboot" needs "$BUILD/src/cli/bpslave"); do mkdir -p ./${f%/*}; cp $f ./$f; done
	cp "$BUILD/src/cli/bpslave" $(command -v busybox) bin
	cp "$SCRATCH/keys/master.pub" "$SCRATCH/boot3" etc
	mount --rbind /dev dev; mount -t proc proc proc; mount -t tmpfs -o mode=755 tmpfs run; mount -t tmpfs -o mode=1777 tmpfs tmp
	pivot_root . old; /bin/busybox umount -l /old
	/bin/busybox mount -o remount,ro /
	exec /bin/bpslave --boot-file /etc/boot3 --events /no --key /etc/master.pub
'
export BUILD SCRATCH
BUILD=$(cd "$BUILD" && pwd) start_apart 3 "$bare"
wait_for 20 state_is 3 up || not_ok "a bare node registers" "$(tail -3 "$SCRATCH/slave3.log")"
says "a bare node runs a program with a library that it has not" 0 "answer 42" 3 "$home/bin/by-path"
says "and one of the system, with all of its libraries" 0 "bpslave" 3 ls /bin
says "that it sees does not hide what the node has" 0 "libev.so.4" 3 ls /lib/x86_64-linux-gnu
says "what it writes is the node's" 0 "" 3 sh -c 'echo kept >/tmp/kept'
says "and stays" 0 "kept" 3 /bin/cat /tmp/kept
says "programs of the node run as ever" 0 "busybox" --image 3 /bin/busybox ls /bin
done_testing
