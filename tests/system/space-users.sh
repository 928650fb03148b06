#!/bin/bash
# space-users.sh - what local users and nodes can see and do of each other's: nothing on the wire can be read, keys are in
# no list, log or file of others, and nobody runs, ends, takes over or reads as somebody else
#
# Three nodes in network namespaces of their own, on a bridge where everything is captured. The user who attacks speaks to
# bpmaster's door by himself, with every message that there is.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bin=$BUILD/src/cli

if [ "$(id -u)" != 0 ] || lib_missing setpriv python3 cc ip; then
	echo "skip users and nodes among themselves - needs root, setpriv, python3, cc, iproute2"
	exit 0
fi
lib_inside "$@"
export BPBOOT_SOCKET=$VM/sock XDG_CACHE_HOME=$VM/memory
home=$VM/home
mkdir -p "$home" "$VM/keys" && chmod 755 "$home" && "$bin/bpboot" keygen --dir "$VM/keys" >/dev/null
ip link set lo up && ip link add br0 type bridge && ip address add 10.77.0.1/24 dev br0 && ip link set br0 up

# start_node NUMBER: its pid is ${slave[NUMBER]}, of bpslave itself; its /run is its own, and $home is empty there.
declare -A slave
start_node() {
	local n=$1
	printf 'BOOT=1000000%s\nMAC=52:54:00:00:00:0%s\nMASTER=10.77.0.1:2223\n' "$n" "$n" >"$VM/boot$n"
	unshare --net --mount --propagation private sh -ec '
		mount -t tmpfs tmpfs "$1"
		mount -t tmpfs -o mode=755 tmpfs /run
		while ! ip link set eth0 up 2>/dev/null; do sleep 0.05; done
		ip address add "10.77.0.1$2/24" dev eth0
		shift 2
		exec "$@"' sh "$home" "$n" "$bin/bpslave" --boot-file "$VM/boot$n" --events "$VM/none" --key "$VM/keys/master.pub" \
		</dev/null >"$VM/slave$n.log" 2>&1 &
	slave[$n]=$!
	vm_pids+=($!)
	wait_for 10 eval '[ "$(readlink /proc/${slave['$n']}/ns/net)" != "$(readlink /proc/$$/ns/net)" ]'
	ip link add "node$n" type veth peer name eth0 netns "${slave[$n]}" && ip link set "node$n" master br0 up
}
"$bin/bpmaster" --foreground --address 10.77.0.1 --state "$VM/state" --key "$VM/keys/master.key" --keepalive 1 \
	--node 0,52:54:00:00:00:00 --node 1,52:54:00:00:00:01 --node 2,52:54:00:00:00:02 </dev/null >"$VM/master.log" 2>&1 &
master=$!
vm_pids+=($master)
wait_for 10 test -S "$BPBOOT_SOCKET"

# Everything that passes the bridge, as it is, until it is told to end.
cat >"$VM/capture.py" <<'END'
import signal, socket, sys
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
out = open(sys.argv[1], "wb", buffering=0)
print("listening", flush=True)
while True:
    frame, at = s.recvfrom(1 << 17)
    if at[0] in ("node0", "node1", "node2"): out.write(frame)
END
python3 "$VM/capture.py" "$VM/wire" >"$VM/capture.log" 2>&1 &
capture=$!
vm_pids+=($capture)
wait_for 10 grep -q listening "$VM/capture.log"
up() { [ "$("$bin/bpstat" -s "$1" 2>/dev/null)" = up ]; }
start_node 0
start_node 1
start_node 2
t "three nodes are up" eval 'wait_for 20 up 0 && wait_for 20 up 1 && wait_for 20 up 2'
user="setpriv --reuid 20001 --regid 20001 --clear-groups" other="setpriv --reuid 20002 --regid 20002 --clear-groups"
says() { t_says "$1" "$2" "$3" timeout 60 "${@:4}" </dev/null; }

# --- on the wire ---

printf '#include <stdio.h>\nint main(void) { return puts("PLAINWIREFILE runs"), 0; }\n' >"$VM/private.c"
cc -O0 -static -o "$home/private" "$VM/private.c"
printf 'PLAINWIREFILE%.0s' {1..40000} >>"$home/private" # half a megabyte more: it goes from node to node
chown 20001 "$home/private" && chmod 700 "$home/private"
echo PLAINWIREINPUT >"$VM/input"
t_says "arguments, environment, input and output pass" 3 "PLAINWIREOUTPUT PLAINWIREARGUMENT PLAINWIREENVIRONMENT PLAINWIREINPUT" \
	env SECRET=PLAINWIREENVIRONMENT "$bin/bpsh" 0 sh -c 'read x; echo $(echo PLAINwireOUTPUT | tr a-z A-Z) $1 $SECRET $x; exit 3' sh PLAINWIREARGUMENT <"$VM/input"
says "a private program runs on all of them" 0 "PLAINWIREFILE runs" $user "$bin/bpsh" 0-2 "$home/private"
echo PLAINWIRECOPY >"$VM/copied"
says "a file is copied to a node" 0 "" "$bin/bpcp" "$VM/copied" 0:/run/copied
says "and from node to node" 0 "" "$bin/bpcp" 0:/run/copied 1:/run/copied
says "it is there" 0 "PLAINWIRECOPY" "$bin/bpsh" 1 cat /run/copied
kill $capture
wait $capture
bytes=$(stat -c %s "$VM/wire")
t "the capture holds all of it: $bytes bytes" test "$bytes" -gt 1000000
t "nodes spoke with each other there" python3 - "$VM/wire" <<'END'
import sys
data = open(sys.argv[1], "rb").read()
node = lambda n: bytes([10, 77, 0, 10 + n])
sys.exit(0 if any(node(a) + node(b) in data for a in range(3) for b in range(3) if a != b) else 1)
END
t_says "and nothing that can be read" 1 "" grep -aqiE 'PLAINWIRE|/bin/sh|SECRET=|BPBOOT_' "$VM/wire"

# --- keys ---

secret() { awk '{ print $3 }' "$1"; }
(umask 077 && secret "$VM/keys/master.key" && secret "$VM/boot0.key" && secret "$VM/boot1.key") >"$VM/hidden"
chmod 600 "$VM/hidden"
found() { # ... in what everybody can see
	local p
	[ "$(grep -cE '^[0-9a-f]{64}$' "$VM/hidden")" = 3 ] || { echo "no keys"; return 0; }
	for p in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
		! tr '\0' '\n' <"$p" 2>/dev/null | grep -qFf "$VM/hidden" || { echo "$p"; return 0; }
	done
	! find "$SCRATCH" /run /var/log /etc/bpboot /dev/shm -xdev -type f -newer "$VM/keys/master.pub" -size -2000k -perm /044 -print0 2>/dev/null |
		xargs -0 grep -laFf "$VM/hidden" 2>/dev/null | grep . || return 0
	return 1
}
t_says "keys are in no argument list, environment, log, or file that others may read" 1 "" found
t "the secret halves are for their owner alone" eval '! find "$VM" /etc/bpboot \( -name "*.key" -o -name keys.secret \) -perm /077 -print 2>/dev/null | grep .'
t "others may write nothing that bpmaster keeps" eval '! find "$VM/state" -perm /022 ! -type l -print | grep .'
says "nor list what a node keeps" 1 "Permission denied" $other "$bin/bpsh" 0 find /run/bpboot/cache -name private
undumpable() { [ "$(stat -c %u "/proc/$1/maps")" = 0 ]; } # of a daemon that is not root's: no core, and no ptrace by its user
mkdir -m 700 "$VM/other" && cp "$VM/keys/master.key" "$VM/other/" && chown -R 20003 "$VM/other"
setpriv --reuid 20003 --regid 20003 --clear-groups "$bin/bpmaster" --foreground --address 127.0.0.1 --port 22233 --log-port 22234 --socket "$VM/other/sock" --state "$VM/other/state" \
	--key "$VM/other/master.key" --node 0,52:54:00:00:00:00 </dev/null >"$VM/other.log" 2>&1 &
vm_pids+=($!)
t "bpmaster leaves no core, and its own user cannot trace it" eval "wait_for 10 grep -q ready '$VM/other.log' && undumpable $!"
setpriv --reuid 20003 --regid 20003 --clear-groups "$bin/bpslave" --boot-file "$VM/boot0" --events "$VM/none" --key "$VM/keys/master.pub" --master 127.0.0.1:9 \
	</dev/null >"$VM/other-slave.log" 2>&1 &
vm_pids+=($!)
t "nor does bpslave" eval "wait_for 10 grep -q 'the key of this node' '$VM/other-slave.log' && wait_for 5 undumpable $!"

# --- users ---

says "a user runs as himself" 0 "20001 20001 20001" $user "$bin/bpsh" 0 sh -c 'echo $(id -u) $(id -g) $(id -G)'
if $user unshare -U -r true 2>/dev/null; then
	says "also one who is root in a user namespace of his own" 0 "20001 20001" $user unshare -U -r "$bin/bpsh" 0 sh -c 'echo $(id -u) $(id -g)'
	says "or nobody there" 0 "20001" $user unshare -U "$bin/bpsh" 0 id -u
else
	echo "ok a user namespace of his own changes nothing # this kernel gives users none"
fi
# One user's job, which the other one goes for.
mkfifo "$VM/end"
setpriv --reuid 20001 --regid 20001 --clear-groups "$bin/bpsh" 0 sh -c 'echo on; read x; exit 7' <"$VM/end" >"$VM/victim" 2>&1 &
victim=$!
vm_pids+=($victim)
exec 8>"$VM/end"
wait_for 10 grep -q on "$VM/victim"
cat >"$VM/attack.py" <<'END'
# Messages of our own making at bpmaster's door; each line of the answer is what came of one.
import os, sys
from door import *
path, victim, uid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
NODE, GHOST = 14, 30
def told(name, b, at_once=True):
    door = Door(path, 60)
    try:
        door.say(b)
        if at_once: door.say(bytes([LIST])) # the nodes come behind what is answered, if anything is
        m = door.hear()
        print(name + ":", "nothing" if m[0] == NODE else words(m), flush=True)
    except socket.timeout: print(name + ": too late", flush=True)
    except (CutOff, ConnectionResetError, BrokenPipeError): print(name + ": cut off", flush=True)
mac = bytes([0x52, 0x54, 0, 0, 0, 0])
progress = lambda key: key + b"\0" + struct.pack(">QQQQ", 0, 0, 0, 0)
told("kill", b"\x23" + u32(victim) + b"\x09")
told("start", b"\x08" + u32(1) + u32(0) + u32(0) + b"k" * 20 + u32(0) + u32(0) + struct.pack(">H", 0) + b"\0" * 40)
told("claim", b"\x39" + u32(1) + u32(0) + progress(b"k" * 20))
told("resume", b"\x38" + u32(0) + u32(0) + u32(victim) + u32(4096) + progress(b"k" * 20), False)
told("signal", b"\x11" + u32(0) + u32(1) + b"\x09")
told("abandon", b"\x13" + u32(0) + u32(65536))
told("output credit", b"\x12" + u32(0) + b"\x01" + u32(65536))
told("resize", b"\x32" + u32(0) + struct.pack(">HH", 24, 80))
told("forked", b"\x45" + u32(0) + u32(1) + u32(victim))
told("child signal", b"\x47" + u32(0) + u32(victim) + b"\x09")
told("blob", b"\x2a" + u32(0) + struct.pack(">HI", 0, 5))
told("input", b"\x10" + u32(0) + u32(1) + b"x\n")
told("power", b"\x0d\x04" + u32(0) + b"\0" + struct.pack(">H", 1) + u32(0))
for name, what, value, word in (("state", 0, 0, b"broken"), ("mode", 1, 0o111, b""), ("owner", 2, uid, b""), ("group", 3, uid, b""),
                                ("attribute", 5, 0, b"a=b"), ("reconnect", 6, 0, b"127.0.0.1:9"), ("chroot", 7, 0, b"/tmp")):
    told(name, bytes([13, what]) + u32(value) + word + b"\0" + struct.pack(">H", 1) + u32(0))
told("accept", b"\x43\x00" + mac + b"\0")
told("forget", b"\x43\x01" + mac + b"\0")
told("output", b"\x16" + u32(1) + b"\x01boo")
told("exit", b"\x19" + u32(1) + b"\0" * 35)
# Pids that are not his: of the other user's bpsh, and of process 1.
for name, pid in (("ghost of another", victim), ("ghost of root", 1)):
    door = Door(path, 60)
    door.say(b"\x24" + struct.pack(">H", 1) + u32(pid))
    door.say(b"\x1d")
    while door.hear()[0] == GHOST: pass
    door.run(spec([b"sleep", b"5"], flags=3), node=1, pid=pid)
    door.say(b"\x1d")
    mine = []
    try:
        while True:
            m = door.hear()
            if m[0] == DONE: break
            if m[0] == GHOST:
                p, node, who, remote = struct.unpack(">IIII", m[1:17])
                if who == uid: mine.append(p)
        print(name + ":", "his own" if mine and pid not in mine else "taken %s" % mine, flush=True)
    except (CutOff, ConnectionResetError, socket.timeout) as e: print(name + ": " + repr(e), flush=True)
    door.socket.close()
END
timeout 100 "${knock[@]}" "$VM/attack.py" "$BPBOOT_SOCKET" $victim 20002 >"$VM/attack" 2>&1
t "another user's crafted messages are all answered" test $? = 0
while IFS=@ read -r words name; do
	if grep -qE -- "^$words\$" "$VM/attack"; then
		ok "$name"
	else
		not_ok "$name" "not '$words' in: $(tr '\n' ';' <"$VM/attack") $(tail -3 "$VM/master.log")"
	fi
done <<'END'
kill: done 1 the process of [0-9]+ is another user's@a user may not signal the process of another one
start: cut off@nor send what only bpmaster says to nodes, with credentials of his choice
claim: cut off@nor claim a process of a node's
resume: failed 116 the node does not know this process any more@nor take over a job, without its key
signal: (nothing|cut off)@nor signal jobs by their number: he has others
abandon: (nothing|cut off)@nor end them
input: (nothing|cut off)@nor write to them
output credit: (nothing|cut off)@nor take their output
resize: (nothing|cut off)@nor resize their terminals
forked: (nothing|cut off)@nor give ghosts to what they fork
child signal: (nothing|cut off)@nor signal that
blob: (nothing|cut off)@nor give them files
power: done 1 only root and the user that bpmaster runs as may do this@nor power nodes off
state: done 1 only root and the user that bpmaster runs as may do this@nor set a node's state
mode: done 1 only root and the user that bpmaster runs as may do this@nor change who may run there
owner: done 1 only root and the user that bpmaster runs as may do this@nor make himself its owner
group: done 1 only root and the user that bpmaster runs as may do this@nor his group
attribute: done 1 only root and the user that bpmaster runs as may do this@nor give it attributes
reconnect: done 1 only root and the user that bpmaster runs as may do this@nor send it to a bpmaster of his
chroot: done 1 only root and the user that bpmaster runs as may do this@nor give it another root
accept: done 1 only root and the user that bpmaster runs as may do this@nor accept a machine's key
forget: done 1 only root and the user that bpmaster runs as may do this@nor have it forgotten
output: cut off@nor say what only nodes say: output
exit: cut off@nor the end of a job
ghost of another: his own@nor have a process stand for his that is another user's
ghost of root: his own@or root's
END
t "the job that he went for is as it was" kill -0 $victim
says "a program that only its owner may read is not run for others" 127 "cannot run" $other "$bin/bpsh" 1 "$home/private"
exec 8>&-
wait $victim
t "and it ends with its own status" test $? = 7
done_testing
