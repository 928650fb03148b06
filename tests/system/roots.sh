#!/bin/bash
# roots.sh - where a node finds its image: what root= and DHCP say, several servers in order, TFTP and HTTP
#
# Light nodes (lib.sh), each in a network of its own with dnsmasq (DHCP and TFTP) and an HTTP server at other addresses.
# 10.7.0.1 is the DHCP server, which serves no files; 10.7.0.2 TFTP; 10.7.0.3 HTTP; 10.7.0.4 is there and serves nothing.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
LIMIT=60 # seconds in which a boot has to end up

# Each case: kernel parameters, then dnsmasq's options for DHCP, then what the console has to say before the root runs.
cases() {
	case $1 in
	boot-file) set -- "" "--dhcp-boot=small.index,boot,10.7.0.2" 'tftp://10.7.0.2/small.index' ;;
	root-path) set -- "" "--dhcp-option=17,tftp://10.7.0.2/small.index" 'tftp://10.7.0.2/small.index' ;;
	root-path-beside) set -- "" "--dhcp-option=17,/small.index --dhcp-boot=pxelinux.0,boot,10.7.0.2" \
		'tftp://10.7.0.2/small.index' ;;
	root-path-http) set -- "" "--dhcp-option=17,http://10.7.0.3/small.index" 'http://10.7.0.3/small.index' ;;
	root-path-order)
		# shellcheck disable=SC2089
		set -- "" '--dhcp-option=17,"tftp://10.7.0.4/small.index,http://10.7.0.3/small.index"' \
			'(no TFTP server at|no answer from the TFTP server) 10.7.0.4.*; asking 10.7.0.3'
		;;
	root-order) set -- "root=http://10.7.0.4/small.index,tftp://10.7.0.2/small.index" \
		"--dhcp-option=17,tftp://10.7.0.1/wrong.index" '10.7.0.4 port 80 cannot be reached.*; asking 10.7.0.2' ;;
	root-no-server) set -- "root=tftp:///small.index" "--dhcp-boot=other.index,boot,10.7.0.2" 'tftp://10.7.0.2/small.index' ;;
	esac
	parameters=$1 options=$2 says=$3
}
all='boot-file root-path root-path-beside root-path-http root-path-order root-order root-no-server'
declare -A names=(
	[boot-file]="DHCP's next-server and boot file" [root-path]="DHCP's root-path, a URL"
	[root-path-beside]="DHCP's root-path, a file of next-server" [root-path-http]="DHCP's root-path by HTTP"
	[root-path-order]="DHCP's root-path, two servers, the first without an answer"
	[root-order]="root= with two servers, the first without an answer, before what DHCP says"
	[root-no-server]="root= without a server: next-server"
)

pids=()
console_has() { grep -qE -- "$1" "$SCRATCH/node/console"; }
over() { console_has '^the root runs' || console_has ' fail: ' || ! kill -0 $light_pid; }

one_case() {
	local node a
	mkdir -p "$SCRATCH" && ip link set lo up
	unshare -n sleep 1000 &
	node=$!
	pids+=($node)
	wait_for 5 bash -c "[ \"\$(readlink /proc/$node/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
	echo 0 >/proc/sys/net/ipv4/icmp_ratelimit # every refusal is sent
	ip link add s0 type veth peer name eth0 netns $node && ip link set s0 up || return 1
	for a in 1 2 3 4; do
		ip address add 10.7.0.$a/24 dev s0
	done
	# shellcheck disable=SC2086,SC2090
	eval dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --group=root --port=0 --interface=s0 \
		--no-ping --leasefile-ro --dhcp-range=10.7.0.50,10.7.0.60,1h "$options" --log-facility='"$SCRATCH/dhcp.log"' \
		'</dev/null >"$SCRATCH/dhcp.out" 2>&1 &'
	pids+=($!)
	dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --group=root --port=0 \
		--listen-address=10.7.0.2 --bind-interfaces --enable-tftp --tftp-root="$SETS/boot" \
		--log-facility="$SCRATCH/tftp.log" </dev/null >"$SCRATCH/tftp.out" 2>&1 &
	pids+=($!)
	(cd "$SETS/boot" && exec python3 -m http.server --bind 10.7.0.3 80) </dev/null >"$SCRATCH/http.log" 2>&1 &
	pids+=($!)
	wait_for 20 sh -c "ss -Hlun src 10.7.0.2:69 | grep -q . && ss -Hltn src 10.7.0.3:80 | grep -q . && ss -Hlun 'sport = :67' | grep -q ." ||
		{ cat "$SCRATCH"/*.out "$SCRATCH"/*.log; return 1; }
	# shellcheck disable=SC2086
	LIGHT_INIT=$SETS/init.bin light_node "$SCRATCH/node" "$node" "$SETS/keys/sign.pub" bpboot.retry=60-60 $parameters
	wait_for $LIMIT over
	if ! console_has '^the root runs'; then
		tail -n 6 "$SCRATCH/node/console"
		return 1
	fi
	console_has "$says" || { echo "booted without '$says'"; cat "$SCRATCH/node/console"; return 1; }
}
if [ "${1-}" = --case ]; then
	trap light_end EXIT
	SCRATCH=$SCRATCH/$2
	cases "$2"
	one_case
	exit
fi

if [ "$(id -u)" != 0 ]; then
	echo "skip where a node finds its image - needs root"
	exit 0
fi
export SETS=$SCRATCH/sets
if ! light_prepare >"$SCRATCH/prepare.out" 2>&1; then
	not_ok "an image for the boots is built" "$(cat "$SCRATCH/prepare.out")"
	done_testing
fi
for c in $all; do
	t "${names[$c]}" unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" --case "$c"
done
done_testing
