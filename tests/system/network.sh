#!/bin/bash
# network.sh - how a node gets its address: DHCP in its odd forms, ip= of every kind, IPv6, DNS
#
# The node is a network namespace, with veth pairs to a server's: dhcp-probe runs the client alone, light_node init
# itself. Servers are dnsmasq, ISC's dhcpd and dhcrelay, radvd, and one that does what a test tells it.
# alone
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
probe=$BUILD/tests/tools/dhcp-probe
pids=()

if [ "$(id -u)" != 0 ]; then
	echo "skip network - needs root"
	exit 0
fi
if [ "${1-}" = --part ] && [ -z "${NETWORK_NS-}" ]; then
	exec env NETWORK_NS=1 unshare --net --mount --propagation private bash "$0" "$@"
fi
end_all() {
	local p
	for p in "${pids[@]}"; do
		kill "$p" 2>/dev/null
	done
	for p in "${pids[@]}"; do
		wait "$p" 2>/dev/null
	done
	pids=()
}
trap 'light_stop; vm_end; end_all' EXIT
[ -z "${NETWORK_NS-}" ] || mount -t sysfs sysfs /sys

# new_net NAME: a namespace held by a sleeping process, whose id is in $NAME.
new_net() {
	unshare -n sleep 1000 &
	printf -v "$1" %s $!
	pids+=($!)
	wait_for 5 bash -c "[ \"\$(readlink /proc/$!/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
	nsenter -t $! -n ip link set lo up
}
at() { # NET COMMAND...
	local net=$1
	shift
	nsenter -t "$net" -n "$@"
}

# cable NET1 NAME1 MAC NET2 NAME2: NET1's end stays down.
cable() {
	ip link add "$2" netns "$1" address "$3" type veth peer name "$5" netns "$4" && at "$4" ip link set "$5" up
}
mac=52:54:00:00:00:01

# our_server ADDRESS OFFER OPTIONS...: what they get is in $said.server.
our_server() {
	local address=$1
	shift
	at "$server" ip address replace "$address/24" dev s0
	# the namespace is entered by the process itself, so that its pid is the one to end
	nsenter -t "$server" -n python3 tests/tools/dhcp-server.py s0 "$address" "$@" >"$said.server" 2>&1 &
	server_pid=$!
	pids+=($!)
	wait_for 10 grep -q ready "$said.server"
}
stop() { # PID
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}
run_probe() { # OPTIONS...
	at "$node" timeout 20 "$probe" --apply "$@" >"$said" 2>&1
}
has() { # NAME LINE...: every line stands in $said
	local name=$1 line
	shift
	for line in "$@"; do
		if ! grep -qxF -- "$line" "$said"; then
			not_ok "$name" "no line '$line' in: $(cat "$said")"
			return
		fi
	done
	ok "$name"
}
took() { sed -n 's/^TOOK_MS=//p' "$said"; }

# --- DHCP in its odd forms ---
part_dhcp() {
	local i took

	our_server 10.7.0.1 10.7.0.50 overload=1 file=x.index
	run_probe
	has "options go on in file and server name" INTERFACE=eth0 ADDRESS=10.7.0.50/24 ROOT_PATH=/from/sname \
		DOMAIN=sname.example HOSTNAME=n-file DNS=10.9.9.9 BOOT_FILE=x.index
	took=$(took)
	for i in 1 2 3 4; do # a busy machine may be slow once
		[ "$took" -ge 1500 ] || break
		run_probe
		took=$(took)
	done
	t "a lease with its conflict probe takes no second ($took ms in all)" test "$took" -lt 1500
	stop $server_pid

	our_server 10.7.0.1 10.7.0.50 nak=2
	run_probe --retry 100
	has "a server that refuses twice, then not" ADDRESS=10.7.0.50/24
	t "two refusals were two" test "$(grep -c '^REQUEST' "$said.server")" = 3
	stop $server_pid

	at "$server" ip address add 10.7.0.55/24 dev s0
	our_server 10.7.0.1 10.7.0.55 second=10.7.0.56
	run_probe --retry 100
	has "an address that somebody has is declined, and the next one taken" ADDRESS=10.7.0.56/24
	t "the decline names address and server" grep -q '^DECLINE .*requested=10.7.0.55 server=10.7.0.1 broadcast' "$said.server"
	t "it is said, with who has it" grep -q 'the address 10.7.0.55 that DHCP offers is in use by' "$said"
	stop $server_pid
	our_server 10.7.0.1 10.7.0.55 second=10.7.0.56 ack-late=0.3
	run_probe --retry 1000
	has "also when the server acknowledges only long after the probes" ADDRESS=10.7.0.56/24
	stop $server_pid
	at "$server" ip address del 10.7.0.55/24 dev s0

	our_server 10.7.0.1 10.7.0.50 deaf=4
	run_probe --retry 300
	has "a server that is deaf for 4 s, as a port behind spanning tree is for 30" ADDRESS=10.7.0.50/24
	t "it was asked again in time ($(took) ms)" test "$(took)" -lt 15000
	stop $server_pid

	our_server 10.7.0.1 10.7.0.50 lease=4
	run_probe
	has "a lease of 4 s has its times" "LEASE=4 RENEW=2 REBIND=3"
	stop $server_pid

	our_server 10.7.0.1 10.7.0.50
	at "$server" timeout 20 python3 tests/tools/dhcp-server.py s0 10.7.0.2 10.7.0.60 >"$said.second" 2>&1 &
	pids+=($!)
	wait_for 5 grep -q ready "$said.second"
	run_probe
	t "of two servers one is taken" grep -qx 'ADDRESS=10.7.0.[56]0/24' "$said"
	t "and the other one gets no lease to keep" \
		test "$(cat "$said.server" "$said.second" | grep -c '^REQUEST .*server=10.7.0.[12] ')" -le 2
	stop $server_pid
	stop ${pids[-1]}
	part_rubbish "${RUBBISH:-2000}"
}

# A fuzzer as a server, and a good one behind it.
part_rubbish() { # COUNT
	our_server 10.7.0.1 10.7.0.50 garbage="$1" seed="${SEED:-$RANDOM}"
	at "$node" timeout 300 "$probe" --timeout 280000 --retry 500 >"$said" 2>&1
	has "$1 packets of rubbish, then a good server: it is taken" ADDRESS=10.7.0.50/24
	t "the rubbish was sent" grep -q 'rubbish sent' "$said.server"
	stop $server_pid
}

part_isc() {
	cat >"$SCRATCH/dhcpd.conf" <<-EOT
		authoritative;
		option rfc3442 code 121 = array of unsigned integer 8;
		subnet 10.7.0.0 netmask 255.255.255.0 {
			range 10.7.0.100 10.7.0.101;
			option routers 10.7.0.1;
			option interface-mtu 1400;
			default-lease-time 30;
			min-lease-time 10;
			next-server 10.7.0.1;
			filename "a.index";
		}
		subnet 10.8.0.0 netmask 255.255.255.0 {
			range 10.8.0.100 10.8.0.110;
			option rfc3442 24, 192,168,5, 10,8,0,1, 0, 10,8,0,1;
		}
	EOT
	: >"$SCRATCH/dhcpd.leases"
	at "$server" ip address replace 10.7.0.1/24 dev s0
	# the relay's far side
	new_net relay
	new_net far
	cable "$relay" far 52:54:00:00:00:aa "$server" s1
	cable "$relay" near 52:54:00:00:00:ab "$far" eth0
	at "$server" ip address add 10.9.0.1/24 dev s1
	at "$server" ip route add 10.8.0.0/24 via 10.9.0.2
	at "$relay" ip link set far up
	at "$relay" ip link set near up
	at "$relay" ip address add 10.9.0.2/24 dev far
	at "$relay" ip address add 10.8.0.1/24 dev near
	cat >>"$SCRATCH/dhcpd.conf" <<-EOT
		subnet 10.9.0.0 netmask 255.255.255.0 { }
	EOT
	at "$far" ip link set eth0 down
	nsenter -t "$server" -n dhcpd -4 -f -q --no-pid -cf "$SCRATCH/dhcpd.conf" -lf "$SCRATCH/dhcpd.leases" s0 s1 \
		>"$SCRATCH/dhcpd.log" 2>&1 &
	pids+=($!)
	wait_for 10 at "$server" bash -c 'ss -Hwln | grep -q . || ss -Hlun "sport = :67" | grep -q .'
	run_probe
	has "ISC's dhcpd: lease, MTU and boot file" ADDRESS=10.7.0.100/24 "LEASE=30 RENEW=15 REBIND=26" MTU=1400 \
		BOOT_FILE=a.index NEXT_SERVER=10.7.0.1
	nsenter -t "$relay" -n dhcrelay -4 -d --no-pid -id near -iu far 10.9.0.1 >"$SCRATCH/relay.log" 2>&1 &
	pids+=($!)
	wait_for 10 grep -q 'Socket/fallback\|Sending on' "$SCRATCH/relay.log"
	at "$far" timeout 20 "$probe" --apply >"$said" 2>&1
	has "behind ISC's relay: the far server's lease" ADDRESS=10.8.0.100/24 "ROUTE=192.168.5.0/24 via 10.8.0.1"
	t "and its routes" bash -c "nsenter -t $far -n ip route | grep -q '^default via 10.8.0.1 dev eth0'"
	stop ${pids[-1]}
	stop ${pids[-2]}
	part_kea
}

# Where it is installed: it brings twenty libraries.

part_kea() {
	command -v kea-dhcp4 >/dev/null || return 0
	cat >"$SCRATCH/kea.conf" <<-EOT
		{ "Dhcp4": { "interfaces-config": { "interfaces": [ "s0" ] },
			"lease-database": { "type": "memfile", "persist": false },
			"valid-lifetime": 20,
			"subnet4": [ { "subnet": "10.7.0.0/24", "pools": [ { "pool": "10.7.0.150 - 10.7.0.160" } ],
				"next-server": "10.7.0.1", "boot-file-name": "k.index",
				"option-data": [ { "name": "routers", "data": "10.7.0.1" } ] } ] } }
	EOT
	mkdir -p "$SCRATCH/kea"
	KEA_PIDFILE_DIR=$SCRATCH/kea KEA_LOCKFILE_DIR=$SCRATCH/kea nsenter -t "$server" -n kea-dhcp4 -c "$SCRATCH/kea.conf" \
		>"$SCRATCH/kea.log" 2>&1 &
	pids+=($!)
	wait_for 15 grep -q DHCP4_STARTED "$SCRATCH/kea.log"
	run_probe
	has "Kea: lease and boot file" ADDRESS=10.7.0.150/24 "LEASE=20 RENEW=10 REBIND=17" BOOT_FILE=k.index \
		NEXT_SERVER=10.7.0.1
	stop ${pids[-1]}
}

# --- many NICs ---
nics_up() { [ "$(at "$node" ip -o link show up | wc -l)" = "$1" ]; }
part_nics() {
	local i one sixteen before

	our_server 10.7.0.1 10.7.0.50
	run_probe --retry 300
	one=$(took)
	for i in $(seq 1 15); do
		cable "$node" "x$i" "52:54:00:00:01:$(printf %02x "$i")" "$server" "p$i"
	done
	before=$(at "$node" ip -o link show up | wc -l)
	# all but the one with a server have a link and nobody who answers; a busy machine may be slow more than once
	for i in 1 2 3 4 5; do
		at "$node" ip address flush dev eth0
		at "$node" timeout 20 "$probe" --retry 300 >"$said" 2>&1
		sixteen=$(took)
		[ "$sixteen" -gt $((one + 150)) ] || break
	done
	has "16 NICs with a link: the one that is answered wins" INTERFACE=eth0
	t "16 NICs cost what one costs ($sixteen ms, $one ms with one)" test "$sixteen" -le $((one + 150))
	t "its memory: less than 8 MB ($(sed -n 's/^PEAK_KB=//p' "$said") KB)" \
		test "$(sed -n 's/^PEAK_KB=//p' "$said")" -lt 8192
	t "those that did not win are down again" wait_for 5 nics_up "$before"
	at "$node" timeout 20 "$probe" --prefer 52:54:00:00:01:07 >"$said" 2>&1
	has "a preferred NIC that nobody answers does not hold up 16" INTERFACE=eth0
	for i in $(seq 1 15); do
		at "$node" ip link del "x$i"
	done
	stop $server_pid
}

# --- the lease is kept after init is gone ---

# lease_file ADDRESS SECONDS: as init leaves it.
lease_file() {
	local now=$(($(cut -d' ' -f1 /proc/uptime | tr -d .) * 10))

	at "$node" ip link set eth0 up
	at "$node" ip address replace "$1/24" dev eth0
	printf 'INTERFACE=%s\nMAC=%s\nADDRESS=%s/24\nSERVER=10.7.0.1\nLEASE_SECONDS=%d\nRENEW_SECONDS=%d\n%s\nOBTAINED_MS=%d\n' \
		nic0 $mac "$1" "$2" $(($2 / 2)) "REBIND_SECONDS=$(($2 * 7 / 8))" "$now" >"$SCRATCH/lease"
	printf 'MAC=%s\nMASTER=10.7.0.1\n' $mac >"$SCRATCH/boot-file"
}
slave() {
	nsenter -t "$node" -n "$BUILD/src/cli/bpslave" --renew --lease "$SCRATCH/lease" --boot-file "$SCRATCH/boot-file" \
		--key "$SCRATCH/keys/master.pub" >"$said.slave" 2>&1 &
	slave_pid=$!
	pids+=($!)
}
slave_says() { # SECONDS TEXT
	wait_for "$1" grep -qF -- "$2" "$said.slave" || {
		cat "$said.slave" "$said.server"
		return 1
	}
}
has_address() { at "$node" ip -o -4 address show dev eth0 | grep -q " $1/24 "; }
renewals() { [ "$(grep -c '^REQUEST .*ciaddr=10.7.0.50 .* unicast' "$said.server")" -ge "$1" ]; }
part_renewal() {
	"$bpboot" keygen --dir "$SCRATCH/keys" >/dev/null
	our_server 10.7.0.1 10.7.0.50 lease=4 t1=1 t2=3 second=10.7.0.51
	lease_file 10.7.0.50 4
	slave
	t "bpslave renews a lease of 4 s for three lease times" wait_for 20 renewals 10
	t "and the node still has its address" has_address 10.7.0.50
	t "the file says when, and what the interface is called now" grep -qx INTERFACE=eth0 "$SCRATCH/lease"
	t "by the same client id as firmware and init" \
		test "$(grep '^REQUEST' "$said.server" | grep -vc "id=01${mac//:/}")" = 0
	stop $server_pid

	our_server 10.7.0.1 10.7.0.50 lease=4 t1=1 t2=2 deaf-unicast=1
	t "a server that does not renew: any server is asked" slave_says 15 "does not renew 10.7.0.50, asking any server"
	t "by broadcast" wait_for 30 grep -q '^REQUEST .*ciaddr=10.7.0.50 .* broadcast' "$said.server"
	stop $server_pid
	t "the end of a lease is said" slave_says 15 "the lease of 10.7.0.50 has run out and no DHCP server answers"
	t "the address stays in use" has_address 10.7.0.50
	: >"$said.slave"
	our_server 10.7.0.1 10.7.0.50 lease=4 t1=1 nak-after=1 second=10.7.0.51
	t "a server that is back renews it" slave_says 20 "10.7.0.50 leased for another 4 s by 10.7.0.1"
	t "an address that is taken back is said" slave_says 15 "takes back the address 10.7.0.50: not yours"
	t "another one is asked for, and set" wait_for 15 has_address 10.7.0.51
	t "the old one is gone" bash -c "! nsenter -t $node -n ip -o -4 address | grep -q 10.7.0.50"
	t "the file has the new one" wait_for 5 grep -qx ADDRESS=10.7.0.51/24 "$SCRATCH/lease"
	stop $slave_pid
	stop $server_pid
}

# --- init itself, as a light node ---

# image: a boot directory with one small image, its key beside it.
image() {
	mkdir -p "$SCRATCH/boot" && "$bpboot" keygen --dir "$SCRATCH/keys" >/dev/null &&
		printf 'file %s /bin/busybox\ninit /bin/busybox\n' "$(command -v busybox)" >"$SCRATCH/small.image" &&
		"$bpboot" image --quiet --key "$SCRATCH/keys/sign.key" --output "$SCRATCH/boot" "$SCRATCH/small.image" >"$SCRATCH/image.out"
}
# dnsmasq OPTIONS...: with TFTP of that directory.
dns_server() {
	nsenter -t "$server" -n dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --group=root \
		--interface=s0 --bind-interfaces --leasefile-ro --no-ping --no-resolv --no-hosts --log-facility="$SCRATCH/dnsmasq.log" \
		--enable-tftp --tftp-root="$SCRATCH/boot" --log-dhcp "$@" </dev/null >"$SCRATCH/dnsmasq.out" 2>&1 &
	server_pid=$!
	pids+=($!)
	wait_for 5 at "$server" bash -c 'ss -Hlun "sport = :53" | grep -q .'
}
node_is_up_to() { # SECONDS REGEX
	wait_for "$1" grep -qE -- "$2" "$SCRATCH/node/console"
}
node_begins() { # CMDLINE...
	rm -rf "$SCRATCH/node"
	at "$node" ip address flush dev eth0
	light_node "$SCRATCH/node" "$node" "$SCRATCH/keys/sign.pub" bpboot.link=5 bpboot.dhcp=8 bpboot.retry=30 "$@"
}
node_says() { # NAME REGEX
	if node_is_up_to 20 "$2"; then
		ok "$1"
	else
		not_ok "$1" "no '$2' in: $(cat "$SCRATCH/node/console" "$SCRATCH/node/log")"
	fi
	light_stop
}
# boots NAME REGEX CMDLINE...: a light node of that command line says so.
boots() {
	node_begins "${@:3}"
	node_says "$1" "$2"
}
here=10.7.0.1
part_init() {
	image || {
		not_ok "an image is built"
		return
	}
	at "$server" ip address add $here/24 dev s0
	dns_server --host-record=boot.example.org,$here --host-record=boot.lab.example.org,$here \
		--cname=alias.example.org,boot.example.org --dhcp-range=10.7.0.100,10.7.0.150,1h \
		--dhcp-option=option:domain-search,lab.example.org --dhcp-option=15,example.org
	boots "root= by name: its address comes by DNS" 'index ok: small, ' root=tftp://boot.example.org/small.index
	boots "a name without a dot is looked for in DHCP's search list" 'dhcp ok: boot is 10.7.0.1' root=tftp://boot/small.index
	boots "an alias" 'dhcp ok: alias.example.org is 10.7.0.1' root=tftp://alias.example.org/small.index
	boots "a name that is not there is said" \
		"dhcp fail: cannot find the host of root=: the name server $here (knows no address of|answers for) 'nowhere.example.org'" \
		bpboot.dns=2 root=tftp://nowhere.example.org/small.index
	boots "a static address with gateway and host name" "dhcp ok: eth0: static address 10.7.0.9/24" \
		ip=10.7.0.9::10.7.0.254:24:n9:eth0:none root=tftp://$here/small.index
	boots "a static address, nameserver= and a name" 'index ok: small, ' \
		ip=10.7.0.9:::255.255.255.0::eth0:off nameserver=$here root=tftp://boot.example.org/small.index
	boots "a static address and a name, and nobody to ask" \
		'dhcp fail: root= names the host boot.example.org, and nobody says which name server to ask: set nameserver=' \
		ip=10.7.0.9:::24 root=tftp://boot.example.org/small.index
	boots "a name server that is not there is said" \
		"dhcp fail: cannot find the host of root=: no answer from the name server 10.7.0.77 for 'boot.example.org'" \
		ip=10.7.0.9:::24 nameserver=10.7.0.77 bpboot.dns=2 root=tftp://boot.example.org/small.index
	boots "the fields of ip= win over what DHCP says" 'index ok: small, ' ip=:$here:::n7:eth0:dhcp root=tftp:///small.index
	t "and its host name is told to the server" grep -q 'client provides name: n7' "$SCRATCH/dnsmasq.log"
	boots "a device that is not there is named" "link fail: there is no network interface 'eth9'" ip=eth9:dhcp bpboot.link=2
	stop $server_pid
}

# A front end that has no IPv4 address, and a node that joins it.
ip6_master() {
	nsenter -t "$server" -n "$BUILD/src/cli/bpmaster" --foreground --state "$SCRATCH/state" --socket "$SCRATCH/master.sock" \
		--key "$SCRATCH/keys/master.key" --unknown accept </dev/null >"$SCRATCH/master.log" 2>&1 &
	pids+=($!)
	wait_for 10 test -S "$SCRATCH/master.sock"
}
ip6_joined() { [ "$("$BUILD/src/cli/bpstat" --socket "$SCRATCH/master.sock" -a 2>&1)" = fd77::9 ]; }
ip6_event() { grep -rq 'fd77::9/64 static' "$SCRATCH/state"; }
ip6_member() {
	t "boot events come to bpmaster over IPv6" wait_for 5 ip6_event
	at "$node" ip address replace fd77::9/64 dev eth0 nodad
	at "$node" ip link set eth0 up
	printf 'MAC=%s\nMASTER=[fd77::1]\n' $mac >"$SCRATCH/boot-file"
	nsenter -t "$node" -n "$BUILD/src/cli/bpslave" --boot-file "$SCRATCH/boot-file" --key "$SCRATCH/keys/master.pub" \
		>"$said.slave" 2>&1 &
	slave_pid=$!
	pids+=($!)
	if wait_for 15 ip6_joined; then
		ok "a node without an IPv4 address joins, and bpstat tells its address"
	else
		not_ok "a node without an IPv4 address joins, and bpstat tells its address" "$(cat "$SCRATCH/master.log" "$said.slave")"
	fi
	t_says "it runs a command" 0 ran "$BUILD/src/cli/bpsh" --socket "$SCRATCH/master.sock" 0 /bin/echo ran
	stop $slave_pid
}
part_ip6() {
	image || {
		not_ok "an image is built"
		return
	}
	at "$server" ip address add fd77::1/64 dev s0 nodad
	dns_server --enable-ra --dhcp-range=::,constructor:s0,ra-only,64 --host-record=boot.example.org,fd77::1 \
		--dhcp-option=option6:dns-server,[fd77::1] --dhcp-option=option6:domain-search,example.org
	boots "a router advertises: root=tftp://[IPv6]" 'index ok: small, ' 'root=tftp://[fd77::1]/small.index'
	t "the address is the router's prefix and the card's own" \
		grep -q 'dhcp ok: eth0: fd77::5054:ff:fe00:1/64 by router advertisement, gateway fe80::' "$SCRATCH/node/console"
	boots "ip=auto6: a name, by the name server of the advertisement" 'dhcp ok: boot is fd77::1' \
		ip=auto6 root=tftp://boot/small.index
	stop $server_pid
	boots "no router is said" 'dhcp fail: no router advertises itself on eth0' ip=auto6 bpboot.dhcp=1 \
		'root=tftp://[fd77::1]/small.index'
	(cd "$SCRATCH/boot" && exec nsenter -t "$server" -n python3 -m http.server --bind fd77::1 80) >/dev/null 2>&1 &
	pids+=($!)
	wait_for 10 at "$server" bash -c 'ss -Hltn "sport = :80" | grep -q .'
	ip6_master
	boots "a static IPv6 address: root=http://[IPv6]" 'index ok: small, ' \
		'ip=[fd77::9]::[fd77::1]:64:n9:eth0:none' 'root=http://[fd77::1]/small.index'
	ip6_member
	t "bpboot fetch http://[IPv6]" at "$server" "$bpboot" fetch --output "$SCRATCH/got" 'http://[fd77::1]/small.index'
	cat >"$SCRATCH/radvd.conf" <<-EOT
		interface s0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
			prefix fd77::/64 { }; RDNSS fd77::1 { }; };
	EOT
	nsenter -t "$server" -n radvd -n -C "$SCRATCH/radvd.conf" -p "$SCRATCH/radvd.pid" -m stderr >"$SCRATCH/radvd.log" 2>&1 &
	pids+=($!)
	boots "radvd advertises: root=http://[IPv6]" 'index ok: small, ' ip=auto6 'root=http://[fd77::1]/small.index'
}

part_dhcp6() {
	image || {
		not_ok "an image is built"
		return
	}
	at "$server" ip address add fd77::1/64 dev s0 nodad
	dns_server --enable-ra --dhcp-range=fd77::100,fd77::1ff,64,1h --host-record=boot.example.org,fd77::1 \
		--dhcp-option=option6:dns-server,[fd77::1] \
		--dhcp-option=option6:bootfile-url,tftp://[fd77::1]/small.index
	boots "DHCPv6 gives address, name server and the boot file's URL" 'index ok: small, ' ip=dhcp6
	t "its address is said" grep -qE 'dhcp ok: eth0: fd77::1[0-9a-f]+/(64|128) by DHCPv6' "$SCRATCH/node/console"
	# bpslave goes on with it; dnsmasq's shortest lease is two minutes, so the file says that half of one is over
	light_stop
	printf 'INTERFACE=nic0\nMAC=%s\nADDRESS6=%s/64\nLEASE6_SECONDS=120\nRENEW6_SECONDS=60\nOBTAINED_MS=%d\n' $mac \
		"$(grep -oE 'fd77::1[0-9a-f]+' "$SCRATCH/node/console" | head -n 1)" \
		$(($(cut -d' ' -f1 /proc/uptime | tr -d .) * 10 - 61000)) >"$SCRATCH/lease"
	printf 'MAC=%s\nMASTER=10.7.0.1\n' $mac >"$SCRATCH/boot-file"
	slave
	t "bpslave renews an address of DHCPv6" wait_for 15 grep -qE 'eth0: fd77::1[0-9a-f]+ leased for another [0-9]+ s' "$said.slave"
	stop $slave_pid
	# a machine that has the address already answers the kernel's question
	local taken=$(grep -oE 'fd77::1[0-9a-f]+/' "$SCRATCH/node/console" | head -n 1)
	at "$server" ip address add "${taken%/}/128" dev s0 nodad
	boots "DHCPv6 gives an address that somebody has: another one is taken" 'index ok: small, ' ip=dhcp6
	t "the first one is declined" grep -q "DHCPDECLINE(s0)" "$SCRATCH/dnsmasq.log"
	t "and not used" bash -c "! grep -q 'dhcp ok: .*$taken' '$SCRATCH/node/console'"
	boots "the router says that there is DHCPv6: ip=auto6 asks it" 'by DHCPv6' ip=auto6 'root=tftp://[fd77::1]/small.index'
	stop $server_pid
	part_both6 "${taken%/}"
	at "$server" ip address del "${taken%/}/128" dev s0
	dns_server --enable-ra --dhcp-range=fd77::,ra-stateless,64 --dhcp-option=option6:dns-server,[fd77::1] \
		--dhcp-option=option6:bootfile-url,tftp://[fd77::1]/small.index
	boots "an address from the router, the rest by DHCPv6" 'index ok: small, ' ip=auto6
	stop $server_pid
	boots "no DHCPv6 server is said" 'dhcp fail: no DHCPv6 answer on eth0 \([0-9]+ tries in [0-9]+ s\), and no router' \
		ip=dhcp6 bpboot.dhcp=3
}

# A router's prefix makes one address, DHCPv6 leases another a while later, and somebody has that: TAKEN.
is_settled() { at "$node" ip -o -6 address show dev eth0 -tentative | grep -q "fd77::5054:ff:fe00:1/64"; }
part_both6() {
	local radvd_pid

	cat >"$SCRATCH/radvd.conf" <<-EOT
		interface s0 { AdvSendAdvert on; AdvManagedFlag on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
			prefix fd77::/64 { }; RDNSS fd77::1 { }; };
	EOT
	nsenter -t "$server" -n radvd -n -C "$SCRATCH/radvd.conf" -p "$SCRATCH/radvd.pid" -m stderr >"$SCRATCH/radvd.log" 2>&1 &
	radvd_pid=$!
	pids+=($!)
	: >"$SCRATCH/dnsmasq.log"
	node_begins bpboot.dhcp=30 ip=dhcp6
	t "the router's prefix has made an address" wait_for 15 is_settled
	dns_server --dhcp-range=fd77::100,fd77::1ff,64,1h --dhcp-option=option6:bootfile-url,tftp://[fd77::1]/small.index
	node_says "a leased address is used when it has been checked, whatever others there are" 'dhcp ok: .* by DHCPv6'
	t "one that somebody has is declined beside another, too" grep -q "DHCPDECLINE(s0)" "$SCRATCH/dnsmasq.log"
	t "and not used" bash -c "! grep 'dhcp ok: .*: $1/' '$SCRATCH/node/console'"
	stop $server_pid
	boots "a static address that somebody has is refused beside another" \
		"dhcp fail: eth0: cannot set address $1/64: Address already in use" \
		"ip=[$1]::[fd77::1]:64:n9:eth0:none" 'root=tftp://[fd77::1]/small.index'
	stop $radvd_pid
}

# --- from init to who renews: the files that init leaves, read by those they are for ---
node_renewals() { [ "$(grep -c '^REQUEST .*ciaddr=10.7.0.50 .* unicast' "$said.server")" -ge "$1" ]; }
# handover_boots NAME ADDRESS CMDLINE...: a light node boots from http://ADDRESS; what init leaves in its /run is in $SCRATCH/left.*
handover_boots() {
	local f

	printf '#!/bin/busybox sh\nfor f in /run/bpboot/lease /run/bpboot/boot /run/systemd/network/90-bpboot.network; do
		echo "file $f"; /bin/busybox cat $f; echo end; done >>/dev/console\nexec /bin/busybox sleep 1000\n' >"$SCRATCH/init"
	mkdir -p "$SCRATCH/boot" && "$bpboot" keygen --dir "$SCRATCH/keys" >/dev/null
	printf 'file %s /bin/busybox\nfile init /sbin/init mode=0755\ndir /dev\ndir /proc\ndir /sys\ndir /run\n' \
		"$(command -v busybox)" >"$SCRATCH/small.image"
	"$bpboot" image --quiet --format cpio --key "$SCRATCH/keys/sign.key" --output "$SCRATCH/boot" "$SCRATCH/small.image" \
		>"$SCRATCH/image.out" || not_ok "an image is built" "$(cat "$SCRATCH/image.out")"
	(cd "$SCRATCH/boot" && exec nsenter -t "$server" -n python3 -m http.server --bind "$2" 80) >/dev/null 2>&1 &
	pids+=($!)
	wait_for 10 at "$server" bash -c 'ss -Hltn "sport = :80" | grep -q .'
	boots "$1" '^file /run/systemd/network/90-bpboot.network' "${@:3}"
	wait_for 5 bash -c "[ \$(grep -c ^end '$SCRATCH/node/console') = 3 ]"
	for f in lease boot 90-bpboot.network; do
		sed -n "/^file .*\/$f\$/,/^end\$/p" "$SCRATCH/node/console" | sed '1d;$d' >"$SCRATCH/left.$f"
	done
	cp "$SCRATCH/left.lease" "$SCRATCH/lease" && cp "$SCRATCH/left.boot" "$SCRATCH/boot-file"
}
# systemd-networkd in the node's network, with the file that init left
networkd() {
	[ -x /lib/systemd/systemd-networkd ] || {
		echo "skip systemd-networkd renews the lease - it is not installed"
		return 1
	}
	nsenter -t "$node" -n unshare --mount bash -c "mount -t sysfs -o ro sysfs /sys && mount -t tmpfs tmpfs /run &&
		mkdir -p /run/systemd/network /run/systemd/netif/links && cp '$SCRATCH/left.90-bpboot.network' /run/systemd/network/90-bpboot.network &&
		exec /lib/systemd/systemd-networkd" >"$SCRATCH/networkd.log" 2>&1 &
	pids+=($!)
}
part_handover() {
	our_server 10.7.0.1 10.7.0.50 lease=4 t1=1 t2=3 file=small.index
	handover_boots "a light node boots to its root" 10.7.0.1 root=http://10.7.0.1/small.index
	t "init leaves the lease with its times and client id" bash -c "grep -qx LEASE_SECONDS=4 '$SCRATCH/lease' &&
		grep -qx RENEW_SECONDS=1 '$SCRATCH/lease' && grep -qx CLIENT_ID=01${mac//:/} '$SCRATCH/lease'"
	slave
	t "bpslave goes on with the lease as init left it, for three lease times" wait_for 40 node_renewals 12
	t "and the node still has its address" has_address 10.7.0.50
	stop $slave_pid
}
# networkd may let ten seconds pass when it is to renew, so its leases are longer than that.
part_networkd() {
	our_server 10.7.0.1 10.7.0.50 lease=20 t1=4 t2=16 file=small.index
	handover_boots "a light node boots to its root" 10.7.0.1 root=http://10.7.0.1/small.index
	seen=$(grep -c '^REQUEST' "$said.server")
	networkd || return
	sleep 60 # three lease times
	networkd_was_to "systemd-networkd goes on with the lease for three lease times, by the file that init left" renewed 5
	t "by the same client id, for the same address" bash -c \
		"! grep '^REQUEST' '$said.server' | grep -v 'id=01${mac//:/}' && ! grep -q '^REQUEST .*requested=10.7.0.5[1-9]' '$said.server'"
	t "and the node still has its address then" has_address 10.7.0.50
	stop ${pids[-1]}
	t "also when networkd has ended" has_address 10.7.0.50
}
renewed() { [ "$(grep -c '^REQUEST' "$said.server")" -ge $((seen + $1)) ]; }
networkd_was_to() { # NAME CONDITION...
	if wait_for 60 "${@:2}"; then
		ok "$1"
	else
		not_ok "$1" "$(tail -n 4 "$said.server") $(grep -v state "$SCRATCH/networkd.log")"
	fi
}

# The same with a lease of DHCPv6, from ISC's dhcpd; no router says that there is such a server.
replies6() { [ "$(grep -c 'Sending Reply' "$said.server")" -ge $((seen + $1)) ]; }
has_address6() { at "$node" ip -o -6 address show dev eth0 to "$address6" | grep . >/dev/null; }
leased6() { sed -n 's/^Reply NA: address \(.*\) valid for .*/\1/p' "$said.server" | sort -u; }
lease6_is_left() { # SECONDS RENEW REBIND
	printf '%s\n' "default-lease-time $1; preferred-lifetime $1; option dhcp-renewal-time $2; option dhcp-rebinding-time $3;" \
		'subnet6 fd77::/64 { range6 fd77::100 fd77::1ff; }' >"$SCRATCH/dhcpd6.conf"
	: >"$SCRATCH/dhcpd6.leases"
	at "$server" ip address add fd77::1/64 dev s0 nodad
	# it wants a link-local address that has been checked, and thus a link
	at "$node" ip link set eth0 up
	wait_for 10 bash -c "nsenter -t $server -n ip -o -6 address show dev s0 scope link -tentative | grep -q fe80"
	nsenter -t "$server" -n dhcpd -6 -f -d --no-pid -cf "$SCRATCH/dhcpd6.conf" -lf "$SCRATCH/dhcpd6.leases" s0 >"$said.server" 2>&1 &
	pids+=($!)
	wait_for 10 at "$server" bash -c 'ss -Hlun "sport = :547" | grep -q .'
	handover_boots "a light node boots to its root with a lease of DHCPv6 of $1 s" fd77::1 ip=dhcp6 'root=http://[fd77::1]/small.index'
	t "init leaves the lease with its times" bash -c "grep -qx LEASE6_SECONDS=$1 '$SCRATCH/lease' &&
		grep -qx RENEW6_SECONDS=$2 '$SCRATCH/lease'"
	address6=$(sed -n 's/^ADDRESS6=\(.*\)\/.*/\1/p' "$SCRATCH/lease")
	seen=$(grep -c 'Sending Reply' "$said.server")
}
lease6_was_kept() { # WHO
	t "$1: the node still has its address of DHCPv6" has_address6
	t "$1: it asks as the client that init was" test "$(leased6 | wc -l)" = 1
	stop ${pids[-1]}
	t "$1: the address is still there when it has ended" has_address6
}
part_handover6() {
	lease6_is_left 6 2 4
	slave
	t "bpslave goes on with it for three lease times" wait_for 60 replies6 9
	lease6_was_kept bpslave
}
part_networkd6() {
	lease6_is_left 20 4 16
	networkd || return
	sleep 60 # three lease times
	networkd_was_to "systemd-networkd goes on with it for three lease times, by the file that init left" replies6 5
	lease6_was_kept systemd-networkd
}

# --- links made of others: in a machine, as not every kernel has them ---
part_links() {
	local key=$SCRATCH/keys/sign.pub i wires=
	VM=$SCRATCH/vm
	mkdir -p "$VM/consoles" && ip link set lo up
	"$bpboot" keygen --dir "$SCRATCH/keys" >/dev/null
	"$bpboot" initrd -q --kernel "$KERNEL_CLOUD" --modules virtual,8021q,bonding --key "$key" --output "$SCRATCH/links.img" ||
		not_ok "an initrd with 8021q and bonding is built"
	"$bpboot" initrd -q --kernel "$KERNEL_CLOUD" --modules virtual --key "$key" --output "$SCRATCH/plain.img"
	python3 tests/tools/dhcp-frames.py 10.7.0.1 10.7.0.50 5 7001:7101 7002:7102 >"$said.server" 2>&1 &
	pids+=($!)
	wait_for 10 grep -q ready "$said.server"
	for i in 1 2; do
		wires+=" -netdev dgram,id=n$i,local.type=inet,local.host=127.0.0.1,local.port=710$i"
		wires+=,remote.type=inet,remote.host=127.0.0.1,remote.port=700$i
		wires+=" -device virtio-net-pci,netdev=n$i,mac=52:54:00:77:00:0$i,romfile="
	done
	# shellcheck disable=SC2086
	vm_start "$SCRATCH/links.img" "vlan=bond7.0005:bond7 bond=bond7:eth0,eth1:mode=active-backup,miimon=50,nonsense=1:1450
		bpboot.link=60" -m 200 $wires -serial "$(vm_serial)"
	vm_monitor cont
	if vm_says 90 'dhcp ok: bond7.0005: 10.7.0.50/24 from 10.7.0.1'; then
		ok "a VLAN on a bond of two cards: its address"
	else
		not_ok "a VLAN on a bond of two cards: its address" \
			"$(tail -n 5 "$VM/consoles/$VM_MAC.log") $(cat "$said.server")"
	fi
	t "it was asked for with the VLAN's tag, and nowhere else" bash -c \
		"grep -q '^DISCOVER vlan=5 ' '$said.server' && ! grep -q ' vlan=0 ' '$said.server'"
	t "an option that the kernel does not know is said, and left out" vm_says 1 "link warn: ignoring 'nonsense=1' of bond="
	vm_end
	rm -f "$VM/monitor"
	# shellcheck disable=SC2086
	vm_start "$SCRATCH/plain.img" "vlan=vlan5:eth0 bond=bond0 bpboot.link=5" -m 200 $wires -serial "$(vm_serial)"
	vm_monitor cont
	t "a missing module is said, with how to get it" vm_says 90 \
		"link fail: cannot make bond0: the kernel needs the module bonding, .* 'bpboot initrd --modules net,bonding'"
	vm_end
}

# Each part has its own network; all run side by side.
if [ "${1-}" = --part ]; then
	SCRATCH=$SCRATCH/$2
	said=$SCRATCH/said
	mkdir -p "$SCRATCH"
	new_net server
	new_net node
	cable "$node" eth0 $mac "$server" s0
	"part_$2"
	done_testing
fi
get_dhcp_stock 2>"$SCRATCH/stock.log" || {
	echo "skip network - no DHCP servers are to be had: $(tail -n 1 "$SCRATCH/stock.log")"
	exit 0
}
parts=${*:-dhcp isc nics renewal init ip6 dhcp6 handover handover6 links}
for part in $parts; do
	NETWORK_NS= bash "$0" --part "$part" >"$SCRATCH/$part.tap" 2>&1 &
done
wait
for part in $parts; do
	cat "$SCRATCH/$part.tap"
	grep -q '^not ok' "$SCRATCH/$part.tap" && lib_failed=1
done
done_testing
