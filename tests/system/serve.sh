#!/bin/bash
# serve.sh - bpboot serve: dnsmasq supervised, its nodes changed under it and under a transfer, beside another server, and ended
. tests/system/lib.sh

if [ -z "${SERVE_NS-}" ]; then
	export SERVE_NS=1
	for how in -n -rn; do
		if unshare $how true 2>/dev/null; then
			exec unshare $how bash "$0"
		fi
	done
	echo "skip serve - no network namespace can be made here"
	exit 0
fi

PATH=$PATH:/usr/sbin:/sbin
build=$(realpath "$BUILD")
bp=$build/src/cli/bpboot probe=$build/tests/tools/dhcp-probe
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT
etc=$SCRATCH/etc boot=$SCRATCH/boot log=$SCRATCH/serve.log
mkdir -p "$etc" "$boot/parts" && chmod 755 "$SCRATCH" "$boot" "$boot/parts"

# The node is a namespace of its own, cabled to eth1.
unshare -n sleep 1000 &
net=$!
pids+=($net)
wait_for 5 bash -c "[ \"\$(readlink /proc/$net/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
ip link set lo up && ip link add eth1 type veth peer name eth0 address 52:54:00:00:00:01 netns $net &&
	ip link set eth1 up && ip address add 10.9.0.1/24 dev eth1
on_node() { nsenter -t $net -n "$@"; }
on_node ip link set lo up

cat >"$etc/cluster.conf" <<EOF
[cluster]
interface = eth1
network = 10.9.0.0/24
address = 10.9.0.1
boot = $boot
nodes = nodes
[master]
state = $SCRATCH/state
EOF
printf '1 52:54:00:00:00:01 10.9.0.11\n' >"$etc/nodes"
serve() { # OPTIONS...: its pid is $serve
	: >"$log"
	"$bp" serve --cluster "$etc/cluster.conf" "$@" >"$log" 2>&1 &
	serve=$!
	pids+=($serve)
}
says() { wait_for 20 grep -qE -- "$1" "$log"; }
end() { # within 10 s, with status 0
	kill -TERM "$serve" && wait_for 10 bash -c "! kill -0 $serve 2>/dev/null"
	wait "$serve"
}
dnsmasq_of() { # dhcp or tftp
	local p
	for p in $(cat "/proc/$serve/task/$serve/children"); do
		tr '\0' ' ' <"/proc/$p/cmdline" | grep -q "/$1.conf" && echo "$p"
	done
}
set_mac() { on_node ip link set eth0 down && on_node ip link set eth0 address "$1" && on_node ip link set eth0 up; }
address_of() { # MAC: what the node gets with it, or nothing
	set_mac "$1"
	on_node "$probe" --interface eth0 --retry 300 --timeout "${2-5000}" 2>/dev/null | sed -n 's/.*ADDRESS=\([0-9.]*\).*/\1/p' | head -n 1
}

serve
t "it says that it serves" says 'serving 1 nodes on eth1'
first=$(dnsmasq_of tftp)
[ "$(address_of 52:54:00:00:00:01)" = 10.9.0.11 ]
t "a node gets its address" test $? = 0
t "and it is said, with the node's name" says 'n1 \(52:54:00:00:00:01\): init has address 10.9.0.11'
[ -z "$(address_of 52:54:00:00:00:02 1500)" ]
t "a machine that is not in the table gets none" test $? = 0
t "and it is said" says '52:54:00:00:00:02 gets no answer: it is not in the node table'
t "the script for iPXE is written" grep -q '^kernel vmlinuz' "$boot/boot.ipxe"

# --- a transfer goes on while the table changes ---
head -c 1000000 /dev/urandom >"$boot/slow" && chmod 644 "$boot/slow"
set_mac 52:54:00:00:00:01 && on_node ip address add 10.9.0.11/24 dev eth0
# A client that takes ten blocks a second until it is told to go on.
cat >"$SCRATCH/slow.py" <<-'EOT'
	import os, socket, struct, sys, time
	scratch = sys.argv[1]
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(60)
	s.sendto(b"\0\1slow\0octet\0", ("10.9.0.1", 69))
	data, want = b"", 1
	while True:
	    p, server = s.recvfrom(2000)
	    kind, block = struct.unpack(">HH", p[:4])
	    assert kind == 3, p
	    if block == want & 0xffff:
	        data, want = data + p[4:], want + 1
	        open(scratch + "/blocks", "w").write("%d\n" % want)
	    if not os.path.exists(scratch + "/go"):
	        time.sleep(0.1)
	    s.sendto(struct.pack(">HH", 4, block), server)
	    if len(p) < 516:
	        break
	open(scratch + "/got", "wb").write(data)
EOT
on_node python3 "$SCRATCH/slow.py" "$SCRATCH" >"$SCRATCH/slow.log" 2>&1 &
fetch=$!
pids+=($fetch)
wait_for 20 test -s "$SCRATCH/blocks"
"$bp" node --cluster "$etc/cluster.conf" add 2 52:54:00:00:00:02 --address 10.9.0.12 --image big >/dev/null
t "a changed table is taken" says '2 nodes, as .* says now'
t "nodes are served by it" wait_for 20 grep -q 52:54:00:00:00:02 "/run/bpboot/serve.$serve/dhcp.conf"
before=$(cat "$SCRATCH/blocks")
goes_on() { [ "$(cat "$SCRATCH/blocks")" -gt $((before + 3)) ]; }
t "a slow transfer goes on" wait_for 20 goes_on
t "and was not through" test ! -e "$SCRATCH/got"
t "the dnsmasq that sends is the same" test "$(dnsmasq_of tftp)" = "$first"
touch "$SCRATCH/go"
wait $fetch
t "the transfer ends well" cmp "$SCRATCH/got" "$boot/slow"
t "a file that was sent is told of" says 'n1: has slow'
root_of() { # MAC
	set_mac "$1"
	on_node "$probe" --interface eth0 --retry 300 --timeout 5000 2>/dev/null | sed -n 's/^ROOT_PATH=//p'
}
on_node ip address flush dev eth0
[ "$(address_of 52:54:00:00:00:02)" = 10.9.0.12 ]
t "the new node gets its address" test $? = 0
t "and is told its own image, whatever loader it has" test "$(root_of 52:54:00:00:00:02)" = tftp://10.9.0.1/big.index
t "the other is told the cluster's" test "$(root_of 52:54:00:00:00:01)" = tftp://10.9.0.1/compute.index
"$bp" node --cluster "$etc/cluster.conf" set 2 --image small >/dev/null
t "an image that changes is taken" wait_for 20 grep -q small.index "/run/bpboot/serve.$serve/dhcp.conf"
told_small() { [ "$(root_of 52:54:00:00:00:02)" = tftp://10.9.0.1/small.index ]; }
t "and told" wait_for 20 told_small

echo nonsense >>"$etc/nodes"
t "a table that is nonsense is told of, with its line" says 'nodes:3: line of '
t "and the old one stays in force" says 'the nodes stay as they were'
[ "$(address_of 52:54:00:00:00:02)" = 10.9.0.12 ]
t "its nodes are still served" test $? = 0
sed -i '$d' "$etc/nodes"

for part in dhcp tftp; do
	kill -KILL "$(dnsmasq_of $part)"
	t "a dnsmasq that ends is told of ($part)" says "dnsmasq for ${part^^} ended \(status 137\)"
	is_back() { [ -n "$(dnsmasq_of $part)" ]; }
	t "and started again ($part)" wait_for 10 is_back
done
[ "$(address_of 52:54:00:00:00:01 10000)" = 10.9.0.11 ]
t "it serves as before" test $? = 0

on_node ip address add 10.9.0.11/24 dev eth0
on_node "$build/src/cli/bpboot" fetch --output "$SCRATCH/none" tftp://10.9.0.1/none >/dev/null 2>&1
t "a file that is not there is told of" says "asked for '.*none', which is not there"

# --- another server on the network ---
t_says "a second server on this machine is refused" 1 "another program of this machine holds the DHCP server's port" timeout 20 "$bp" serve --cluster "$etc/cluster.conf"
end
t "it ends with status 0 when told to" test $? = 0
t "and leaves nothing behind" test -z "$(ls -d /run/bpboot/serve.$serve "${TMPDIR:-/tmp}/serve.$serve" 2>/dev/null)"
on_node ip address flush dev eth0
on_node ip address add 10.9.0.250/24 dev eth0
nsenter -t $net -n dnsmasq --conf-file=/dev/null --no-daemon --pid-file= --port=0 --user=root --no-ping --interface=eth0 --bind-interfaces \
	--leasefile-ro --dhcp-range=10.9.0.100,10.9.0.120,1h >"$SCRATCH/other.log" 2>&1 &
other=$!
pids+=($other)
wait_for 5 on_node bash -c 'ss -Hlun "sport = :67" | grep -q .'
t_says "a network on which another server answers is refused" 1 "another DHCP server, 10.9.0.250, answers on eth1: --proxy serves beside it" timeout 20 "$bp" serve --cluster "$etc/cluster.conf"
serve --proxy
t "as a proxy it serves beside it" says 'serving 2 nodes on eth1'
t "and says whose the addresses are" says '10.9.0.250 hands out the addresses'
t "init is then told by the script what to fetch" grep -q 'root=tftp://10.9.0.1/${image}.index' "$boot/boot.ipxe"
end
sed 's/^\[cluster\]/&\nloader = grub/' "$etc/cluster.conf" >"$etc/grub.conf"
serve --proxy --cluster "$etc/grub.conf"
t "with a loader that cannot be told the image, that is said" says 'nobody tells a node its image, unless cmdline= holds root='
end
kill $other && wait $other 2>/dev/null

# --- a boot directory that is full, or that cannot be read ---
printf '1 52:54:00:00:00:01 10.9.0.11\n' >"$etc/nodes"
on_node ip address flush dev eth0
on_node ip address add 10.9.0.11/24 dev eth0
if [ "$(id -u)" = 0 ]; then
	serve
	says 'serving 1 nodes' && ok "it serves" || not_ok "it serves" "$(cat "$log")"
	echo secret >"$boot/closed" && chmod 600 "$boot/closed"
	t_says "a file that dnsmasq may not read is said to the node" 1 "access denied on the server" \
		on_node timeout 20 "$build/src/cli/bpboot" fetch --output "$SCRATCH/closed" tftp://10.9.0.1/closed
	t "and on the front end, with its path" says "cannot access $boot/closed: Permission denied"
	end
	chmod 700 "$boot"
	t_says "a boot directory that dnsmasq may not read is named" 1 "TFTP directory $boot inaccessible: Permission denied" \
		timeout 30 "$bp" serve --force --cluster "$etc/cluster.conf"
	chmod 755 "$boot"
else
	echo "skip a boot directory that cannot be read - dnsmasq runs as we do when we are not root"
fi
mkdir -p "$SCRATCH/small" && cp "$etc/nodes" "$SCRATCH/nodes.good"
full() { # in a mount namespace of its own: a small disk, full to the last byte
	mount --make-rprivate / && mount -t tmpfs -o size=64k none "$SCRATCH/small" || exit 77
	exec "$@"
}
export -f full
export SCRATCH
sed "s|^boot = .*|boot = $SCRATCH/small|" "$etc/cluster.conf" >"$etc/small.conf"
fill='head -c 65536 /dev/zero >"$SCRATCH/small/large" 2>/dev/null'
if unshare -m bash -c 'full true' 2>/dev/null; then
	t_says "a boot directory that is full is said at the start" 1 "cannot write '$SCRATCH/small/boot.ipxe': No space left on device" \
		unshare -m bash -c "full bash -c '$fill; timeout 30 \"\$@\"' x \"\$@\"" x "$bp" serve --force --cluster "$etc/small.conf"
	: >"$log"
	unshare -m bash -c "full \"\$@\"" x "$bp" serve --force --cluster "$etc/small.conf" >"$log" 2>&1 &
	serve=$!
	pids+=($serve)
	t "one that has room is served" says 'serving 1 nodes'
	nsenter -t $serve -m -r bash -c "$fill"
	"$bp" node --cluster "$etc/cluster.conf" add 2 52:54:00:00:00:02 --address 10.9.0.12 >/dev/null
	t "one that fills up under a changed table is said" says "cannot write '$SCRATCH/small/boot.ipxe': No space left on device"
	t "and the nodes stay as they were" says 'the nodes stay as they were'
	on_node ip address flush dev eth0
	[ "$(address_of 52:54:00:00:00:01 10000)" = 10.9.0.11 ]
	t "they are still served" test $? = 0
	[ -z "$(address_of 52:54:00:00:00:02 1500)" ]
	t "and no others" test $? = 0
	rm_large() { nsenter -t $serve -m -r rm "$SCRATCH/small/large"; }
	rm_large && touch "$etc/nodes"
	t "with room again, the new table is taken" says '2 nodes, as '
	end
	t "and it ends with status 0" test $? = 0
else
	echo "skip a boot directory that is full - no tmpfs can be mounted here"
fi

t_says "an interface that is not there is named" 1 "no interface 'nowhere'" "$bp" serve --cluster "$etc/cluster.conf" --interface nowhere
printf '1 x\n' >"$etc/nodes"
t_says "a table that is nonsense at the start is refused" 1 "nodes:1: MAC 'x'" "$bp" serve --cluster "$etc/cluster.conf" --force
done_testing
