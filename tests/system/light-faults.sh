#!/bin/bash
# light-faults.sh - faults of the files on a server and of the network, each with the words that it has to say, and the boot
# that succeeds when it is over
#
# Light nodes (lib.sh), each with a network of its own, all side by side.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
server=10.7.0.1
pids=()

# --- one case, in its own network: light-faults.sh --case NAME ---
net() {
	cp -r "$SETS/boot" "$SCRATCH/boot" && ip link set lo up
	unshare -n sleep 1000 &
	node=$!
	pids+=($!)
	wait_for 5 bash -c "[ \"\$(readlink /proc/$node/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
	ip link add s0 type veth peer name eth0 netns $node && ip link set s0 up && ip address add $server/24 dev s0
}
dhcp() { # OPTIONS...
	python3 tests/tools/dhcp-server.py s0 $server 10.7.0.50 lease=60 file=small.index "$@" >"$SCRATCH/dhcp.log" 2>&1 &
	pids+=($!)
	wait_for 10 grep -q ready "$SCRATCH/dhcp.log"
}
files() {
	dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --pid-file= --user=root --group=root --interface=s0 \
		--bind-interfaces --enable-tftp --tftp-root="$SCRATCH/boot" --log-facility="$SCRATCH/dnsmasq.log" </dev/null \
		>"$SCRATCH/dnsmasq.out" 2>&1 &
	pids+=($!)
	wait_for 10 bash -c 'ss -Hlun "sport = :69" | grep -q .'
}
boot() { # CMDLINE...
	LIGHT_INIT=$SETS/init.bin light_node "$SCRATCH/node" "$node" "$SETS/keys/sign.pub" bpboot.retry=1 bpboot.fetch=5 "$@"
}
console() { # NAME REGEX [SECONDS]
	if wait_for "${3:-60}" grep -qE -- "$2" "$SCRATCH/node/console"; then
		ok "$1"
	else
		not_ok "$1" "no '$2' in: $(tail -n 8 "$SCRATCH/node/console")"
	fi
}
silent() { # NAME REGEX
	t "$1" eval '! grep -E -- "$2" "$SCRATCH/node/console"'
}
a_part() { sed -n 's/^part \([0-9a-f]*\) .*/\1/p' "$SETS/boot/small.index" | sed -n 2p; }
heal() { cp -r "$SETS/boot/." "$SCRATCH/boot/"; }

part_fault() { # NAME WORDS: the second part was changed
	net && dhcp && files
	part_change "$SCRATCH/boot/parts/$(a_part)"
	boot
	console "$1: the part is named" "fetch fail: part 2 of [0-9]+ \($(a_part | cut -c1-8).*\): $2"
	console "$1: the node says that it tries again" 'retry begin: trying again'
	silent "$1: the image is not used" '^the root runs|mount ok'
	heal
	console "$1: mended, the boot succeeds" '^the root runs'
}
case_truncated() {
	part_change() { truncate -s 700 "$1"; }
	part_fault "a truncated part" 'the file has 700 bytes, expected [0-9]+'
}
case_longer() {
	part_change() { head -c 5000 /dev/zero >>"$1"; }
	part_fault "a part that is too long" '.* is too long: [0-9]+ bytes or more, expected at most [0-9]+'
}

# The counter is not kept over a reset (docs/security.md), but within one boot an older index is not taken any more.
case_older() {
	net && dhcp
	cp "$SETS/newer"/small.index* "$SCRATCH/boot" && files # whose parts are not all there
	boot
	console "an index whose parts are not there" 'index ok: small, counter 2'
	console "the attempt fails" 'fetch fail: '
	heal
	console "an older index than the one accepted before, in one boot" \
		'index fail: small.index: its counter is 1, and one of 2 was accepted in this boot: an old image'
	silent "the older image is not used" '^the root runs|mount ok'
	cp -r "$SETS/newer/." "$SCRATCH/boot/"
	console "the newer one with all its parts is" '^the root runs'
}

# Seconds from the first event to that one.
after() {
	awk -v want="$1" '$1 == "bpboot:" { if (!first) first = $2; if (index($0, want)) { print int($2 - first); exit } }' \
		"$SCRATCH/node/console"
}
case_late_link() {
	net && ip link set s0 down
	dhcp && files
	boot
	console "init waits for a link" 'start ok'
	sleep 31
	ip link set s0 up
	console "a link that comes after 31 s: the boot succeeds" '^the root runs'
	t "it came that late ($(after 'link ok') s)" test "$(after 'link ok')" -ge 30
	silent "nothing had failed until then" ' fail: '
}
case_spanning_tree() {
	net && dhcp deaf=31 && files
	boot
	console "a port that is deaf for 31 s: the boot succeeds" '^the root runs' 90
	silent "nothing had failed until then" ' fail: '
}

case_dhcp_away() {
	net && files
	boot bpboot.dhcp=5 bpboot.retry=1-2
	wait_for 60 grep -q 'start ok' "$SCRATCH/node/console"
	local minute=$((SECONDS + 61))
	console "a DHCP server that is away is said" 'dhcp fail: no DHCP answer on eth0 '
	console "and that the node tries again" 'retry begin: trying again'
	[ $SECONDS -ge $minute ] || sleep $((minute - SECONDS))
	silent "for a minute nothing else happens" '^the root runs'
	dhcp
	console "it is back after a minute: the boot succeeds" '^the root runs'
	t "it came that late ($(after 'dhcp ok') s)" test "$(after 'dhcp ok')" -ge 60
}
case_files_away() {
	net && dhcp
	boot
	console "a TFTP server that is away is named" "index fail: .*$server"
	console "and the node tries again, without it" 'retry begin: trying again'
	files
	console "it is back: the boot succeeds" '^the root runs'
}

# Two cards: on the first a server that offers and then says nothing, on the second a good one that comes later.
case_released() {
	net
	ip link add s1 type veth peer name eth1 netns "$node" && ip link set s1 up && ip address add 10.8.0.1/24 dev s1
	dhcp no-ack=1 next=$server
	files
	boot
	wait_for 20 grep -q '^REQUEST' "$SCRATCH/dhcp.log"
	python3 tests/tools/dhcp-server.py s1 10.8.0.1 10.8.0.50 file=small.index >"$SCRATCH/second.log" 2>&1 &
	pids+=($!)
	console "the card whose server answers wins" 'dhcp ok: eth1: 10.8.0.50/24'
	t "what the other server may have leased is released" wait_for 10 grep -q '^RELEASE .*ciaddr=10.7.0.50 .*server=10.7.0.1' "$SCRATCH/dhcp.log"
	t "the other card is down again" wait_for 10 bash -c "nsenter -t $node -n ip -o link show eth0 | grep -q 'state DOWN'"
}

cases="truncated longer older late_link spanning_tree dhcp_away files_away released"
if [ "${1-}" = --case ]; then
	trap light_end EXIT
	SCRATCH=$SCRATCH/$2
	mkdir -p "$SCRATCH"
	"case_$2"
	done_testing
fi

# --- all of them ---
if [ "$(id -u)" != 0 ]; then
	echo "skip faults of light nodes - needs root"
	exit 0
fi
export SETS=$SCRATCH/sets
prepare() {
	light_prepare &&
		cp -r "$SETS/boot" "$SETS/newer" && head -c 300000 /dev/urandom >"$SETS/more" &&
		echo "file more /more" >>"$SETS/small.image" &&
		"$bpboot" image --quiet --format cpio --key "$SETS/keys/sign.key" --output "$SETS/newer" "$SETS/small.image" &&
		grep -qx 'counter 2' "$SETS/newer/small.index"
}
if ! prepare >"$SCRATCH/prepare.out" 2>&1; then
	not_ok "images for the cases are built" "$(cat "$SCRATCH/prepare.out")"
	done_testing
fi
for c in ${*:-$cases}; do
	unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" --case $c >"$SCRATCH/$c.tap" 2>&1 &
done
wait
for c in ${*:-$cases}; do
	cat "$SCRATCH/$c.tap"
	grep -q '^not ok' "$SCRATCH/$c.tap" && lib_failed=1
	grep -q '^ok' "$SCRATCH/$c.tap" || not_ok "$c ran" "it said nothing"
done
done_testing
