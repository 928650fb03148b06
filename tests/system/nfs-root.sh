#!/bin/bash
# nfs-root.sh - a root on an NFS server: root=nfs:, the kernel's nfsroot=, DHCP's root-path; and what is said when it is not there
#
# The server is Linux's own nfsd, in a second machine of the same kernel: what it exports is told to it straight, as
# rpc.mountd would. It has a network of its own behind the first one's, whose machine routes. NFS 4 alone: NFS 3 needs rpc.mountd.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
nfs_server=10.78.0.2
sets=$SCRATCH/sets

# --- the server: an initramfs of its own ---

server_init() {
	cat <<-EOT
		#!/bin/busybox sh
		export PATH=/bin
		busybox mount -t proc proc /proc; busybox mount -t sysfs sysfs /sys; busybox mount -t devtmpfs dev /dev
		for m in $1; do busybox insmod /lib/bpboot/modules/\$m.ko || echo "insmod \$m failed"; done
		n=0; until [ -e /sys/class/net/eth0 ] || [ \$n = 200 ]; do busybox usleep 50000; n=\$((n + 1)); done
		busybox ip link set lo up; busybox ip address add $nfs_server/24 dev eth0; busybox ip link set eth0 up; busybox ip route add default via 10.78.0.1
		busybox mount -t tmpfs tmpfs /srv; busybox mv /root /srv/root; busybox mkdir /srv/bare
		busybox mount -t nfsd nfsd /proc/fs/nfsd
		for i in 0 1 2 3 4 5 6 7 8 9 10; do echo "nfsd 10.77.0.\$((10 + i)) 2147483647 *" >/proc/net/rpc/auth.unix.ip/channel; done
		echo '* /srv 2147483647 9218 65534 65534 0' >/proc/net/rpc/nfsd.export/channel
		echo '* 1 \\x00000000 2147483647 /srv' >/proc/net/rpc/nfsd.fh/channel
		echo 10 >/proc/fs/nfsd/nfsv4leasetime; echo 10 >/proc/fs/nfsd/nfsv4gracetime
		echo -3 >/proc/fs/nfsd/versions; echo 4 >/proc/fs/nfsd/threads; echo Y >/proc/fs/nfsd/v4_end_grace
		echo "nfsd serves: \$(busybox cat /proc/fs/nfsd/threads) threads, \$(busybox cat /proc/fs/nfsd/versions)"
		while :; do busybox sleep 1; done
	EOT
}
root_init() {
	cat <<-'EOT'
		#!/bin/busybox sh
		export PATH=/bin
		busybox stty -F /dev/ttyS1 raw
		{
			busybox grep ' / ' /proc/mounts
			busybox sha256sum </random
			busybox stat -c '%a %u:%g %F' /owned /device /link
			[ ! -e /kept ] || { echo -n "kept: "; busybox cat /kept; }
			echo "from $(busybox cat /proc/sys/kernel/random/boot_id)" >/kept && echo written
			busybox grep -E '^(NFS|INIT|MASTER)=' /run/bpboot/boot
			echo end
		} >/dev/ttyS1 2>&1
		busybox sync
		busybox poweroff -f
	EOT
}
prepare() {
	local modules line m

	mkdir -p "$sets/boot" && cd "$sets" && "$bpboot" keygen --dir keys &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --root nfs --key keys/sign.pub --output nfs.img --level 3 --quiet &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --key keys/sign.pub --output plain.img --level 3 --quiet &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtio_net,virtio_pci,nfsd --key keys/sign.pub --output server.img \
			--compress none --quiet && "$bpboot" inspect --extract modules server.img >/dev/null || return 1
	modules=
	for m in virtio_pci virtio_net nfsd; do
		line=$(sed -n "s/^module $m //p" modules/lib/bpboot/modules.index)
		for m in $line; do
			case " $modules " in *" $m "*) ;; *) modules+=" $m" ;; esac
		done
	done
	head -c 1000000 /dev/urandom >random && root_init >root.init && server_init "$modules" >server.init || return 1
	{
		echo "file $(command -v busybox) /bin/busybox"
		echo "file server.init /init mode=0755"
		for m in $modules; do
			echo "file modules/lib/bpboot/modules/$m.ko /lib/bpboot/modules/$m.ko"
		done
		for m in proc sys dev srv root/dev root/proc root/sys root/run; do
			echo "dir /$m"
		done
		echo "file $(command -v busybox) /root/bin/busybox"
		echo "link /root/bin/sh busybox"
		echo "file root.init /root/sbin/init mode=0755"
		echo "file random /root/random"
		echo "file random /root/owned mode=4750 owner=1234:5678"
		echo "node /root/device c 5 1 mode=0620"
		echo "link /root/link random"
	} >server.image
	"$bpboot" image -q -f cpio --raw server.cpio server.image
}

# --- machines ---

serve() { # the server's machine, in the place of the first
	mkdir -p "$SCRATCH/server/consoles" && ip tuntap add tap1 mode tap && ip address add 10.78.0.1/24 dev tap1 && ip link set tap1 up &&
		echo 1 >/proc/sys/net/ipv4/ip_forward || return 1
	VM=$SCRATCH/server vm_start "$sets/server.cpio" "" -m 192 -serial "file:$SCRATCH/server/consoles/log" \
		-netdev tap,id=n,ifname=tap1,script=no,downscript=no -device virtio-net-pci,netdev=n,mac=52:54:00:78:00:02,romfile=
	vm_monitor cont
}
boot() { # INITRD APPEND
	# shellcheck disable=SC2046
	vm_start "$sets/$1" "bpboot.retry=1 bpboot.fetch=8 $2" -m 192 $(vm_nic virtio-net-pci) -serial "$(vm_serial)" -serial file:"$VM/report"
	vm_monitor cont
}
new_vm() { # NAME: consoles and reports of the next machine
	VM=$SCRATCH/$1 && mkdir -p "$VM/consoles"
}
root_path() { # TEXT: what DHCP says from now on
	echo "17,\"$1\"" >"$SCRATCH/options.new" && mv "$SCRATCH/options.new" "$SCRATCH/options" &&
		{ [ -z "${2-}" ] || kill -HUP "$vm_dnsmasq_pid"; }
}
vm_ended() { ! kill -0 $vm_pid; }
ended() { grep -qx end "$VM/report"; }
console() { tail -n 5 "$VM/consoles/$VM_MAC.log" 2>/dev/null; }
came_up() { # NAME
	if wait_for 240 ended && wait_for 60 vm_ended; then
		ok "$1"
	else
		not_ok "$1" "$(console)"
	fi
}
same_files() {
	grep -qF "$(sha256sum <"$sets/random")" "$VM/report" && grep -qx '4750 1234:5678 regular file' "$VM/report" &&
		grep -qx '620 0:0 character special file' "$VM/report" && grep -qx '777 0:0 symbolic link' "$VM/report"
	local r=$?
	[ $r = 0 ] || cat "$VM/report"
	return $r
}
said() { # REGEX: shows the console when it is not
	grep -aqE -- "$1" "$VM/consoles/$VM_MAC.log" || { console; return 1; }
}
reported() { grep -aqE -- "$1" "$VM/report" || { cat "$VM/report"; return 1; }; }

inside() {
	new_vm first && vm_network && serve || return 1
	root_path "nfs:10.78.0.77:/root" && vm_dnsmasq "$sets/boot" --dhcp-optsfile="$SCRATCH/options"

	boot plain.img "root=nfs:$nfs_server:/root"
	t "an initrd without the client says so, and what to do" vm_says 240 \
		'mount fail: cannot load module nfs for the NFS root: this initrd does not hold it .bpboot initrd --root nfs'
	vm_monitor quit
	t "that machine ends" wait_for 60 vm_ended
	if wait_for 240 grep -aq 'nfsd serves: 4 threads.*+4.2' "$SCRATCH/server/consoles/log"; then
		ok "Linux's nfsd serves in its own machine"
	else
		not_ok "Linux's nfsd serves in its own machine" "$(tail -n 4 "$SCRATCH/server/consoles/log")"
		return
	fi

	new_vm away && boot nfs.img "root=/dev/nfs ro"
	t "a server that is away is named" vm_says 240 'mount fail: NFS server 10.78.0.77 does not answer .*port 2049'
	root_path "nfs:$VM_SERVER:/root" again
	t "a machine without an NFS server is named" vm_says 120 "mount fail: $VM_SERVER refuses: no NFS server listens there"
	root_path "$nfs_server:/absent" again
	t "a path that the server does not have is named" vm_says 120 "mount fail: NFS server $nfs_server has no /absent"
	root_path "nfs:$nfs_server:/bare" again
	t "a root without init is named" vm_says 120 'mount fail: the root has no init /sbin/init'
	root_path "$nfs_server:/root,vers=4.1,noatime" again
	came_up "then, with a server, a path and an init, the node boots"
	t "root=/dev/nfs and root-path: read-only, with the options asked for" reported "^$nfs_server:/root / nfs4? ro,noatime.*vers=4.1.*addr=$nfs_server"
	t "it cannot be written to" reported "Read-only file system"

	root_path "" again
	new_vm writes && boot nfs.img "root=nfs:$nfs_server:/root rw bpboot.master=10.77.0.1"
	came_up "root=nfs: boots a node"
	t "the newest version of NFS that both have" said "mount ok: $nfs_server:/root as NFS 4.2 read-write"
	t "files, owners, modes and devices are the server's" same_files
	t "it can be written to" reported '^written'
	t "the root is told where it is from" reported "^NFS=$nfs_server:/root"
	t "and its init, and bpmaster's address" eval 'reported "^INIT=/sbin/init" && reported "^MASTER=10.77.0.1"'
	t "nothing went wrong on the way" eval '[ -s "$VM/consoles/$VM_MAC.log" ] && ! grep -aE " (warn|fail): " "$VM/consoles/$VM_MAC.log"'

	new_vm reads && boot nfs.img "root=/dev/nfs nfsroot=$nfs_server:/ro%st init=/sbin/init ip=::::o:eth0:dhcp"
	came_up "root=/dev/nfs and nfsroot= with this node's name in the path boot one"
	t "what one node wrote, the next one reads" reported '^kept: from '
}

if [ "${1-}" = --inside ]; then
	trap vm_end EXIT
	inside || not_ok "two machines and their networks" "cannot be made"
	done_testing
fi
for tool in qemu-system-x86_64 dnsmasq ip busybox; do
	if ! command -v $tool >/dev/null || [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || [ "$(id -u)" != 0 ]; then
		echo "skip nodes with roots on NFS - needs root, KERNEL_CLOUD, $tool"
		exit 0
	fi
done
if ! (prepare) >"$SCRATCH/prepare.out" 2>&1; then
	not_ok "initrds and a server are built" "$(tail -n 5 "$SCRATCH/prepare.out")"
	done_testing
fi
lib_unshare bash "$0" --inside
