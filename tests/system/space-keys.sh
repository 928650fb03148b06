#!/bin/bash
# space-keys.sh - a node's key is pinned at its first contact and held against at each later one; who becomes a node follows
# the policy; what is refused is said in bpmaster's log, bpstat -l and the boot log
. "$(dirname "$0")/lib.sh"

space_begin "$SCRATCH"
hostile=$(cd "$BUILD/tests/tools" && pwd)/space-hostile
is_gone() { ! kill -0 "$1" 2>/dev/null; }
start_master() { # OPTION...
	space_master --node 0,52:54:00:00:00:00 --node 1,52:54:00:00:00:01 --node 2,52:54:00:00:00:02 \
		--node 3,52:54:00:00:00:03 --node 4,52:54:00:00:00:04 "$@"
}
# A machine of ours: MAC_DIGIT KEY_WORD [VARIABLE=VALUE...]: what bpmaster tells it, or "sit: up", in $SCRATCH/said; $machine.

machine() {
	local n=$1 key=$2
	shift 2
	: >"$SCRATCH/said"
	env HOSTILE_KEY="$key" "$@" "$hostile" slave $port "$SCRATCH/master.pub" "52:54:00:00:00:0$n" sit \
		>"$SCRATCH/said" 2>&1 &
	machine=$!
	pids+=($machine)
	wait_for 10 test -s "$SCRATCH/said"
}
gone() { # the machine, and its node
	kill "$machine" 2>/dev/null
	wait "$machine" 2>/dev/null
	wait_for 10 state_is "$1" down
}
said() { # WORDS: all of them, in any order, are in what it was told
	local w
	for w in "$@"; do grep -qF -- "$w" "$SCRATCH/said" || { cat "$SCRATCH/said"; return 1; }; done
}
pinned() { awk -v m="52:54:00:00:00:0$1" '$1 == m { print $2 }' "$SCRATCH/state/keys" 2>/dev/null; }
is_pinned() { [ "$(pinned "$1")" = "$2" ]; }
key_of() { "$bin/bpctl" --keys | awk -v m="52:54:00:00:00:0$1" -v s="$2" '$2 == m && $3 == s { print $5 }'; }
# Somebody who is not root, and what we ask him to run.
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
chmod 755 "$SCRATCH"

start_master

# A key for this boot.
start_slave 0
t "a node with a key for its boot is up" wait_for 10 state_is 0 up
t "its key is readable by root alone" test "$(stat -c %a "$SCRATCH/boot0.key")" = 600
t "its key is pinned for that boot" wait_for 5 is_pinned 0 boot=10000000
secret=$(awk '{ print $3 }' "$SCRATCH/boot0.key")
print=$(key_of 0 pinned)
t "bpctl --keys shows the fingerprint that bpslave says" grep -q "the key of this node, for this boot: $print" "$SCRATCH/slave0.log"
t "no secret key is in an argument list, a log, or a file for others" bash -c "[ ${#secret} = 64 ] &&
	! grep -aq $secret /proc/$slave_pid/cmdline /proc/$master/cmdline '$SCRATCH'/*.log '$SCRATCH/state/keys' &&
	! grep -aq \$(awk '{ print \$3 }' '$SCRATCH/master.key') /proc/$slave_pid/cmdline /proc/$master/cmdline '$SCRATCH'/*.log"
machine 0 thief HOSTILE_BOOT=10000000
t_says "a second machine with MAC and boot of a node that is up is refused" 0 "" said "52:54:00:00:00:00 shows this boot's key" "$print is pinned"
wait "$machine" 2>/dev/null
t "the node stays up" state_is 0 up
kill "$slave_pid" && wait "$slave_pid" 2>/dev/null
wait_for 10 state_is 0 down
machine 0 thief HOSTILE_BOOT=10000000
t_says "and of one that is down: the boot's key is pinned" 0 "" said "$print is pinned"
wait "$machine" 2>/dev/null
thief=$(sed 's/.*key \([0-9a-f]*\),.*/\1/' "$SCRATCH/said")
t "bpmaster's log has both fingerprints" grep -q "refusing a node from 127.0.0.1: .*$thief, but $print is pinned" "$SCRATCH/master.log"
t "and so has bpstat -l" bash -c "'$bin/bpstat' -l 0 | grep -q '$thief, but $print is pinned'"
t "and the boot log" grep -q "up warn: .*$thief, but $print is pinned" "$SCRATCH/state/boots/0.events"
start_slave 0
t "bpslave that was started again is known by its key" wait_for 15 state_is 0 up
t "it has made no other one" test "$(key_of 0 pinned)" = "$print"
kill "$slave_pid" && wait "$slave_pid" 2>/dev/null
wait_for 10 state_is 0 down
machine 0 next HOSTILE_BOOT=20000000
t_says "another boot may come with another key" 0 "" said "sit: up"
t "which is pinned then" wait_for 5 is_pinned 0 boot=20000000
gone 0

# A node whose image is another cluster's, and a master that holds another key: neither speaks to the other.
mkdir "$SCRATCH/another" && "$bin/bpboot" keygen --dir "$SCRATCH/another" >/dev/null
start_slave 4 --key "$SCRATCH/another/master.pub"
t "a node that knows another master is cut off, and bpmaster says so" wait_for 10 grep -q "ended before it registered: it was made for another master's key" "$SCRATCH/master.log"
t "and the node, too" wait_for 10 grep -q "no connection to bpmaster at 127.0.0.1:$port: " "$SCRATCH/slave4.log"
t "nothing of it is known" test -z "$(pinned 4)"
kill "$slave_pid" && wait "$slave_pid" 2>/dev/null

# A key that outlives the boots.
machine 1 one HOSTILE_LASTING=1
t_says "a node with a lasting key is up" 0 "" said "sit: up"
t "its key is pinned for good" wait_for 5 is_pinned 1 lasting
one=$(key_of 1 pinned)
machine1=$machine
machine 1 one HOSTILE_LASTING=1 HOSTILE_BOOT=30000000
t_says "the machine that proves that key takes its own place at once" 0 "" said "sit: up"
t "and its older connection ends" wait_for 5 is_gone $machine1
gone 1
machine 1 two HOSTILE_LASTING=1 HOSTILE_BOOT=40000000
t_says "a changed key is refused, in any boot" 0 "" said "52:54:00:00:00:01 shows the key" "$one is pinned" "--forget-key"
machine 1 three HOSTILE_BOOT=50000000
t_says "so is a key of a boot where a lasting one was shown" 0 "" said "shows this boot's key" "$one is pinned"
machine 1 one HOSTILE_BOOT=50000000
t_says "and the same key when it does not claim to last" 0 "" said "$one is pinned"
stop "$master"
start_master
machine 1 two HOSTILE_LASTING=1
t_says "bpmaster that was started again has not forgotten" 0 "" said "$one is pinned"
t_says "who is not root may not have it forgotten" 1 "only root and the user that bpmaster runs as" nobody "$bin/bpctl" --forget-key 1
t_says "nor accept one" 1 "only root and the user that bpmaster runs as" nobody "$bin/bpctl" --accept 52:54:00:00:00:01
t_says "bpctl --forget-key has it forgotten" 0 "" "$bin/bpctl" --forget-key 1
t_says "once" 1 "no key of 52:54:00:00:00:01 is pinned" "$bin/bpctl" --forget-key 1
machine 1 two HOSTILE_LASTING=1
t_says "then the next key is taken" 0 "" said "sit: up"
t "and pinned" wait_for 5 is_pinned 1 lasting
gone 1
machine 9 stranger
t_says "a machine that is not listed is refused" 0 "" said "52:54:00:00:00:09 is not in the list of nodes"
stop "$master"

# What is kept.
cp "$SCRATCH/state/keys" "$SCRATCH/kept"
echo "52:54:00:00:00:07 lasting zz" >>"$SCRATCH/state/keys"
lines=$(wc -l <"$SCRATCH/state/keys")
t_says "a broken file of keys keeps bpmaster from starting, and says where" 1 "state/keys:$lines: not a line that bpmaster has written" \
	"$bin/bpmaster" --foreground --address 127.0.0.1 --port $port --log-port $log_port --state "$SCRATCH/state" \
	--key "$SCRATCH/master.key" --node 0,52:54:00:00:00:00
cp "$SCRATCH/kept" "$SCRATCH/state/keys"
chmod 666 "$SCRATCH/state/keys"
t_says "so does one that others may write" 1 "is not safe in" \
	"$bin/bpmaster" --foreground --address 127.0.0.1 --port $port --log-port $log_port --state "$SCRATCH/state" \
	--key "$SCRATCH/master.key" --node 0,52:54:00:00:00:00
chmod 644 "$SCRATCH/state/keys"

# Explicit accept.
start_master --enrol accept
start_slave 2 --node-key "$SCRATCH/node2.key"
t "a node that nobody has accepted waits, and bpslave says so" wait_for 10 grep -q "bpmaster refuses this node: .* waits for 'bpctl --accept 52:54:00:00:00:02'" "$SCRATCH/slave2.log"
t "bpmaster's log says so" grep -q "refusing a node from 127.0.0.1: 52:54:00:00:00:02 with the key .* waits for 'bpctl --accept" "$SCRATCH/master.log"
t "and bpstat -l" bash -c "'$bin/bpstat' -l 2 | grep -q \"waits for 'bpctl --accept 52:54:00:00:00:02'\""
t "and the boot log" grep -q "up warn: .* waits for 'bpctl --accept" "$SCRATCH/state/boots/2.events"
t "its lasting key is in the file, for its owner alone" test "$(stat -c %a "$SCRATCH/node2.key")" = 600
t_says "bpctl --accept takes it" 0 "" "$bin/bpctl" --accept 2
t "its key is kept before bpctl ends" is_pinned 2 lasting
t "and the node comes up by itself" wait_for 30 state_is 2 up
machine 9 stranger HOSTILE_LASTING=1
t_says "an unlisted machine waits too" 0 "" said "52:54:00:00:00:09 with the key" "waits for 'bpctl --accept 52:54:00:00:00:09'"
t "bpstat -l shows it" bash -c "'$bin/bpstat' -l | grep -A1 -- '^- .*52:54:00:00:00:09' | grep -q 'bpctl --accept 52:54:00:00:00:09'"
stranger=$(key_of 9 waits)
machine 9 another HOSTILE_LASTING=1
t_says "of two with one MAC none is taken by its MAC alone" 1 "several machines with MAC 52:54:00:00:00:09 wait" "$bin/bpctl" --accept 52:54:00:00:00:09
t_says "but by its fingerprint" 0 "" "$bin/bpctl" --accept "52:54:00:00:00:09=$stranger"
machine 9 another HOSTILE_LASTING=1
t_says "the other one is refused from then on" 0 "" said "$stranger is pinned"
machine 9 stranger HOSTILE_LASTING=1
t_says "and the accepted one is a node" 0 "" said "sit: up"
t "with the next free number" wait_for 5 state_is 5 up
t_says "who does not wait cannot be accepted" 1 "no machine with MAC 52:54:00:00:00:04 waits" "$bin/bpctl" --accept 4
t_says "--accept and --keys exclude each other" 2 "stand alone" "$bin/bpctl" --keys --accept 4

# bpslave and its firmware, which this machine is not to have.
start_bare() { # NUMBER OPTION...
	local n=$1
	shift
	printf 'BOOT=1000000%s\nMAC=52:54:00:00:00:0%s\nMASTER=127.0.0.1:%s\n' "$n" "$n" $port >"$SCRATCH/boot$n"
	unshare --mount --propagation private sh -ec '[ ! -d /sys/firmware ] || mount -t tmpfs tmpfs /sys/firmware; exec "$@"' sh \
		"$bin/bpslave" --boot-file "$SCRATCH/boot$n" --events /nonexistent --key "$SCRATCH/master.pub" "$@" \
		>>"$SCRATCH/slave$n.log" 2>&1 </dev/null &
	slave_pid=$!
	pids+=($!)
}
start_bare 3 --node-key efi
t "a machine without EFI says so in one line" wait_for 10 grep -q "this machine was not started by EFI.*: using one for this boot" "$SCRATCH/slave3.log"
t "and has a key for its boot" wait_for 10 test -s "$SCRATCH/boot3.key"
kill "$slave_pid" && wait "$slave_pid" 2>/dev/null

# bpslave and its file.
chmod 644 "$SCRATCH/node2.key"
t_says "a lasting key that others may read keeps bpslave from starting" 1 "is not safe" \
	"$bin/bpslave" --boot-file "$SCRATCH/boot2" --key "$SCRATCH/master.pub" --node-key "$SCRATCH/node2.key"
cp "$SCRATCH/master.key" "$SCRATCH/wrong.key"
t_says "and so does another kind of key" 1 "cannot read the key of this node" \
	"$bin/bpslave" --boot-file "$SCRATCH/boot2" --key "$SCRATCH/master.pub" --node-key "$SCRATCH/wrong.key"
stop "$master"
done_testing
