#!/bin/bash
# start-keeps.sh - what a remote process has of its caller: each limit, groups, umask, directory, environment, and how much of it
. tests/system/lib.sh

bin=$(cd "$BUILD/src/cli" && pwd)
export XDG_RUNTIME_DIR=$SCRATCH
finish() { "$bin/bpboot" lab down --name keeps >/dev/null 2>&1; }
trap finish EXIT
"$bin/bpboot" lab up --name keeps --light 2 >"$SCRATCH/up" 2>&1 || not_ok "the lab comes up" "$(cat "$SCRATCH/up")"
lab=$(echo "$SCRATCH"/bpboot-lab-*-keeps)
export BPBOOT_SOCKET=$lab/master.sock
chmod 755 "$SCRATCH" "$lab"
bpsh() { "$bin/bpsh" "$@" </dev/null; }
same() { # NAME LOCAL REMOTE: files
	if cmp -s "$2" "$3"; then ok "$1"; else not_ok "$1" "$(diff "$2" "$3" | cat -v)"; fi
}

# --- each of the 16 limits, soft and hard one; none above what there is ---
for limit in as:4000000000:8000000000 core:4096:8192 cpu:1000:2000 data:3000000000:4000000000 fsize:1000000000:2000000000 locks:100:200 \
	memlock:32768:65536 msgqueue:20000:40000 nice:0:0 nofile:200:300 nproc:3000:4000 rss:1000000000:2000000000 rtprio:0:0 \
	rttime:1000000:2000000 sigpending:100:200 stack:4194304:16777216; do
	IFS=: read -r name soft hard <<<"$limit"
	now=$(prlimit --noheadings --raw -o HARD "--$name")
	[ "$now" = unlimited ] || { hard=$((hard < now ? hard : now)); soft=$((soft < hard ? soft : hard)); }
	prlimit "--$name=$soft:$hard" cat /proc/self/limits >"$SCRATCH/local"
	prlimit "--$name=$soft:$hard" "$bin/bpsh" 0 cat /proc/self/limits </dev/null >"$SCRATCH/remote" 2>&1
	same "the limit $name is the caller's, and no other is changed" "$SCRATCH/local" "$SCRATCH/remote"
done
slave=$(pgrep -P "$(cut -d' ' -f1 "$lab/pid")" -x bpslave | head -n 1)
prlimit --pid "$slave" --nofile=500:500
most() { bpsh all sh -c 'ulimit -Hn' | sort -n | head -n 1 | grep -qx 500; }
t "a limit of bpslave's own is not exceeded" most

# --- who it is ---
t "umask 077 is kept" test "$(umask 077; bpsh 0 sh -c 'umask; cd '"'$SCRATCH'"' && echo x >shut && stat -c %a shut' | tr '\n' ' ')" = "0077 600 "
(umask 077; bpsh --stdout "$SCRATCH/shut.out" 0 true)
t "also for files that the node opens" test "$(stat -c %a "$SCRATCH/shut.out")" = 600
t "umask 000, too" test "$(umask 000; bpsh 0 sh -c umask)" = 0000
if [ "$(id -u)" = 0 ]; then
	groups=$(seq -s, 30001 30200)
	as() { setpriv --reuid 12345 --regid 23456 "$@" </dev/null; }
	t "200 supplementary groups are kept" test "$(as --groups "$groups" "$bin/bpsh" 0 id -G)" = "$(as --groups "$groups" id -G)"
	t "and none is added" test "$(as --clear-groups "$bin/bpsh" 0 id -G)" = 23456
	t "real and effective ids are the same" test \
		"$(as --clear-groups "$bin/bpsh" 0 sh -c 'grep -E "^[UG]id" /proc/self/status | tr -s "\t\n" " "')" = "Uid: 12345 12345 12345 12345 Gid: 23456 23456 23456 23456 "
	t "a user who is not root has no capabilities" test "$(as --clear-groups "$bin/bpsh" 0 sh -c 'grep -E "^Cap(Prm|Eff)" /proc/self/status | tr -cd 1-9a-f | tr -d apEef')" = ""
	mkdir -m 700 "$SCRATCH/closed"
	closed() {
		(cd "$SCRATCH/closed" && as --clear-groups "$bin/bpsh" 0 pwd) >"$SCRATCH/closed.out" 2>&1
		cat "$SCRATCH/closed.out"
		grep -qx / "$SCRATCH/closed.out" && grep -qF "bpsh: warning: node 0 has no directory '$SCRATCH/closed': running in '/'" "$SCRATCH/closed.out"
	}
	t "a directory that the user may not enter becomes /, with words" closed
fi

# --- environment and arguments ---
# Runs a command with names and values that no shell would make.
cat >"$SCRATCH/strange.py" <<'PYTHON'
import os, sys
env = {b"PATH": os.environb[b"PATH"], b"BPBOOT_SOCKET": os.environb[b"BPBOOT_SOCKET"], b"A": b"", b"B": b"=x=", b"\xff\xfe": b"\x01\x1b[2J\n\n",
       b"with space": b" y ", b"(){ :;}": b"() { :; }; echo bad", b"LONG": b"z" * 131000}
tail = [b"\xff\n\t'\"", b"", b"-n", b"\x7f"] if sys.argv[1] == "arguments" else []
os.execve(sys.argv[2], [os.fsencode(a) for a in sys.argv[2:]] + tail, env)
PYTHON
strings() { tr '\0' '\n' | grep -avE '^(BPROC_[A-Z]*|PWD|SHLVL|_|OLDPWD)=' | sort; }
python3 "$SCRATCH/strange.py" variables /bin/cat /proc/self/environ | strings >"$SCRATCH/local"
python3 "$SCRATCH/strange.py" variables "$bin/bpsh" 0 /bin/cat /proc/self/environ </dev/null | strings >"$SCRATCH/remote"
same "variables of strange names and values are the caller's" "$SCRATCH/local" "$SCRATCH/remote"
t "they were looked at" grep -aqF "() { :; }; echo bad" "$SCRATCH/remote"
python3 "$SCRATCH/strange.py" arguments /bin/sh -c 'printf "%s|" "$@"' x >"$SCRATCH/local"
python3 "$SCRATCH/strange.py" arguments "$bin/bpsh" 0 /bin/sh -c 'printf "%s|" "$@"' x </dev/null >"$SCRATCH/remote"
same "arguments, too" "$SCRATCH/local" "$SCRATCH/remote"
empty() { env -i "$bin/bpsh" --socket "$BPBOOT_SOCKET" 1 /bin/cat /proc/self/environ </dev/null | tr '\0' '\n' | sort | cut -d= -f1 | tr '\n' ' '; }
t "of an empty environment there is what a node adds" test "$(empty)" = "BPROC_NODE BPROC_NODES BPROC_NRANKS BPROC_RANK PATH "
fill() { # BYTES COMMAND...: an environment of so many
	local i many=()
	for ((i = 0; i < $1 / 100000; i++)); do many+=("FILL$i=$(head -c 100000 /dev/zero | tr '\0' f)"); done
	shift
	env "${many[@]}" "$@"
}
t "one of 1,000,000 bytes is kept" test "$(fill 1000000 "$bin/bpsh" 0 sh -c 'echo $FILL9 | wc -c' </dev/null)" = 100001
t_says "one of more than 1 MiB is refused, with the limit" 1 "arguments and environment need more than 1024 KiB" \
	fill 1200000 "$bin/bpsh" 0 true </dev/null
t "and the next start runs" bpsh 0 true
done_testing
