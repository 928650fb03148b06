#!/bin/bash
# proxy.sh - bpboot serve --proxy beside a DHCP server that must not be touched: PXE firmware boots to a command on the node
#
# ISC's dhcpd stands in a namespace of its own, as a router of the site would, and knows nothing of booting. The machine is
# switched on while neither is there: its firmware tries until they are.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys

missing() { for tool in qemu-system-x86_64 dnsmasq; do command -v $tool >/dev/null || return 0; done && return 1; }
if [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || missing || ! get_dhcp_stock >/dev/null; then
	echo "skip proxy DHCP - needs KERNEL_CLOUD, qemu-system-x86_64, dnsmasq and isc-dhcp-server"
	exit 0
fi
if [ "${1-}" != --inside ]; then
	lib_unshare bash "$0" --inside
	exit
fi
VM=$SCRATCH/vm
mkdir -p "$VM/boot" && chmod 755 "$SCRATCH" "$VM" "$VM/boot"
trap vm_end EXIT

# tap0 of the machine and the cable to the site's server, on one bridge.
unshare -n sleep 1000 &
site=$!
vm_pids+=($site)
wait_for 5 bash -c "[ \"\$(readlink /proc/$site/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
bridge() {
	mkdir -p "$VM/consoles" "$VM/state" && ip link set lo up && ip link add br0 type bridge && ip tuntap add tap0 mode tap &&
		ip link add cable type veth peer name eth0 netns $site && ip link set tap0 master br0 && ip link set cable master br0 &&
		ip address add $VM_SERVER/24 dev br0 && ip link set tap0 up && ip link set cable up && ip link set br0 up &&
		nsenter -t $site -n ip link set eth0 up && nsenter -t $site -n ip address add 10.77.0.254/24 dev eth0
}
bridge || not_ok "a network of its own" "cannot be made"

"$bpboot" keygen >/dev/null
cp "$KERNEL_CLOUD"/boot/vmlinuz-* "$VM/boot/vmlinuz"
cp /bin/busybox "$VM/busybox"
printf 'init /usr/sbin/bpslave\nbpslave\nfile busybox /bin/busybox\n' >"$VM/node.image"
export BPBOOT_DIR=$VM/boot
t "an initrd is built" "$bpboot" initrd -q --kernel "$KERNEL_CLOUD" --modules virtual
t "an image is built" "$bpboot" image -q "$VM/node.image"
chmod -R a+rX "$VM/boot"
cat >"$VM/cluster.conf" <<EOT
[cluster]
interface = br0
network = 10.77.0.0/24
address = $VM_SERVER
boot = $VM/boot
image = node
nodes = $VM/nodes
cmdline = console=ttyS0 no_timer_check bpboot.retry=1
[master]
state = $VM/state
socket = $VM/master.sock
key = $BPBOOT_KEYS/master.key
EOT
printf '7 %s - - seven\n' $VM_MAC >"$VM/nodes"
printf 'subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.100 10.77.0.120; }\n' >"$VM/dhcpd.conf" && : >"$VM/leases"

log=$VM/consoles/$VM_MAC.log
seen() { tail -c 300 "$log"; }
# shellcheck disable=SC2046
qemu-system-x86_64 -accel tcg -machine pc,graphics=off -nodefaults -display none -m 256 -boot order=n,strict=on,reboot-timeout=1000 \
	-netdev tap,id=n,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=n,mac=$VM_MAC \
	-serial "file:$log" </dev/null >"$VM/qemu.log" 2>&1 &
vm_pids+=($!)
t "without a DHCP server the firmware gives up" vm_says 180 'No configuration methods'

"$BUILD/src/cli/bpmaster" -f -c "$VM/cluster.conf" </dev/null >"$VM/master.log" 2>&1 &
vm_pids+=($!)
nsenter -t $site -n dhcpd -4 -f -d --no-pid -cf "$VM/dhcpd.conf" -lf "$VM/leases" -user root -group root eth0 \
	</dev/null >"$VM/dhcpd.log" 2>&1 &
vm_pids+=($!)
wait_for 20 grep -q 'Listening on' "$VM/dhcpd.log"
"$bpboot" serve --proxy --cluster "$VM/cluster.conf" </dev/null >"$VM/serve.log" 2>&1 &
vm_pids+=($!)
wait_for 30 grep -q 'serving 1 nodes' "$VM/serve.log" && ok "it serves beside another DHCP server" ||
	not_ok "it serves beside another DHCP server" "$(cat "$VM/serve.log")"
vm_says 240 'root ok: executing' && ok "the machine boots, when both are there" || not_ok "the machine boots, when both are there" "$(seen)"
t "its address is the other server's" grep -q "DHCPACK on 10.77.0.1[0-2][0-9] to $VM_MAC" "$VM/dhcpd.log"
t "what to load came from ours" grep -qE 'vmlinuz' "$VM/serve.log"
up() { "$BUILD/src/cli/bpstat" --socket "$VM/master.sock" -s 7 2>/dev/null | grep -qx up; }
t "the node is up" wait_for 120 up
t_says "a command runs on it" 0 "$(basename "$KERNEL_CLOUD"/lib/modules/*)" \
	"$BUILD/src/cli/bpsh" --socket "$VM/master.sock" 7 /bin/busybox uname -r
[ $lib_failed = 0 ] || { tail -n 20 "$VM/serve.log" "$VM/dhcpd.log"; tail -c 1500 "$log"; }
done_testing
