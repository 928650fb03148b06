#!/bin/bash
# image-mount.sh - the kernel mounts an image without a word, and reads the same files with the same attributes
#
# A machine with the image as its disk and an initramfs of busybox: no network, no bpboot in it. It prints a line for
# each file on its serial port; the same lines are made here from the source.
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
vm=
trap '[ -z "$vm" ] || kill "$vm" 2>/dev/null' EXIT
for tool in qemu-system-x86_64 busybox cpio python3 setfattr getfattr setfacl getfacl setcap e2fsck; do
	if ! command -v $tool >/dev/null || [ ! -d "${KERNEL_CLOUD-}/lib/modules" ]; then
		echo "skip the kernel mounts an image - needs KERNEL_CLOUD, $tool"
		exit 0
	fi
done
if [ "$(id -u)" != 0 ]; then
	echo "skip the kernel mounts an image - needs root to make capabilities and devices"
	exit 0
fi

# --- a tree with everything -----------------------------------------------------------------------------------------

mkdir -p tree/deep/a/b/c tree/many tree/x
head -c 20000000 /dev/urandom >tree/random
head -c 300000 /dev/urandom >tree/middle && head -c 12289 /dev/urandom >tree/small && : >tree/empty
truncate -s 5G tree/sparse
for at in 0 11 12 267 268 65804 70000 5242879; do
	printf 'data at %d' $at | dd of=tree/sparse bs=1024 seek=$at conv=notrunc status=none
done
ln tree/middle tree/deep/linked && ln -s ../small tree/deep/short && ln -s "$(printf 't%.0s' {1..200})" tree/deep/long
(cd tree/many && seq -f 'file-%g' 2000 | xargs touch)
touch "tree/x/$(printf '\377\376\001%.0s' {1..85})" tree/x/$'two\nlines'
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("tree/deep/socket")'
mkfifo tree/deep/fifo && mknod tree/deep/char c 300 70000 && mknod tree/deep/block b 8 1
chmod 4751 tree/small && chmod 1777 tree/deep && chown 70000:80000 tree/empty tree/deep/a && chmod 700 tree/deep/a
cp /usr/bin/true tree/capable && setcap cap_net_raw,cap_net_admin+ep tree/capable
setfacl -m u:1234:rw,g:5678:r tree/random && setfacl -m u:1234:rwx -d -m g:99:rx tree/deep/a
setfacl -m u:1234:rw,g:5678:r tree/middle # the same as another: a shared block
setfattr -n user.note -v 'some words' tree/small && setfattr -n user.a -v 1 tree/small && setfattr -n user.empty tree/small
setfattr -n user.big -v "$(printf 'v%.0s' {1..900})" tree/empty

printf 'tree tree /tree owner=keep\nprogram /usr/bin/getfattr\nprogram /usr/bin/sh\nfree 1M\n' >all.image
t "a tree of all kinds is built" "$bpboot" image -q all.image --raw all.ext2
t "e2fsck finds nothing" eval 'e2fsck -fn all.ext2 >fsck.out 2>&1 && ! grep -iE "fix|error|wrong|invalid" fsck.out'
printf 'tree tree /\n' >root.image
t "extended attributes that do not fit are named" eval 'setfattr -n user.more -v "$(printf "v%.0s" {1..200})" tree/empty &&
	! "$bpboot" image -q root.image --raw root.ext2 2>big.err && grep -q "/empty.: its extended attributes do not fit" big.err;
	status=$?; setfattr -x user.more tree/empty; [ $status = 0 ]'
printf 'tree tree / mode=0640\n' >mode.image
t "mode= takes ACLs away, and nothing else" eval '"$bpboot" image -q mode.image --raw mode.ext2 && e2fsck -fn mode.ext2 >/dev/null 2>&1 &&
	! debugfs -R "ea_list /random" mode.ext2 2>/dev/null | grep -q acl && debugfs -R "ea_list /capable" mode.ext2 2>/dev/null | grep -q capability'

# --- what the kernel says -------------------------------------------------------------------------------------------

# A line for each file: mode, owner, links, size, device, target; a sum of its data; then attributes.
cat >report.sh <<'EOT'
cd "$1" || exit 1
busybox find . ! -path './many/*' ! -path './x/*' | busybox sort | while IFS= read -r f; do
	size=$(busybox stat -c %s "$f")
	[ -d "$f" ] && size=dir
	echo "$f $(busybox stat -c '%f %u %g %t %T' "$f") $size $([ -d "$f" ] || busybox stat -c %h "$f") $(busybox readlink "$f")"
done
busybox ls many | busybox sort | busybox sha256sum
busybox ls x | busybox sort | busybox sha256sum
for f in random middle small empty capable deep/linked; do busybox sha256sum "$f"; done
for at in 0 11 12 267 268 65804 70000 5242879; do busybox dd if=sparse bs=1024 skip=$at count=1 2>/dev/null | busybox sha256sum; done
EOT
cat >attributes.sh <<'EOT'
for f in random middle small empty capable deep/a deep/linked; do
	getfattr -h -d -m - -e hex "$1/$f" | sed "s,^# file: .*,# $f," | sort
done
EOT
mkdir -p initrd/bin initrd/root initrd/dev initrd/proc initrd/modules && cp "$(command -v busybox)" initrd/bin/busybox
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
	cp "$(find "$KERNEL_CLOUD/lib/modules" -name $m.ko)" initrd/modules/
done
cp report.sh attributes.sh initrd/
cat >initrd/init <<'EOT'
#!/bin/busybox sh
export PATH=/bin
busybox mount -t devtmpfs none /dev; busybox mount -t proc none /proc
for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
	busybox insmod /modules/$m.ko
done
busybox stty -F /dev/ttyS1 raw
{
for type in ext2 ext4; do busybox mount -t $type -o ro /dev/vda /root && echo "mounted $type" && busybox umount /root; done
busybox mount -t ext4 /dev/vda /root || echo "not mounted"
echo report; busybox sh /report.sh /root/tree
echo attributes; busybox cp /attributes.sh /root/; busybox chroot /root /usr/bin/sh -c 'PATH=/usr/bin; for f in random middle small empty capable deep/a deep/linked; do echo "# $f"; getfattr -h -d -m - -e hex --absolute-names "/tree/$f"; done'
echo written; busybox dd if=/dev/zero of=/root/new bs=1024 count=900 2>&1 | busybox tail -n 0; busybox rm /root/tree/middle; busybox umount /root
echo kernel; busybox dmesg | busybox grep -iE 'ext[24].*(error|warning|corrupt|bad|invalid)'
echo end
} >/dev/ttyS1 2>&1
busybox poweroff -f
EOT
chmod +x initrd/init
(cd initrd && find . | cpio --quiet -o -H newc) >initrd.img
cp --sparse=always all.ext2 disk.ext2
: >serial.log
qemu-system-x86_64 -accel tcg -m 512 -nodefaults -display none -no-reboot -serial file:console.log -serial file:serial.log \
	-kernel "$KERNEL_CLOUD"/boot/vmlinuz-* -initrd initrd.img -append "console=ttyS0 no_timer_check quiet" \
	-drive file=disk.ext2,format=raw,if=virtio,cache=unsafe </dev/null >qemu.log 2>&1 &
vm=$!
wait_for 180 grep -qx end serial.log || not_ok "the machine reports" "$(tail -n 5 serial.log console.log)"
wait $vm
vm=
part() { sed -n "/^$1\$/,/^$2\$/p" serial.log | sed '1d;$d'; }
t "ext2 and ext4 drivers mount it" eval 'grep -qx "mounted ext2" serial.log && grep -qx "mounted ext4" serial.log && ! grep "not mounted" serial.log'
t "kinds, modes, owners, sizes, links, targets and data read back the same" diff <(busybox sh report.sh tree) <(part report attributes)
attributes_here() {
	local f
	for f in random middle small empty capable deep/a deep/linked; do
		echo "# $f"
		getfattr -h -d -m - -e hex --absolute-names "$SCRATCH/tree/$f"
	done
}
t "capabilities, ACLs and users' attributes read back the same" diff <(attributes_here | grep -v '^# file:' | sed '/^$/d') \
	<(part attributes written | grep -v '^# file:' | sed '/^$/d')
t "inodes with the same attributes share a block" eval '[ "$(debugfs -R "stat /tree/random" all.ext2 2>/dev/null | grep -o "File ACL: [0-9]*")" = \
	"$(debugfs -R "stat /tree/middle" all.ext2 2>/dev/null | grep -o "File ACL: [0-9]*")" ]'
t "the kernel has nothing to complain about" test -z "$(part kernel end)"
t "after the kernel wrote to it, e2fsck still finds nothing" eval 'e2fsck -fn disk.ext2 >disk.fsck 2>&1 || { cat disk.fsck; false; }'
done_testing
