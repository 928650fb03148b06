#!/bin/bash
# servers.sh - the parts of an image from several servers: spread over all, and past those that are slow, silent, gone, or
# have other parts
#
# Everything runs in a network namespace of its own, on a loopback with an Ethernet's MTU. The servers are dnsmasq; slow,
# silent and lying ones are dnsmasq behind tests/tools/udp-relay, or with another folder.
. tests/system/lib.sh

BUILD=$(realpath "$BUILD")
PATH=$PATH:/usr/sbin:/sbin
if [ -z "${SERVERS_NS-}" ]; then
	export SERVERS_NS=1
	lib_unshare true 2>/dev/null || {
		echo "skip servers - no network namespace can be made here"
		exit 0
	}
	lib_unshare bash "$0"
	exit $?
fi
probe=$BUILD/tests/tools/parts-probe pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT
ip link set lo mtu 1500 up

# --- an image of 32 parts, and what servers have of it ---

mkdir -p "$SCRATCH"/{all,old,wrong}/parts
head -c 8388608 /dev/urandom >"$SCRATCH/image"
{
	printf 'bpboot-index 1\nname image\ncounter 1\narch x86_64\nformat ext2\nsize 8388608\ndigest %064d\ninit /i\n' 0
	split -b 262144 -a 3 "$SCRATCH/image" "$SCRATCH/all/parts/new."
	for f in "$SCRATCH"/all/parts/new.*; do
		h=$(b2sum -l 256 "$f" | cut -d' ' -f1)
		mv "$f" "$SCRATCH/all/parts/$h"
		echo "part $h 262144 262144"
	done
	echo end
} >"$SCRATCH/all/image.index"
n=0
for f in "$SCRATCH"/all/parts/*; do
	head -c 262144 /dev/urandom >"$SCRATCH/wrong/parts/${f##*/}" # the right length
	n=$((n + 1))
	[ $((n % 8)) != 0 ] || cp "$f" "$SCRATCH/old/parts"
done
chmod -R a+rX "$SCRATCH"

# serve ADDRESS FOLDER: its pid is ${pids[-1]}, its log $SCRATCH/log.ADDRESS
serve() {
	dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --listen-address="$1" --bind-interfaces --user=root \
		--pid-file= --enable-tftp --tftp-root="$SCRATCH/$2" --log-facility="$SCRATCH/log.$1" </dev/null >/dev/null 2>&1 &
	pids+=($!)
	wait_for 5 sh -c "ss -Hlun 'src $1 and sport = :69' | grep -q ."
}
# relay_to SERVER PORT OPTION...: in front of that one
relay_to() {
	"$BUILD/tests/tools/udp-relay" 127.0.0.1:"$2" "$1":69 "${@:3}" >"$SCRATCH/relay.$2" 2>&1 &
	pids+=($!)
	wait_for 5 grep -q ready "$SCRATCH/relay.$2"
}
relay() { relay_to 127.0.0.1 "$@"; }
# parts SECONDS URL...: the image, within the time
parts() {
	rm -f "$SCRATCH/got"
	timeout "$1" "$probe" --output "$SCRATCH/got" "${@:2}" && cmp "$SCRATCH/got" "$SCRATCH/image"
}
served() { grep -c "sent .*/parts/" "$SCRATCH/log.$1"; }
at=tftp://127.0.0.1/image.index

serve 127.0.0.1 all || not_ok "dnsmasq starts" "$(cat "$SCRATCH"/log.*)"
serve 127.0.0.2 all
# As fast as each other, whichever gets more of this machine's processors.
spread() {
	parts 20 tftp://127.0.0.1:6905/image.index tftp://127.0.0.1:6906/image.index || return 1
	echo "$(served 127.0.0.1) and $(served 127.0.0.2) parts"
	[ "$(served 127.0.0.1)" -ge 8 ] && [ "$(served 127.0.0.2)" -ge 8 ]
}
relay_to 127.0.0.1 6905 --rate 4000000
relay_to 127.0.0.2 6906 --rate 4000000
t "two servers share the parts" spread
stop_last
stop_last

relay 6901 --rate 1000
t "a server of 1 KB/s: its parts come from the other" parts 6 $at tftp://127.0.0.1:6901/image.index
stop_last
relay 6902 --loss 1000
t "a server that is silent" parts 6 $at tftp://127.0.0.1:6902/image.index tftp://127.0.0.1:6902/other/image.index
stop_last
t "a server that is not there" parts 6 $at tftp://127.0.0.1:6903/image.index tftp://127.0.0.3/image.index
serve 127.0.0.4 old
t "a server with the parts of an older image" parts 6 $at tftp://127.0.0.4/image.index
stop_last
serve 127.0.0.5 wrong
t "a server whose parts are all wrong" parts 6 $at tftp://127.0.0.5/image.index
cp "$SCRATCH/all/image.index" "$SCRATCH/wrong"
t_says "wrong parts alone are never taken" 1 "its content does not match its hash" "$probe" tftp://127.0.0.5/image.index
stop_last

goes() { # one of two, in mid-transfer
	local p
	relay 6904 --rate 4000000
	rm -f "$SCRATCH/got"
	timeout 20 "$probe" --output "$SCRATCH/got" $at tftp://127.0.0.1:6904/image.index tftp://127.0.0.2/image.index \
		>"$SCRATCH/goes" &
	p=$!
	wait_for 5 test -s "$SCRATCH/got"
	stop_last # the relay
	stop_last # 127.0.0.2
	wait $p || { cat "$SCRATCH/goes"; return 1; }
	cmp "$SCRATCH/got" "$SCRATCH/image"
}
if goes >"$SCRATCH/goes.out" 2>&1; then
	ok "two of three servers go away in mid-transfer"
else
	not_ok "two of three servers go away in mid-transfer" "$(cat "$SCRATCH/goes.out")"
fi
done_testing
