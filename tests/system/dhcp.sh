#!/bin/bash
# dhcp.sh - the DHCP client against dnsmasq, on one NIC and on several
#
# The node is a network namespace of its own; each NIC is one end of a veth pair whose other end lies in a server's
# namespace, or nowhere.
. tests/system/lib.sh

if [ -z "${DHCP_NS-}" ]; then
	export DHCP_NS=1
	for how in -n -rn; do
		if unshare $how true 2>/dev/null; then
			exec unshare $how bash "$0"
		fi
	done
	echo "skip dhcp - no network namespace can be made here"
	exit 0
fi

PATH=$PATH:/usr/sbin:/sbin
probe=$(realpath "$BUILD")/tests/tools/dhcp-probe
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT
ip link set lo up

# new_net: a namespace held by a sleeping process, its id in $net.
new_net() {
	unshare -n sleep 1000 &
	net=$!
	pids+=($net)
	wait_for 5 bash -c "[ \"\$(readlink /proc/$net/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
}
in_net() { nsenter -t "$net" -n "$@"; }

# nic NAME MAC: a NIC of the node, cabled to eth0 in $net.
nic() {
	ip link add "$1" address "$2" type veth peer name "peer-$1" netns "$net" && in_net ip link set "peer-$1" up
}

# serve ADDRESS/PREFIX INTERFACE [OPTION...]: dnsmasq in $net, its id in $server.
serve() {
	local address=${1%/*} dev=$2
	in_net ip addr add "$1" dev "$dev"
	shift 2
	: >"$SCRATCH/dnsmasq.log"
	nsenter -t "$net" -n dnsmasq --conf-file=/dev/null --no-daemon --pid-file= --port=0 --user=root --group=root --no-ping \
		--interface="$dev" --bind-interfaces --dhcp-leasefile="$SCRATCH/leases.$net" --log-dhcp \
		--dhcp-range="${address%.*}.100,${address%.*}.150,255.255.255.0,1h" "$@" 2>"$SCRATCH/dnsmasq.log" &
	server=$!
	pids+=($server)
	wait_for 5 grep -q 'DHCP, sockets bound\|DHCP, IP range' "$SCRATCH/dnsmasq.log"
	wait_for 5 in_net bash -c 'ss -Hlun "sport = :67" | grep -q .'
}
stop_server() {
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null
}

# has NAME FILE LINE...: every line stands in the file
has() {
	local name=$1 file=$2 line
	shift 2
	for line in "$@"; do
		if ! grep -qxF -- "$line" "$file"; then
			not_ok "$name" "no line '$line' in: $(cat "$file")"
			return
		fi
	done
	ok "$name"
}
out=$SCRATCH/out

# --- one NIC, everything that a server may say ---

new_net
nic eth0 52:54:00:00:00:01
serve 10.7.0.1/24 peer-eth0 --dhcp-option=3,10.7.0.254 --dhcp-option=6,10.7.0.3,10.7.0.4 --dhcp-option=15,example.org \
	--dhcp-option=17,/srv/root --dhcp-option=26,1400 --dhcp-option=42,10.7.0.5 --dhcp-option=119,a.example.org,example.org \
	--dhcp-host=52:54:00:00:00:01,10.7.0.77,node1 --dhcp-boot=boot.ipxe,front,10.7.0.9
timeout 20 "$probe" --apply >"$out" 2>&1
has "a lease with all its options" "$out" INTERFACE=eth0 ADDRESS=10.7.0.77/24 SERVER_ID=10.7.0.1 NEXT_SERVER=10.7.0.9 \
	GATEWAY=10.7.0.254 DNS=10.7.0.3 DNS=10.7.0.4 DOMAIN=example.org ROOT_PATH=/srv/root MTU=1400 NTP=10.7.0.5 \
	"SEARCH=a.example.org example.org" HOSTNAME=node1 BOOT_FILE=boot.ipxe "LEASE=3600 RENEW=1800 REBIND=3150" \
	BROADCAST=10.7.0.255
ip -o addr show dev eth0 >"$out.ip"
ip route >>"$out.ip"
t "the lease is applied: address" grep -q 'inet 10.7.0.77/24 brd 10.7.0.255' "$out.ip"
t "the lease is applied: default route" grep -q '^default via 10.7.0.254 dev eth0' "$out.ip"
t "the lease is applied: MTU" bash -c 'ip link show dev eth0 | grep -q "mtu 1400"'
t "it answers to what firmware says: client id 01 and MAC" grep -q '52:54:00:00:00:01 10.7.0.77 .* 01:52:54:00:00:00:01' \
	"$SCRATCH/leases.$net"
t "it says its vendor class" grep -q 'vendor class: bpboot:x86_64' "$SCRATCH/dnsmasq.log"
timeout 20 "$probe" --apply >"$out" 2>&1
has "a second run gets the same address and applies it" "$out" ADDRESS=10.7.0.77/24
t "one address is left then" test "$(ip -o -4 addr show dev eth0 | wc -l)" = 1
stop_server

# --- classless routes, a gateway outside of the subnet ---

in_net ip addr flush dev peer-eth0
serve 10.7.0.1/24 peer-eth0 --dhcp-option=1,255.255.255.255 --dhcp-option=3,10.7.9.9 \
	--dhcp-option=121,192.168.5.0/24,10.7.0.8,0.0.0.0/0,10.7.8.8
timeout 20 "$probe" --apply >"$out" 2>&1
has "classless routes replace the router" "$out" "ROUTE=192.168.5.0/24 via 10.7.0.8" "ROUTE=0.0.0.0/0 via 10.7.8.8"
ip route >"$out.ip"
t "a gateway outside of a /32 is taken as on the link" grep -q '^default via 10.7.8.8 dev eth0 .*onlink' "$out.ip"
t "a route of option 121" grep -q '^192.168.5.0/24 via 10.7.0.8 dev eth0 ' "$out.ip"
stop_server

# --- no good answer ---

t_says "no answer is said so, with the NIC and the tries" 1 \
	"failed ETIMEDOUT: no DHCP answer on eth0 (link up, " timeout 20 "$probe" --timeout 1500 --retry 300
in_net ip addr flush dev peer-eth0
serve 10.7.0.1/24 peer-eth0 --dhcp-ignore-names
timeout 20 "$probe" --want-server >"$out" 2>&1
has "without next-server dnsmasq's own address is it" "$out" NEXT_SERVER=10.7.0.1
stop_server
in_net ip addr flush dev peer-eth0
in_net ip link set peer-eth0 down
t_says "no carrier is said so" 1 "failed ENOLINK: eth0 has no carrier" timeout 20 "$probe" --timeout 500
t_says "no carrier ends the wait early when asked to" 1 "failed ENOLINK" timeout 5 "$probe" --timeout 60000 --carrier 300
t_says "an interface that is not there is named" 1 "there is no network interface 'eth7'" \
	timeout 20 "$probe" --timeout 300 --interface eth7

# --- the carrier comes late; so does the NIC ---

serve 10.7.0.1/24 peer-eth0
timeout 20 "$probe" --timeout 15000 >"$out" 2>&1 &
late=$!
wait_for 5 bash -c 'ip link show dev eth0 | grep -q "state LOWERLAYERDOWN\|NO-CARRIER"'
in_net ip link set peer-eth0 up
wait $late
has "carrier that comes late" "$out" INTERFACE=eth0
ip link del eth0
timeout 20 "$probe" --timeout 15000 >"$out" 2>&1 &
late=$!
wait_for 5 grep -q . /proc/$late/status
nic eth0 52:54:00:00:00:01
in_net ip addr add 10.7.0.1/24 dev peer-eth0
stop_server
in_net ip addr flush dev peer-eth0
serve 10.7.0.1/24 peer-eth0
wait $late
has "a NIC that comes late" "$out" INTERFACE=eth0

# --- several NICs ---

nic eth1 52:54:00:00:00:02 # cabled to nobody who answers
nic eth2 52:54:00:00:00:03
in_net ip link set peer-eth2 down
ip link add br0 type bridge && ip link set br0 up
ip link add dummy0 type dummy 2>/dev/null
timeout 20 "$probe" >"$out" 2>&1
has "the NIC with an answer wins over silent ones" "$out" INTERFACE=eth0
stop_server
t_says "every NIC is named when none answers" 1 "; eth2 has no carrier" timeout 20 "$probe" --timeout 1200
timeout 20 "$probe" --timeout 1200 >"$out" 2>&1
t "bridges and the loopback are not asked" bash -c "! grep -q 'br0\|dummy0\| lo ' '$out'"

# Two servers that both answer: the preferred NIC wins.
in_net ip addr flush dev peer-eth0
serve 10.7.0.1/24 peer-eth0
serve 10.8.0.1/24 peer-eth1
second=$server
for mac in 52:54:00:00:00:02:eth1 52:54:00:00:00:01:eth0; do
	timeout 20 "$probe" --prefer "${mac%:*}" >"$out" 2>&1
	has "BOOTIF ${mac%:*} wins when both answer" "$out" "INTERFACE=${mac##*:}"
done
kill "$second"
wait "$second" 2>/dev/null
timeout 20 "$probe" --prefer 52:54:00:00:00:02 >"$out" 2>&1
has "a preferred NIC without an answer does not hold up the rest" "$out" INTERFACE=eth0
done_testing
