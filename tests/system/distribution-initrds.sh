#!/bin/bash
# distribution-initrds.sh - bpboot-root in the initramfs of initramfs-tools and of dracut, from package to a command on the node
#
# Both are built by the real generators for a kernel that is not installed, in a mount namespace in which the packages
# and the kernel's modules lie over /usr. Each is booted once, in a network namespace of its own, and has to say three
# things: that the server is silent, that the index is signed by another key, and that it is up. Between them a person
# repairs the server and leaves the distribution's shell. One image is ext2, the other squashfs. A third initramfs is one of
# dracut that systemd runs; its shell wants a password that nobody has, so it has to come up only.
# alone
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
set=$SCRATCH/set # what both share: packages unpacked, keys, boot directory, initramfs
export BPBOOT_KEYS=$SCRATCH/set/keys
late=10.77.0.2   # the boot server, which comes late

# --- packages ---

packages() {
	scripts/package-deb "$BUILD" "$SCRATCH/debs" &&
		scripts/package-deb "$BUILD" "$SCRATCH/again"
}
install_packages() {
	local root=$SCRATCH/root

	mkdir -p "$root/var/lib/dpkg/"{info,updates,triggers} && touch "$root/var/lib/dpkg/status" &&
		dpkg --root="$root" --force-depends --force-script-chrootless --install "$SCRATCH"/debs/*.deb &&
		[ -x "$root/usr/libexec/bpboot/bpboot-root" ] && [ -x "$root/usr/share/initramfs-tools/hooks/bpboot" ] &&
		[ -f "$root/usr/share/initramfs-tools/scripts/bpboot" ] &&
		[ -x "$root/usr/lib/dracut/modules.d/90bpboot/module-setup.sh" ]
}
meson_installs() {
	meson setup "$SCRATCH/meson" --prefix=/usr -Ddistribution-initrds=true &&
		DESTDIR=$SCRATCH/dest meson install -C "$SCRATCH/meson" --no-rebuild --tags distribution-initrds &&
		diff -r hooks/dracut/90bpboot "$SCRATCH/dest/usr/lib/dracut/modules.d/90bpboot" &&
		diff -r hooks/initramfs-tools "$SCRATCH/dest/usr/share/initramfs-tools"
}

# What dracut's network needs, unpacked into $BUILD/dracut: nothing of it should touch this machine's network.
get_dracut() {
	setup_debs "$BUILD/dracut" dracut-network isc-dhcp-client iputils-arping || return 1
	[ ! -d "$BUILD/dracut/sbin" ] || { cp -a "$BUILD/dracut/sbin/." "$BUILD/dracut/usr/sbin/" && rm -r "$BUILD/dracut/sbin"; }
}

# --- the initramfs ---

prepare() {
	mkdir -p "$set/usr" "$set/etc/bpboot" "$set/conf/conf.d" "$set/upper" "$set/foreign" "$set/empty" &&
		cp -r "$SCRATCH/root/usr/." "$set/usr/" &&
		"$bpboot" keygen --dir "$set/keys" >/dev/null && "$bpboot" keygen --dir "$set/other" >/dev/null &&
		cp "$set/keys/sign.pub" "$set/etc/bpboot/" &&
		"$bpboot" image --quiet --format ext2 --output "$set/dracut" examples/compute.image &&
		"$bpboot" image --quiet --format squashfs --output "$set/initramfs-tools" examples/compute.image &&
		{ cat examples/compute.image && echo "file /usr/lib/os-release /etc/os-release"; } >"$set/compute.image" &&
		"$bpboot" image --quiet --output "$set/dracut-systemd" "$set/compute.image" &&
		"$bpboot" image --quiet --key "$set/other/sign.key" --output "$set/foreign" examples/compute.image || return 1
	cp -r /etc/initramfs-tools/. "$set/conf/" && echo MODULES=list >>"$set/conf/initramfs.conf" &&
		printf '%s\n' virtio_pci virtio_net >"$set/conf/modules" || return 1
	cat >"$set/inside" <<-EOT
		set -e
		mount --make-rprivate /
		mount -t tmpfs upper "$set/upper"
		mkdir "$set/upper/usr" "$set/upper/work"
		mount -t overlay overlay -o "lowerdir=$set/usr:$BUILD/dracut/usr:$KERNEL_CLOUD:/usr,upperdir=$set/upper/usr,workdir=$set/upper/work" /usr
		mount -t overlay overlay -o "lowerdir=$set/etc:/etc" /etc
		mount -t tmpfs boot /boot
		depmod "$version"
		cp "$KERNEL_CLOUD/boot/config-$version" /boot/
		exec "\$@"
	EOT
}
inside() { unshare --mount -- bash "$set/inside" "$@"; }
make_initramfs_tools() {
	inside mkinitramfs -d "$set/conf" -c zstd -o "$set/initramfs-tools.img" "$version"
}
make_dracut() { # NAME MODULES
	inside dracut --quiet --force --no-hostonly --no-hostonly-cmdline --kver "$version" --compress "zstd -3" \
		--modules "base $2 network-legacy bpboot" --drivers "virtio_pci virtio_net" "$set/$1.img"
}

initramfs_of() { { [ -f "$set/inside" ] || { get_dracut && prepare; }; } && "$@"; }

# --- one boot; $VM is its directory ---

console() { # NAME REGEX
	if vm_says 90 "$2"; then
		ok "$1"
	else
		not_ok "$1" "no '$2' on the console, which ends with: $(tail -n 8 "$VM/consoles/$VM_MAC.log" 2>/dev/null)"
		done_testing
	fi
}
# leave_shell N: when the distribution's shell has come up for the Nth time.
leave_shell() {
	shells() { [ "$(grep -acE "$prompt" "$VM/consoles/$VM_MAC.log")" -ge "$1" ]; }
	wait_for 30 shells "$1"
	echo exit >"$VM/serial.in"
}
serve() { # IMAGE
	mkdir -p "$VM/boot" && cp -r "$set/$1/." "$VM/boot/" && ip address add $late/24 dev tap0 || return 1
	dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --listen-address=$late --bind-interfaces \
		--user=root --pid-file= --enable-tftp --tftp-root="$VM/boot" </dev/null >"$VM/late.log" 2>&1 &
	vm_pids+=($!)
	wait_for 10 grep -q TFTP "$VM/late.log"
}
on_node() { BPBOOT_SOCKET=$VM/master.sock "$BUILD/src/cli/bpsh" -a "$@"; }
node_runs() { [ "$(on_node uname -r)" = "$version" ]; }

# What goes wrong first, and how a person repairs it.
repair() { # NAME
	local name=$1

	console "$name: a silent server is named where the distribution gives up" \
		"bpboot: ([a-z0-9]+: )?index: cannot fetch tftp://$late/compute.index: no answer"
	serve foreign
	leave_shell 1
	console "$name: an image signed by another key is refused, with both keys" \
		'bpboot: ([a-z0-9]+: )?index: compute.index: signed by another key: [0-9A-F]+; this initrd trusts [0-9A-F]+'
	cp -r "$set/$name/." "$VM/boot/"
	leave_shell 2
}

boot_case() { # NAME ROOT
	local name=$1 append=$2 prompt

	case $name in
	dracut) prompt='dracut:/# ' ;;
	*) prompt='\(initramfs\)' ;;
	esac
	vm_dnsmasq "$set/empty" --dhcp-host=$VM_MAC,10.77.0.10,n0
	mkfifo "$VM/serial.in" "$VM/serial.out" && exec {serial}<>"$VM/serial.out" && mkdir -p "$VM/state" || return 1
	cat "$VM/serial.out" >"$VM/serial.log" &
	vm_pids+=($!)
	"$BUILD/src/cli/bpmaster" --foreground --address $VM_SERVER --state "$VM/state" --socket "$VM/master.sock" \
		--key "$set/keys/master.key" --unknown accept </dev/null >"$VM/master.log" 2>&1 &
	vm_pids+=($!)
	[ "$name" != dracut-systemd ] || serve "$name" || return 1
	# shellcheck disable=SC2046
	vm_start "$set/$name.img" "$append bpboot.fetch=2 bpboot.master=$VM_SERVER" -m 512 $(vm_nic virtio-net-pci) \
		-chardev "pipe,id=c,path=$VM/serial,logfile=$VM/consoles/$VM_MAC.log" -serial chardev:c
	vm_monitor cont
	[ "$name" = dracut-systemd ] || repair "$name"
	console "$name: the root is mounted" 'bpboot: .*root ok: mounted for /usr/sbin/bpslave'
	t "$name: a command runs on the node" wait_for 60 node_runs
	on_node cat /run/bpboot/boot /run/bpboot/lease >"$VM/handover" 2>"$VM/bpsh.log"
	for want in MAC=$VM_MAC IMAGE=compute ADDRESS=10.77.0.10/24 LEASE_SECONDS=3600 MASTER=$VM_SERVER; do
		t "$name: the hand-over says $want" grep -qx "$want" "$VM/handover"
	done
	t "$name: bpboot log shows the boot" in_log 'mounted for /usr/sbin/bpslave'
}
in_log() {
	"$bpboot" log --state "$VM/state" --consoles "$VM/none" $VM_MAC >"$VM/log.out" 2>&1
	grep -qE -- "$1" "$VM/log.out"
}

version=$(ls "${KERNEL_CLOUD-}/lib/modules")
if [ "${1-}" = --case ]; then
	VM=$SCRATCH/$2
	mkdir -p "$VM" && vm_network || {
		not_ok "$2" "cannot make a network"
		exit 1
	}
	trap vm_end EXIT
	boot_case "$2" "$3"
	done_testing
fi

# --- the test ---

for tool in qemu-system-x86_64 dnsmasq ip mkinitramfs dracut depmod dpkg-deb mksquashfs; do
	command -v $tool >/dev/null || {
		echo "skip distribution initrds - $tool is missing"
		exit 0
	}
done
if [ -z "${KERNEL_CLOUD-}" ] || [ "$(id -u)" != 0 ] || [ ! -x "$BUILD/src/init/bpboot-root" ]; then
	echo "skip distribution initrds - KERNEL_CLOUD, root and a static build are needed"
	exit 0
fi
t "Debian packages are built" packages
t "twice the same bytes" diff -r "$SCRATCH/debs" "$SCRATCH/again"
t "dpkg installs them" install_packages
t "meson installs the same files" meson_installs
if command -v shellcheck >/dev/null; then
	t "shellcheck finds nothing in the hooks" shellcheck hooks/initramfs-tools/*/bpboot hooks/dracut/90bpboot/*.sh scripts/package-deb
fi
t "mkinitramfs makes an initramfs with bpboot-root" initramfs_of make_initramfs_tools
t "dracut makes an initramfs with bpboot-root" initramfs_of make_dracut dracut ""
t "dracut makes one that systemd runs" initramfs_of make_dracut dracut-systemd systemd-initrd
for name in initramfs-tools dracut dracut-systemd; do
	[ -f "$set/$name.img" ] || done_testing
done
{
	lib_unshare bash "$0" --case initramfs-tools "boot=bpboot root=tftp://$late/compute.index ip=dhcp" >"$SCRATCH/it.tap" 2>&1
	first=$?
	lib_unshare bash "$0" --case dracut-systemd "root=bpboot:tftp://$late/compute.index" >"$SCRATCH/systemd.tap" 2>&1 && exit $first
} &
lib_unshare bash "$0" --case dracut "root=bpboot:tftp://$late/compute.index" >"$SCRATCH/dracut.tap" 2>&1
[ $? = 0 ] || lib_failed=1
wait $! || lib_failed=1
cat "$SCRATCH/it.tap" "$SCRATCH/dracut.tap" "$SCRATCH/systemd.tap"
done_testing
