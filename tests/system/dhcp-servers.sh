#!/bin/bash
# dhcp-servers.sh - dnsmasq, ISC's dhcpd and Kea take the configuration that is written for them, and tell each kind of
# client the same: one table, three servers; and dnsmasq as a proxy beside another server
#
# Node and server are network namespaces with a cable between them. Firmware, iPXE and init are tests/tools/dhcp-offers.py
# with their options; init asks with its own client besides. ISC's dhcpd and Kea lie unpacked below $BUILD.
. tests/system/lib.sh

PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT

if [ -z "${SERVERS_NS-}" ]; then # while there is a network
	get_dhcp_stock 2>"$SCRATCH/stock.log" || echo "skip ISC dhcpd - its package cannot be had: $(tail -n 1 "$SCRATCH/stock.log")"
	get_kea 2>"$SCRATCH/stock.log" || echo "skip Kea - its packages cannot be had: $(tail -n 1 "$SCRATCH/stock.log")"
	export SERVERS_NS=1
	[ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null && exec unshare -n bash "$0"
	echo "skip DHCP servers - root and a network namespace are needed"
	exit 0
fi
get_dhcp_stock 2>/dev/null
get_kea 2>/dev/null

unshare -n sleep infinity &
net=$!
pids+=($net)
wait_for 10 bash -c "[ \"\$(readlink /proc/$net/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
ip link set lo up && ip link add nic type veth peer name srv netns "$net" && ip link set nic up &&
	nsenter -t "$net" -n sh -c 'ip link set lo up && ip address add 10.1.0.1/16 dev srv && ip link set srv up' || exit 1

mkdir -p "$SCRATCH/boot" "$SCRATCH/state" && chmod 755 "$SCRATCH" "$SCRATCH/state"
cat >"$SCRATCH/nodes" <<'EOT2'
0 52:54:00:00:00:10 10.1.1.0
1 52:54:00:00:00:11 10.1.1.1 big login
2 52:54:00:00:00:12
EOT2
# cluster LOADER UNKNOWN
cluster() {
	cat >"$SCRATCH/cluster.conf" <<EOT2
[cluster]
name = test
interface = srv
network = 10.1.0.0/16
address = 10.1.0.1
boot = boot
nodes = nodes
loader = $1
unknown = $2
servers = 10.1.0.1 http://10.1.0.2:8080/boot
[dhcp]
range = 10.1.200.1-10.1.200.99
lease = 10m
[master]
state = state
EOT2
}
in_net() { nsenter -t "$net" -n "$@"; }
listens() { in_net sh -c 'ss -Hlun "sport = :67" | grep -q . || ss -Hl0 | grep -q srv'; }

## each server: its own checker, and to serve
accepts() { # SERVER
	local conf=$SCRATCH/$1.conf

	"$bpboot" config "$1" --cluster "$SCRATCH/cluster.conf" >"$conf" || return 1
	case $1 in
	dnsmasq*) dnsmasq --test --conf-file="$conf" ;;
	isc-dhcpd) : >"$SCRATCH/state/isc.leases" && dhcpd -t -q -cf "$conf" -lf "$SCRATCH/state/isc.leases" ;;
	kea)
		sed -i "s|\"type\": \"memfile\"|&, \"name\": \"$SCRATCH/state/kea.csv\"|" "$conf"
		in_net "$kea" -t "$conf" | grep -v ' INFO '
		in_net "$kea" -t "$conf" >/dev/null
		;;
	esac
}
server=
serve() { # SERVER
	local conf=$SCRATCH/$1.conf

	rm -f "$SCRATCH"/state/*
	case $1 in
	dnsmasq*) set -- dnsmasq --no-daemon --user=root --pid-file= --conf-file="$conf" ;;
	isc-dhcpd)
		: >"$SCRATCH/state/isc.leases"
		set -- dhcpd -f -q -4 --no-pid -cf "$conf" -lf "$SCRATCH/state/isc.leases" srv
		;;
	kea) set -- env KEA_PIDFILE_DIR="$SCRATCH/state" KEA_LOCKFILE_DIR="$SCRATCH/state" "$kea" -c "$conf" ;;
	esac
	nsenter -t "$net" -n "$@" </dev/null >"$SCRATCH/server.log" 2>&1 &
	server=$!
	pids+=($server)
	wait_for 20 listens
}
stop() {
	kill "$server"
	wait "$server" 2>/dev/null
	unset 'pids[-1]'
}

## the table: KIND, boot file for loader ipxe, pxelinux, grub ("=": as ipxe's), option 60
http=http://10.1.0.2:8080/boot
table="
bios       undionly.kpxe            pxelinux.0 grub/i386-pc/core.0     -
x64-7      snponly.efi              =          grub/x86_64-efi/core.efi -
x64-9      snponly.efi              =          grub/x86_64-efi/core.efi -
arm64      snponly-arm64.efi        =          grub/arm64-efi/core.efi -
http-x64   $http/snponly.efi        =          =                       HTTPClient
http-arm64 $http/snponly-arm64.efi  =          =                       HTTPClient
ipxe-bios  boot.ipxe                pxelinux.0 grub/i386-pc/core.0     -
ipxe-x64   boot.ipxe                =          grub/x86_64-efi/core.efi -
init       -                        =          =                       -
"
root() { echo "tftp://10.1.0.1/$1.index,$http/$1.index"; }
# asks SERVER LOADER WHO MAC ADDRESS HOST IMAGE: each kind of client, against the table. ADDRESS "range": of the range;
# "none": no answer at all; "proxy": dnsmasq as a proxy.
asks() {
	local server_name=$1 loader=$2 who=$3 mac=$4 address=$5 host=$6 image=$7 kind file pxelinux grub class want got seconds=10
	local kinds

	kinds=$(echo "$table" | awk 'NF { print $1 }')
	[ "$address" != none ] || seconds=1 kinds="bios ipxe-x64 init"
	[ "$address" != proxy ] || kinds="bios x64-7 x64-9 arm64 ipxe-bios ipxe-x64"
	# shellcheck disable=SC2086
	tests/tools/dhcp-offers.py nic $seconds "$mac" $kinds >"$SCRATCH/offers" 2>&1
	while read -r kind file pxelinux grub class; do
		[ -n "$kind" ] && case " ${kinds//$'\n'/ } " in *" $kind "*) ;; *) false ;; esac || continue
		case $loader in
		pxelinux) [ "$pxelinux" = = ] || file=$pxelinux ;;
		grub) [ "$grub" = = ] || file=$grub ;;
		uki) case $kind in x64-* | ipxe-x64) file=bpboot.efi ;; http-x64) file=$http/bpboot.efi ;; esac ;;
		esac
		want="$kind $address 10.1.0.1 $file $class $host $([ "$kind" = init ] && root "$image" || echo -)"
		[ "$address" != proxy ] || want="$kind - 10.1.0.1 $file PXEClient - -"
		[ "$address" != none ] || want="$kind none"
		got=$(grep "^$kind " "$SCRATCH/offers")
		[ "$address" != proxy ] || got=${got/ $OFFERS_ADDRESS / - } # our own, back from port 4011
		[ "$address" != range ] || got=$(printf '%s' "$got" | sed -E 's/ 10\.1\.200\.[0-9]+ / range /')
		if [ "$got" = "$want" ]; then
			ok "$server_name, loader $loader: $who as $kind"
		else
			not_ok "$server_name, loader $loader: $who as $kind" \
				"was told '$got', expected '$want'; $(tail -n 1 "$SCRATCH/offers") $(tail -n 3 "$SCRATCH/server.log")"
		fi
	done <<<"$table"
}
init_is_told() { # MAC LINE...
	local line

	ip link set nic down && ip link set nic address "$1" && ip link set nic up
	shift
	"$BUILD/tests/tools/dhcp-probe" --timeout 20000 >"$SCRATCH/probe" || { cat "$SCRATCH/probe"; return 1; }
	for line in "$@"; do
		grep -qxF "$line" "$SCRATCH/probe" || { cat "$SCRATCH/probe"; return 1; }
	done
}

for s in dnsmasq isc-dhcpd kea; do
	case $s in
	isc-dhcpd) command -v dhcpd >/dev/null || continue ;;
	kea) [ -n "$kea" ] || continue ;;
	esac
	cluster ipxe accept
	t "$s: its own checker accepts the configuration" accepts $s
	serve $s || not_ok "$s: serves" "$(tail -n 3 "$SCRATCH/server.log")"
	asks $s ipxe "a node" 52:54:00:00:00:10 10.1.1.0 n0 compute
	asks $s ipxe "a node with image and name" 52:54:00:00:00:11 10.1.1.1 login big
	asks $s ipxe "a node without address" 52:54:00:00:00:12 range n2 compute
	asks $s ipxe "an unknown machine, accepted," 52:54:00:00:00:99 range - compute
	t "$s: init's own client has address, name and image" init_is_told 52:54:00:00:00:10 \
		ADDRESS=10.1.1.0/16 HOSTNAME=n0 "ROOT_PATH=$(root compute)" NEXT_SERVER=10.1.0.1
	t "$s: that of a node with an image of its own" init_is_told 52:54:00:00:00:11 \
		ADDRESS=10.1.1.1/16 HOSTNAME=login "ROOT_PATH=$(root big)"
	t "$s: that of an unknown machine" init_is_told 52:54:00:00:00:98 "ROOT_PATH=$(root compute)"
	stop
	for loader in pxelinux grub uki; do
		cluster $loader refuse
		t "$s: accepts the configuration for $loader" accepts $s
		serve $s
		asks $s $loader "a node" 52:54:00:00:00:10 10.1.1.0 n0 compute
		[ $loader != pxelinux ] || asks $s $loader "an unknown machine, refused," 52:54:00:00:00:99 none - -
		stop
	done
done

## beside another server
ip address add 10.1.9.9/16 dev nic
export OFFERS_ADDRESS=10.1.9.9
for loader in ipxe pxelinux grub uki; do
	cluster $loader accept
	t "dnsmasq-proxy: accepts the configuration for $loader" accepts dnsmasq-proxy
	serve dnsmasq-proxy
	asks dnsmasq-proxy $loader "a node" 52:54:00:00:00:10 proxy - -
	[ $loader != ipxe ] || asks dnsmasq-proxy $loader "an unknown machine" 52:54:00:00:00:99 proxy - -
	stop
done

## Kea 3.0 is not in Debian 12: its words are held against those that the grammar of Kea 3.0.0 takes in each place
kea_3() {
	cluster ipxe refuse
	"$bpboot" config kea --kea-version 3.0 --cluster "$SCRATCH/cluster.conf" >"$SCRATCH/kea3.conf" &&
		sed 's|^ *//.*||' "$SCRATCH/kea3.conf" | python3 -c '
import json, sys
takes = {
    "Dhcp4": "authoritative client-classes host-reservation-identifiers interfaces-config lease-database loggers match-client-id "
             "option-def subnet4 valid-lifetime",
    "interfaces-config": "interfaces", "loggers": "name output-options severity", "output-options": "output", "lease-database": "type",
    "option-def": "code encapsulate name space type", "client-classes": "boot-file-name name option-data test",
    "option-data": "always-send data name space", "subnet4": "id interface next-server pools reservations subnet",
    "pools": "client-classes pool", "reservations": "client-classes hostname hw-address ip-address" }
def walk(value, place):
    for x in value if isinstance(value, list) else [value]:
        if not isinstance(x, dict):
            continue
        for word, inner in x.items():
            assert word in takes[place].split(), (place, word)
            if not (word == "client-classes" and place != "Dhcp4"):
                walk(inner, word)
c = json.load(sys.stdin)["Dhcp4"]
walk(c, "Dhcp4")
assert "output-options" in c["loggers"][0], c["loggers"]
assert c["subnet4"][0]["pools"][0]["client-classes"] == ["KNOWN"], c["subnet4"][0]["pools"]
assert c["subnet4"][0]["id"] == 1 and len(c["subnet4"][0]["reservations"]) == 3'
}
t "kea 3.0: each word in a place where its grammar takes it" kea_3
t_says "kea of another version is refused" 2 "expected 2.2 or 3.0" "$bpboot" config kea --kea-version 1.6
done_testing
