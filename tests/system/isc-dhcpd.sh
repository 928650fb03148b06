#!/bin/bash
# isc-dhcpd.sh - ISC's DHCP server takes the configuration, and tells each kind of client what it is to load
#
# The server lies unpacked in $BUILD/isc. Node and server are network namespaces with a cable between them; firmware and
# iPXE are busybox's client with their options, init is our own client.
. tests/system/lib.sh

PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
isc=$BUILD/isc/usr/sbin/dhcpd
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT

get_isc() {
	[ -x "$isc" ] && return 0
	mkdir -p "$BUILD/isc" && (
		cd "$BUILD/isc" && apt-get -qq -o APT::Sandbox::User=root download isc-dhcp-server && dpkg-deb -x isc-dhcp-server_*.deb .
	) >"$SCRATCH/isc.log" 2>&1
}
if ! get_isc; then
	echo "skip ISC dhcpd - Debian's package isc-dhcp-server cannot be had: $(tail -n 1 "$SCRATCH/isc.log")"
	exit 0
fi

if [ -z "${ISC_NS-}" ]; then
	export ISC_NS=1
	unshare -n true 2>/dev/null && exec unshare -n bash "$0"
	echo "skip ISC dhcpd - no network namespace can be made here"
	exit 0
fi

cat >"$SCRATCH/cluster.conf" <<'EOT'
[cluster]
name = test
interface = srv
network = 10.1.0.0/16
address = 10.1.0.1
boot = boot
nodes = nodes
unknown = accept
[dhcp]
range = 10.1.200.1-10.1.200.99
lease = 10m
EOT
cat >"$SCRATCH/nodes" <<'EOT'
0 52:54:00:00:00:10 10.1.1.0
1 52:54:00:00:00:11 10.1.1.1 big login
2 52:54:00:00:00:12
EOT
configure() {
	"$BUILD/src/cli/bpboot" config isc-dhcpd --cluster "$SCRATCH/cluster.conf" >"$SCRATCH/dhcpd.conf" &&
		"$isc" -t -q -cf "$SCRATCH/dhcpd.conf" -lf "$SCRATCH/leases"
}
# serve: with the configuration as it is, in the namespace $net.
serve() {
	: >"$SCRATCH/leases"
	nsenter -t "$net" -n "$isc" -f -q -4 --no-pid -cf "$SCRATCH/dhcpd.conf" -lf "$SCRATCH/leases" srv \
		</dev/null >"$SCRATCH/dhcpd.log" 2>&1 &
	server=$!
	pids+=($server)
	wait_for 10 nsenter -t "$net" -n sh -c 'ss -Hlun "sport = :67" | grep -q .'
}
cat >"$SCRATCH/told" <<'EOT'
#!/bin/sh
[ "$1" = bound ] && echo "$ip ${siaddr-} ${boot_file-} ${hostname--}"
EOT
chmod +x "$SCRATCH/told"
# told MAC OPTION...: what a client of that MAC is told.
told() {
	ip link set nic down && ip link set nic address "$1" && ip link set nic up
	shift
	busybox udhcpc -i nic -f -q -n -t 5 -T 1 -s "$SCRATCH/told" "$@" 2>/dev/null
}
firmware() { # NAME WANT MAC OPTION...
	local name=$1 want=$2 got

	shift 2
	got=$(told "$@")
	[ "$got" = "$want" ] && ok "$name" || not_ok "$name" "was told '$got', expected '$want'; $(tail -n 3 "$SCRATCH/dhcpd.log")"
}
init_is_told() { # MAC LINE...
	local line

	ip link set nic down && ip link set nic address "$1" && ip link set nic up
	shift
	"$BUILD/tests/tools/dhcp-probe" --timeout 10000 >"$SCRATCH/probe" || { cat "$SCRATCH/probe"; return 1; }
	for line in "$@"; do
		grep -qxF "$line" "$SCRATCH/probe" || { cat "$SCRATCH/probe"; return 1; }
	done
}

t "dhcpd accepts the configuration" configure
unshare -n sleep 1000 &
net=$!
pids+=($net)
wait_for 5 bash -c "[ \"\$(readlink /proc/$net/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
ip link set lo up && ip link add nic type veth peer name srv netns "$net" && ip link set nic up &&
	nsenter -t "$net" -n sh -c 'ip address add 10.1.0.1/16 dev srv && ip link set srv up' || exit 1
serve || not_ok "dhcpd serves" "$(cat "$SCRATCH/dhcpd.log")"

firmware "BIOS loads undionly.kpxe" "10.1.1.0 10.1.0.1 undionly.kpxe n0" 52:54:00:00:00:10 -x 0x5d:0000
firmware "x64 UEFI (7) loads snponly.efi" "10.1.1.0 10.1.0.1 snponly.efi n0" 52:54:00:00:00:10 -x 0x5d:0007
firmware "x64 UEFI (9) loads snponly.efi" "10.1.1.0 10.1.0.1 snponly.efi n0" 52:54:00:00:00:10 -x 0x5d:0009
firmware "arm64 UEFI loads snponly-arm64.efi" "10.1.1.0 10.1.0.1 snponly-arm64.efi n0" 52:54:00:00:00:10 -x 0x5d:000b
firmware "iPXE loads boot.ipxe, whatever firmware is below it" "10.1.1.1 10.1.0.1 boot.ipxe login" 52:54:00:00:00:11 \
	-x 0x5d:0007 -x 0x4d:69505845
firmware "a client of another kind gets an address, and no file" "10.1.1.1 10.1.0.1  login" 52:54:00:00:00:11
t "init gets address, name and the cluster's image" init_is_told 52:54:00:00:00:10 \
	ADDRESS=10.1.1.0/16 HOSTNAME=n0 ROOT_PATH=tftp://10.1.0.1/compute.index NEXT_SERVER=10.1.0.1
t "init of a node with an image of its own gets that" init_is_told 52:54:00:00:00:11 \
	ADDRESS=10.1.1.1/16 HOSTNAME=login ROOT_PATH=tftp://10.1.0.1/big.index
t "a node without an address gets one of the range" init_is_told 52:54:00:00:00:12 HOSTNAME=n2
t "an unknown machine is accepted" init_is_told 52:54:00:00:00:99 ROOT_PATH=tftp://10.1.0.1/compute.index
kill $server && wait $server 2>/dev/null
sed -i '/^unknown/d' "$SCRATCH/cluster.conf"
t "unknown machines can be refused" configure
serve
t "a known one is served then" init_is_told 52:54:00:00:00:10 ADDRESS=10.1.1.0/16
if out=$(told 52:54:00:00:00:98 -x 0x5d:0000); then
	not_ok "an unknown one gets no answer" "$out"
else
	ok "an unknown one gets no answer"
fi
done_testing
