#!/bin/bash
# lab-light.sh - nodes that are namespaces with a bpslave: up in a moment, apart from each other, gone without a trace
. tests/system/lib.sh

bin=$(cd "$BUILD/src/cli" && pwd)
export XDG_RUNTIME_DIR=$SCRATCH
lab() { "$bin/bpboot" lab "$@"; }
in_lab() { "$bin/bpboot" lab exec --name "$1" -- "${@:2}"; }
finish() {
	local name
	for name in one two plain; do lab down --name $name >/dev/null 2>&1; done
}
trap finish EXIT
# Its namespaces end with the supervisor; bpslaves are known by their consoles.
remains() { # NAME
	ls -d "$SCRATCH"/bpboot-lab-*-"$1" 2>/dev/null || pgrep -f "$SCRATCH/bpboot-lab-[0-9]*-$1/"
}
gone() { ! remains "$1" >/dev/null; }

t_says "eight nodes come up" 0 "8 of 8 nodes up" lab up --name one --light 8
t_says "with the names and addresses of a lab" 0 "52:54:00:b0:00:07 10.77.0.17" in_lab one bpstat -l
t_says "status counts them" 0 "8 up" lab status --name one
t_says "there is no console to connect to, and that is said" 1 "is light and has no console" lab console --name one 3
t_says "each has a realm of processes of its own" 0 "3: space-init" in_lab one bpsh -p 0-7 cat /proc/1/comm
t_says "each has its own host name" 0 "5: n5" in_lab one bpsh -p all hostname
t_says "its own network" 0 "10.77.0.12/32" in_lab one bpsh 2 ip -4 -br address show dev eth0
t_says "and its own /run" 0 "MAC=52:54:00:b0:00:06" in_lab one bpsh 6 cat /run/bpboot/boot
reach() { # a file goes from node to node by the front end
	in_lab one bpsh 3 socat -u TCP-LISTEN:700,bind=10.77.0.13 - </dev/null >"$SCRATCH/heard" &
	local pid=$!
	wait_for 10 in_lab one bpsh 4 sh -c 'echo from n4 | socat -u - TCP:10.77.0.13:700' </dev/null
	wait $pid
	cat "$SCRATCH/heard"
	grep -qx "from n4" "$SCRATCH/heard"
}
t "nodes reach each other" reach
node_is() { [ "$(in_lab "$1" bpstat -s "$2")" = "$3" ]; }
boot_of() { in_lab one bpsh 1 grep BOOT /run/bpboot/boot </dev/null; }
before=$(boot_of)
rebooted() { local now; now=$(boot_of) && [ -n "$now" ] && [ "$now" != "$before" ]; }
t "a node is told to reboot" in_lab one bpctl -S 1 -R
t "and boots anew" wait_for 20 rebooted
t "a node is powered off" in_lab one bpctl -S 2 -P
t "and stays down" wait_for 20 node_is one 2 down
t_says "a second lab has the same addresses" 0 "2 of 2 nodes up" lab up --name two --light 2
t_says "and other nodes" 1 "there is no node 5" in_lab two bpsh 0,5 true
pid=$(cut -d' ' -f1 "$SCRATCH"/bpboot-lab-*-two/pid)
kill -KILL "$pid"
t "kill -9 of the supervisor ends all of it" wait_for 10 bash -c "! pgrep -f '$SCRATCH/bpboot-lab-[0-9]*-two/'"
t_says "run has the command's status" 9 "n1" lab run --name two --light 2 -- sh -c 'bpsh 1 hostname; exit 9'
t "after run nothing is left" wait_for 5 gone two
t "down ends a lab" lab down --name one
t "and leaves nothing" wait_for 5 gone one

if [ "$(id -u)" = 0 ] && setpriv --reuid nobody --regid nogroup --clear-groups unshare -U -r -n true 2>/dev/null; then
	as_nobody() {
		local home=$SCRATCH/nobody
		mkdir -p "$home" && cp "$bin"/{bpboot,bpmaster,bpslave,bpstat,bpsh} "$home/" && chown -R nobody "$home" &&
			chmod 755 "$SCRATCH" "$home" || return 1
		setpriv --reuid nobody --regid nogroup --clear-groups env XDG_RUNTIME_DIR="$home" \
			"$home/bpboot" lab run --name plain --light 3 -- bpsh -p all hostname
	}
	t_says "a plain user has light nodes, too" 0 "2: n2" as_nobody
else
	echo "skip a plain user has light nodes, too - no user namespaces for another user here"
fi
done_testing
