#!/bin/bash
# proxy.sh - bpboot serve --proxy beside a DHCP server that must not be touched: PXE firmware, BIOS and UEFI, boots to a command on
# the node
#
# ISC's dhcpd stands on the site's router, a namespace of its own, and knows nothing of booting. The BIOS machine is switched on while
# neither it nor ours is there: its firmware tries until they are. Its card's firmware is iPXE; the UEFI machine's is OVMF's own, which
# is sent iPXE first. The router answers for IPv6, which spares iPXE 16 s (docs/cluster.md).
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/vm/boot
ovmf=/usr/share/ovmf/OVMF.fd ipxe=/usr/lib/ipxe/snponly.efi

if [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || lib_missing qemu-system-x86_64 dnsmasq || [ ! -f $ovmf ] || [ ! -f $ipxe ] ||
	! get_dhcp_stock >/dev/null; then
	echo "skip proxy DHCP - needs KERNEL_CLOUD, qemu-system-x86_64, dnsmasq, ovmf, ipxe and isc-dhcp-server"
	exit 0
fi
lib_inside "$@"
UEFI_MAC=52:54:00:77:00:02

# The taps of the machines and the cable to the site's server, on one bridge.
unshare -n sleep 1000 &
site=$!
vm_pids+=($site)
wait_for 5 bash -c "[ \"\$(readlink /proc/$site/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
site_network() {
	vm_bridge 2 && ip link add cable type veth peer name eth0 netns $site && ip link set cable master br0 && ip link set cable up &&
		nsenter -t $site -n ip link set eth0 up && nsenter -t $site -n ip address add 10.77.0.254/24 dev eth0
}
site_network || not_ok "a network of its own" "cannot be made"

# machine OPTIONS TAP MEMORY
machine() {
	local log=$VM/consoles/$VM_MAC.log

	: >"$log"
	# shellcheck disable=SC2086
	qemu-system-x86_64 -accel tcg -machine pc,graphics=off -nodefaults -display none -m "$3" -boot order=n,strict=on,reboot-timeout=1000 \
		-netdev tap,id=n,ifname="$2",script=no,downscript=no -device virtio-net-pci,netdev=n,mac=$VM_MAC$1 \
		-serial "file:$log" </dev/null >"$VM/qemu.$2.log" 2>&1 &
	vm_pids+=($!)
}
machine "" tap0 256
t "kernel, initrd and image are there" vm_files
cp $ipxe "$VM/boot/"
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
printf '7 %s - - seven\n8 %s - - eight\n' $VM_MAC $UEFI_MAC >"$VM/nodes"
printf 'subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.100 10.77.0.120; }\n' >"$VM/dhcpd.conf" && : >"$VM/leases"
t "without a DHCP server the firmware gives up" vm_says 180 'No configuration methods'

"$BUILD/src/cli/bpmaster" -f -c "$VM/cluster.conf" </dev/null >"$VM/master.log" 2>&1 &
vm_pids+=($!)
nsenter -t $site -n dhcpd -4 -f -d --no-pid -cf "$VM/dhcpd.conf" -lf "$VM/leases" -user root -group root eth0 \
	</dev/null >"$VM/dhcpd.log" 2>&1 &
vm_pids+=($!)
printf 'interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; };\n' >"$VM/radvd.conf"
nsenter -t $site -n radvd -n -C "$VM/radvd.conf" -p "$VM/radvd.pid" -m stderr >"$VM/radvd.log" 2>&1 &
vm_pids+=($!)
wait_for 20 grep -q 'Listening on' "$VM/dhcpd.log"
"$bpboot" serve --proxy --cluster "$VM/cluster.conf" </dev/null >"$VM/serve.log" 2>&1 &
vm_pids+=($!)
vm_of $UEFI_MAC machine ",romfile= -bios $ovmf" tap1 384
wait_for 30 grep -q 'serving 2 nodes' "$VM/serve.log" && ok "it serves beside another DHCP server" ||
	not_ok "it serves beside another DHCP server" "$(cat "$VM/serve.log")"
# boots NAME NUMBER
boots() {
	vm_console "$1: the machine boots, when both are there" 240 'root ok: executing'
	t "$1: its address is the other server's" grep -q "DHCPACK on 10.77.0.1[0-2][0-9] to $VM_MAC" "$VM/dhcpd.log"
	vm_runs "$1" "$2"
}
boots BIOS 7
vm_of $UEFI_MAC boots UEFI 8
t "what to load came from ours" grep -qE 'vmlinuz' "$VM/serve.log"
t "and to UEFI firmware iPXE first" grep -qE 'snponly.efi' "$VM/serve.log"
[ $lib_failed = 0 ] || { tail -n 20 "$VM/serve.log" "$VM/dhcpd.log"; tail -c 1500 "$VM"/consoles/*; }
done_testing
