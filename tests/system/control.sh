#!/bin/bash
# control.sh - what bpctl has nodes do beside states and power: another root, another master; and who may say so
#
. tests/system/lib.sh
[ "${1-}" = --inside ] || { lib_unshare bash "$0" --inside; exit; }
ip link set lo up

bin=$(cd "$BUILD/src/cli" && pwd)
pids=()
finish() {
	local p
	for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
	wait
}
trap finish EXIT
mkdir -p "$SCRATCH/keys" && "$bin/bpboot" keygen --dir "$SCRATCH/keys" >/dev/null || not_ok "keys are made" "bpboot keygen failed"
chmod 755 "$SCRATCH"
master() { # NAME PORT
	"$bin/bpmaster" --foreground --socket "$SCRATCH/$1" --address 127.0.0.1 --port "$2" --log-port "$(($2 + 100))" \
		--state "$SCRATCH/state-$1" --key "$SCRATCH/keys/master.key" --keepalive 1 --node 0,52:54:00:00:00:00 \
		--node 1,52:54:00:00:00:01 >"$SCRATCH/$1.log" 2>&1 &
	pids+=($!)
	wait_for 10 test -S "$SCRATCH/$1"
}
master one 2223
master two 3223
export BPBOOT_SOCKET=$SCRATCH/one
for n in 0 1; do
	printf 'BOOT=1000000%s\nMAC=52:54:00:00:00:0%s\nMASTER=127.0.0.1:2223\n' $n $n >"$SCRATCH/boot$n"
	"$bin/bpslave" --boot-file "$SCRATCH/boot$n" --events "$SCRATCH/events$n" --key "$SCRATCH/keys/master.pub" \
		>"$SCRATCH/slave$n.log" 2>&1 </dev/null &
	pids+=($!)
done
state_is() { [ "$("$bin/bpstat" --socket "$SCRATCH/$1" -s "$2" 2>/dev/null)" = "$3" ]; }
bpsh() { "$bin/bpsh" "$@" </dev/null; }
bpctl() { "$bin/bpctl" "$@"; }
for n in 0 1; do t "node $n is up" wait_for 20 state_is one $n up; done

# Another root.
mkdir -p "$SCRATCH/root/bin" "$SCRATCH/root/only-here" && cp "$(command -v busybox)" "$SCRATCH/root/bin/"
t "-r gives what is started another root" bpctl -S 0 -r "$SCRATCH/root"
t "which is seen there" wait_for 10 bpsh --image 0 /bin/busybox test -d /only-here
t_says "and nothing above it" 0 "only-here" bpsh --image 0 /bin/busybox ls /..
t "other nodes keep theirs" bpsh --image 1 test -d "$SCRATCH/root"
t "-r / is as before" bpctl -S 0 -r /
t "on the node, too" wait_for 10 bpsh --image 0 test -d "$SCRATCH/root"
t_says "a path that is none is refused" 1 "expected an absolute path" bpctl -S 0 -r relative
t "a folder that there is not" bpctl -S 0 -r /no/such
t "makes the node's state an error" wait_for 10 state_is one 0 error
t_says "which says why" 0 "cannot have '/no/such' as the root of what is started: No such file" "$bin/bpstat" -l 0
t "and changes nothing" bpsh --image 0 test -d "$SCRATCH/root"
t "and bpctl takes it back" bpctl -S 0 -s up

# Another master.
t_says "a master that is none is refused" 1 "expected the other master as ADDRESS[:PORT]" bpctl -S 0 --reconnect nobody
t "a node is told to go to another master" bpctl -S 0 --reconnect 127.0.0.1:3223
t "it comes there" wait_for 20 state_is two 0 up
t "and is down here" wait_for 20 state_is one 0 down
t "the other node stays" state_is one 1 up
t "it runs what that one says" "$bin/bpsh" --socket "$SCRATCH/two" 0 true </dev/null
t_says "a node that is down is told nothing" 1 "node 0 is down" bpctl -S 0 --reconnect 127.0.0.1:3223
t "a node is told to go where nobody is" bpctl -S 1 --reconnect 127.0.0.1:4223
t "it goes" wait_for 20 state_is one 1 down
t "and comes back in time" wait_for 60 state_is one 1 up

# Who may: the node's user is 12345 and its group 23456, and neither may change it.
t "node 1 is given to somebody" bpctl -S 1 -u 12345 -g 23456
as() { setpriv --reuid "$1" --regid "$2" --clear-groups "${@:3}" </dev/null; }
printf '%s\n' "the node's user:12345:1" "a member of its group:1:23456" "another user:65534:65534" >"$SCRATCH/who"
while IFS=: read -r who uid gid; do
	for option in "-r /" "--reconnect 127.0.0.1" "-R" "-H" "-P" "-s up" "-m 111" "-u 0" "-g 0" "-a a=b"; do
		# shellcheck disable=SC2086
		t_says "$who is told who may say $option" 1 "only root and the user that bpmaster runs as may do this" \
			as "$uid" "$gid" "$bin/bpctl" -S 1 $option
	done
	t_says "$who is told who may forget a key" 1 "only root and the user that bpmaster runs as may do this" \
		as "$uid" "$gid" "$bin/bpctl" --forget-key 1
done <"$SCRATCH/who"
t "nothing has changed" test "$("$bin/bpstat" --json 1 | tr -d ' \n' | grep -o '"mode":73,"user":12345,"group":23456')" = '"mode":73,"user":12345,"group":23456'
for row in 100:y:n:n 010:n:y:n 001:n:n:y 111:y:y:y 000:n:n:n 110:y:y:n; do
	IFS=: read -r mode user group other <<<"$row"
	bpctl -S 1 -m "$mode"
	t "mode $mode: root may run there" bpsh --image 1 true
	for caller in "$user:12345:1" "$group:1:23456" "$other:65534:65534"; do
		IFS=: read -r may uid gid <<<"$caller"
		if [ "$may" = y ]; then
			t "mode $mode: user $uid, group $gid may" as "$uid" "$gid" "$bin/bpsh" --image 1 true
		else
			t_says "mode $mode: user $uid, group $gid is told who may" 1 "user $uid may not run on node 1; who may: root" \
				as "$uid" "$gid" "$bin/bpsh" --image 1 true
		fi
	done
done
bpctl -S 1 -m 111
t_says "-M has nothing to set" 2 "the front end is always up" bpctl -M -s up
done_testing
