#!/bin/bash
# node.sh - bpboot node and bpboot check: the node table from the command line, and what is wrong with a site
# fast
. tests/system/lib.sh

if [ -z "${NODE_NS-}" ]; then
	export NODE_NS=1
	for how in -n -rn; do
		if unshare $how true 2>/dev/null; then
			exec unshare $how bash "$0"
		fi
	done
	echo "skip node - no network namespace can be made here"
	exit 0
fi

PATH=$PATH:/usr/sbin:/sbin
bp=$(realpath "$BUILD")/src/cli/bpboot
probe=$(realpath "$BUILD")/tests/tools/dhcp-probe
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT
etc=$SCRATCH/etc boot=$SCRATCH/boot
export BPBOOT_KEYS=$etc BPBOOT_DIR=$boot
mkdir -p "$etc" "$boot"
ip link set lo up && ip link add front type veth peer name node && ip link set front up && ip link set node up &&
	ip address add 10.9.0.1/24 dev front

cat >"$etc/cluster.conf" <<EOF
[cluster]
interface = front
network = 10.9.0.0/24
address = 10.9.0.1
boot = $boot
nodes = nodes
[dhcp]
range = 10.9.0.200-10.9.0.250 10.9.0.190-10.9.0.195
[groups]
gpu = n[1-2]
all_but_gpu = all-@gpu
EOF
node() {
	local action=$1
	shift
	"$bp" node --cluster "$etc/cluster.conf" "$action" "$@"
}
table_is() { diff - "$etc/nodes"; }

# --- the table ---
t_says "a table that is not there is empty" 0 "" node add 1 52:54:00:00:00:01 --address 10.9.0.11
t_says "a table is made when the first node is added" 0 "10.9.0.11" cat "$etc/nodes"
t "nodes are added in a row, and addresses count on" node add 'n[2-4]' 52:54:00:00:00:0{2,3,4} --address 10.9.0.12 --image big
sed -i '1s/^/# rack 1\n\n/; s/^\(3 .*\)$/  \1   # top/' "$etc/nodes"
t "a node's address and name are set" node set 3 --address 10.9.0.33 --name login
t "other lines, comments and order stay as they are" table_is <<'EOF'
# rack 1

1 52:54:00:00:00:01 10.9.0.11
2 52:54:00:00:00:02 10.9.0.12 big
3 52:54:00:00:00:03 10.9.0.33 big login   # top
4 52:54:00:00:00:04 10.9.0.14 big
EOF
t "a group's image is set to the cluster's" node set @gpu,4 --image -
t_says "a set is listed" 0 "login" node list '@all_but_gpu'
t_says "a list for programs" 0 '"address": "10.9.0.33"' node list login --json
t "a node is removed by its name" node remove login
t "what is left is what was asked for" table_is <<'EOF'
# rack 1

1 52:54:00:00:00:01 10.9.0.11
2 52:54:00:00:00:02 10.9.0.12
4 52:54:00:00:00:04 10.9.0.14
EOF
before=$(cat "$etc/nodes")
while IFS='|' read -r name words args; do
	t_says "refused: $name" 1 "$words" eval "node $args"
done <<'EOF'
a number twice|number is the same as in line 3|add 1 52:54:00:00:00:09
a MAC twice|MAC is the same as in line 4|add 9 52:54:00:00:00:02
an address twice|address is the same|set 4 --address 10.9.0.11
an address outside|not one for a node in the cluster's network|set 4 --address 10.8.0.1
the front end's address|not one for a node|set 4 --address 10.9.0.1
a group address as MAC|a station's address|add 9 01:00:5e:00:00:01
a node that is not there|there is no node 7|set 7 --image big
no such group|there is no group '@none'|list @none
no such name|no node is called 'x'|remove x
a name for two|--name and --mac are for one node|set 1,2 --name a
too few MACs|2 nodes, but 1 MACs|add 8-9 52:54:00:00:00:09
nothing to set|nothing to set|set 1
a bad image|image '../x'|set 1 --image ../x
EOF
[ "$before" = "$(cat "$etc/nodes")" ]
t "what is refused changes nothing" test $? = 0
t_says "an unknown action is a wrong use" 2 "list, add, set, remove or discover" node frobnicate
t_says "add without a MAC is a wrong use" 2 "NODES and a MAC for each" node add 5
ln -s nodes "$etc/link" && sed 's/^nodes = .*/nodes = link/' "$etc/cluster.conf" >"$etc/link.conf"
"$bp" node --cluster "$etc/link.conf" add 5 52:54:00:00:00:05 >/dev/null && [ -L "$etc/link" ] && grep -q ':05$' "$etc/nodes"
t "a table behind a symlink is changed where it lies" test $? = 0

# --- two writers ---
for i in $(seq 10 29); do
	node add "$i" "$(printf '52:54:00:00:01:%02x' "$i")" >>"$SCRATCH/writers" 2>&1 &
	writers+=($!)
done
wait "${writers[@]}"
t "twenty writers at once all get their node in" test "$(grep -c '52:54:00:00:01' "$etc/nodes")" = 20
exec 5<"$etc" && flock 5
node add 40 52:54:00:00:00:40 >"$SCRATCH/waiting" 2>&1 5<&- &
waiting=$!
t "a writer says for what it waits" wait_for 5 grep -q 'waiting for another command' "$SCRATCH/waiting"
exec 5<&-
wait $waiting
t "and goes on when the other is done" test $? = 0

# --- discover ---
node discover --accept --first 50 --address 10.9.0.50 --count 2 --timeout 60 >"$SCRATCH/discover" 2>&1 &
discover=$!
pids+=($discover)
wait_for 5 grep -q 'listening on front' "$SCRATCH/discover"
ask() { # MAC: ask for an address until it has been heard
	ip link set node down && ip link set node address "$1" && ip link set node up
	"$probe" --interface node --retry 300 >/dev/null 2>&1 &
	asking=$!
	pids+=($asking)
	wait_for 20 grep -q "$1 asks" "$SCRATCH/discover"
	kill $asking 2>/dev/null
	wait $asking 2>/dev/null
}
ask 52:54:00:00:02:02
ask 52:54:00:00:00:01 & known=$!
wait_for 2 false
kill $known 2>/dev/null
wait $known 2>/dev/null
ask 52:54:00:00:02:01
wait $discover
t "discover ends after as many machines as it was told" test $? = 0
t "machines become nodes in the order in which they came" grep -A1 -x '50 52:54:00:00:02:02 10.9.0.50' "$etc/nodes"
t "the second gets the next number and address" grep -x '51 52:54:00:00:02:01 10.9.0.51' "$etc/nodes"
grep -q '00:00:01 asks' "$SCRATCH/discover"
t "a machine that is known is not told of" test $? = 1

# On a terminal a key decides.
python3 tests/tools/at-terminal.py "$SCRATCH/keys.in" "$SCRATCH/keys.out" "$bp" node --cluster "$etc/cluster.conf" discover --count 2 --timeout 60 &
terminal=$!
pids+=($terminal)
wait_for 5 grep -q 'listening on front.* q ends it' "$SCRATCH/keys.out"
ask_for_key() { # MAC
	ip link set node down && ip link set node address "$1" && ip link set node up
	"$probe" --interface node --retry 300 >/dev/null 2>&1 &
	asking=$!
	pids+=($asking)
	wait_for 20 grep -q "$1 asks" "$SCRATCH/keys.out"
	kill $asking 2>/dev/null
	wait $asking 2>/dev/null
}
key() { printf %s "$1" >>"$SCRATCH/keys.in"; }
ask_for_key 52:54:00:00:03:01
t "on a terminal a machine waits for a key" eval '! grep -q 52:54:00:00:03:01 "$etc/nodes"'
t "the keys are named" grep -q 'a: add it as a node, s: skip it, q: end' "$SCRATCH/keys.out"
key s
ask_for_key 52:54:00:00:03:02
key a
t "a key press adds it" wait_for 10 grep -q '^52 52:54:00:00:03:02' "$etc/nodes"
ask_for_key 52:54:00:00:03:03
key a
wait $terminal
t "it ends with status 0 after as many as it was told" test $? = 0
t "the next one follows" grep -q '^53 52:54:00:00:03:03' "$etc/nodes"
t "the one that was skipped is no node" eval '! grep -q 52:54:00:00:03:01 "$etc/nodes"'
t_says "discover names an interface that is not there" 1 "no interface 'nowhere'" bash -c "sed 's/front/nowhere/' '$etc/cluster.conf' >'$etc/nowhere.conf'; '$bp' node -c '$etc/nowhere.conf' discover"

# --- check ---
no_carrier() { ip link show "$1" | grep -q NO-CARRIER; } # the kernel takes its time to say so
check() { "$bp" check --cluster "$etc/cluster.conf" "$@"; }
"$bp" keygen >/dev/null
t_says "check says what the boot directory lacks" 1 "no 'compute.index'" check
mkdir -p "$SCRATCH/tree" && echo x >"$SCRATCH/tree/init" && chmod 755 "$SCRATCH/tree/init"
printf 'init /init\ntree %s /\n' "$SCRATCH/tree" >"$SCRATCH/compute.image"
"$bp" image "$SCRATCH/compute.image" >/dev/null 2>&1
for f in vmlinuz initrd.img boot.ipxe undionly.kpxe snponly.efi snponly-arm64.efi; do echo x >"$boot/$f"; done
chmod 755 "$boot"
t_says "check is content with a good site" 0 "0 errors, 0 warnings" check
t_says "and says so for programs" 0 "[]" check --json
while IFS='|' read -r name words break mend; do
	eval "$break"
	t_says "check finds: $name" 1 "$words" check
	eval "$mend"
done <<'EOF'
a MAC twice, with its line|nodes:3: MAC is the same as in line 2|mv "$etc/nodes" "$etc/n"; printf '1 52:54:00:00:00:01\n2 52:54:00:00:00:02\n3 52:54:00:00:00:02\n4 x\n' >"$etc/nodes"|
every fault, not only the first|nodes:4: MAC 'x'|:|mv "$etc/n" "$etc/nodes"
a number twice, with its line|nodes:2: number is the same as in line 1|cp "$etc/nodes" "$etc/n"; printf '1 52:54:00:00:00:01\n1 52:54:00:00:00:02\n' >"$etc/nodes"|mv "$etc/n" "$etc/nodes"
an address twice, with its line|nodes:3: address is the same as in line 1|cp "$etc/nodes" "$etc/n"; printf '1 52:54:00:00:00:01 10.9.0.9\n\n2 52:54:00:00:00:02 10.9.0.9\n' >"$etc/nodes"|mv "$etc/n" "$etc/nodes"
an address inside a range, with its line|nodes:1: node 60: address 10.9.0.201 is inside the [dhcp] range=|cp "$etc/nodes" "$etc/n"; echo '60 52:54:00:00:00:60 10.9.0.201' >"$etc/nodes"|:
an address inside the second range|nodes:1: node 60: address 10.9.0.191 is inside the [dhcp] range=|echo '60 52:54:00:00:00:60 10.9.0.191' >"$etc/nodes"|mv "$etc/n" "$etc/nodes"
an address inside the first range|is inside the [dhcp] range=|cp "$etc/nodes" "$etc/n"; echo '60 52:54:00:00:00:60 10.9.0.201' >>"$etc/nodes"|mv "$etc/n" "$etc/nodes"
an address outside the network, with its line|nodes:1: node 60: address 10.1.0.2 is outside|cp "$etc/nodes" "$etc/n"; echo '60 52:54:00:00:00:60 10.1.0.2' >"$etc/nodes"|mv "$etc/n" "$etc/nodes"
an address outside the network, among others|is outside the cluster's network|cp "$etc/nodes" "$etc/n"; echo '60 52:54:00:00:00:60 10.1.0.2' >>"$etc/nodes"|mv "$etc/n" "$etc/nodes"
an image that does not exist, with the line that asks for it|nodes:1: no 'none.index' in '|cp "$etc/nodes" "$etc/n"; echo '60 52:54:00:00:00:60 - none' >"$etc/nodes"|mv "$etc/n" "$etc/nodes"
the cluster's image that does not exist|cluster.conf:2: no 'none.index' in '|cp "$etc/cluster.conf" "$etc/n"; sed -i '1a image = none' "$etc/cluster.conf"|mv "$etc/n" "$etc/cluster.conf"
a kernel that does not exist|cluster.conf:2: no 'none' in '|cp "$etc/cluster.conf" "$etc/n"; sed -i '1a kernel = none' "$etc/cluster.conf"|mv "$etc/n" "$etc/cluster.conf"
an image that does not exist, among others|no 'none.index'|cp "$etc/nodes" "$etc/n"; echo '60 52:54:00:00:00:60 - none' >>"$etc/nodes"|mv "$etc/n" "$etc/nodes"
a key that signed nothing|this key signed no image|cp "$etc/sign.pub" "$etc/n"; "$bp" keygen --dir "$etc/k" >/dev/null; cp "$etc/k/sign.pub" "$etc/sign.pub"|
an image by a foreign key|none of those that nodes are given|:|mv "$etc/n" "$etc/sign.pub"; rm -r "$etc/k"
an altered index|does not sign 'compute.index'|cp "$boot/compute.index" "$etc/n"; sed -i 's/^counter 1/counter 2/' "$boot/compute.index"|mv "$etc/n" "$boot/compute.index"
a file that a server cannot read|chmod 644 it|chmod 600 "$boot/initrd.img"|chmod 644 "$boot/initrd.img"
a group that is no set, with its line|cluster.conf:12: [groups] bad: |cp "$etc/cluster.conf" "$etc/n"; echo 'bad = @none' >>"$etc/cluster.conf"|mv "$etc/n" "$etc/cluster.conf"
an interface that is not there, with its line|cluster.conf:2: no interface 'nowhere'|cp "$etc/cluster.conf" "$etc/n"; sed -i 's/= front/= nowhere/' "$etc/cluster.conf"|mv "$etc/n" "$etc/cluster.conf"
an address that is not the interface's, with its line|cluster.conf:4: interface 'front' does not have the address 10.9.0.1|ip address del 10.9.0.1/24 dev front|ip address add 10.9.0.1/24 dev front
an interface without link, with its line|cluster.conf:2: interface 'front' has no link|ip link set node down; wait_for 10 no_carrier front|ip link set node up
an interface that is down|is down|ip link set front down|ip link set front up
a bridge without an interface in it, with its line|cluster.conf:2: bridge 'br0' has no link: no interface is in it|cp "$etc/cluster.conf" "$etc/n"; sed -i 's/= front/= br0/' "$etc/cluster.conf"; ip link add br0 type bridge && ip link set br0 up|:
a bridge without link, with its line|cluster.conf:2: bridge 'br0' has no link|ip link add port type veth peer name far && ip link set port master br0 && ip link set port up && wait_for 10 no_carrier br0|ip link del port; ip link del br0; mv "$etc/n" "$etc/cluster.conf"
a range with another's addresses, with its line|cluster.conf:8: [dhcp] range= has addresses twice|cp "$etc/cluster.conf" "$etc/n"; sed -i '8s/$/ 10.9.0.240-10.9.0.251/' "$etc/cluster.conf"|mv "$etc/n" "$etc/cluster.conf"
a cluster file that is none|cluster.conf:1: expected KEY=VALUE|cp "$etc/cluster.conf" "$etc/n"; sed -i '1s/.*/nonsense/' "$etc/cluster.conf"|mv "$etc/n" "$etc/cluster.conf"
EOF
t_says "check is content again" 0 "0 errors, 0 warnings" check
done_testing
