#!/bin/bash
# inspect-initrds.sh - initrds made by initramfs-tools, dracut and as mkinitcpio makes them, read as their own tools and
# cpio read them
. "$(dirname "$0")/lib.sh"

bp=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
for tool in mkinitramfs lsinitramfs unmkinitramfs dracut lsinitrd bsdtar cpio zstd python3; do
	command -v $tool >/dev/null || { echo "skip initrds of others - $tool is not installed"; exit 0; }
done
if [ "$(id -u)" != 0 ] || [ ! -d "${KERNEL_CLOUD:-/nowhere}/lib/modules" ]; then
	echo "skip initrds of others - needs root and a kernel package"
	exit 0
fi

# Firmware for processors, as both tools put it in front; and a kernel that they take for the machine's own.
v=$(ls "$KERNEL_CLOUD/lib/modules")
mkdir -p root fw/intel-ucode early/kernel/x86/microcode conf/conf.d conf/hooks conf/scripts
cp -rl "$KERNEL_CLOUD/lib/modules/$v" root/ 2>/dev/null || cp -r "$KERNEL_CLOUD/lib/modules/$v" root/
rm -f root/"$v"/modules.{dep,alias,symbols,softdep,devname,builtin.bin,builtin.alias.bin}* # depmod writes them anew, not through a link
head -c 5000 /dev/urandom >fw/intel-ucode/06-0f-0b && cp fw/intel-ucode/06-0f-0b early/kernel/x86/microcode/GenuineIntel.bin
cp /etc/initramfs-tools/initramfs.conf conf/ && sed -i 's/^MODULES=.*/MODULES=list/' conf/initramfs.conf
printf 'virtio_net\next4\nnfs\n' >conf/modules
cat >run <<EOT
mount --make-rprivate / && mkdir -p /lib/modules && mount --bind root /lib/modules || exit 1
mount -t tmpfs boot /boot && cp "$KERNEL_CLOUD/boot/config-$v" "$KERNEL_CLOUD"/boot/System.map-$v /boot/ && depmod $v || exit 1
echo CONFIG_MICROCODE_INTEL=y >>/boot/config-$v # which dracut asks; the cloud kernel has none
mkinitramfs -d "$SCRATCH/conf" -o mkinitramfs.img $v && mkdir tmp || exit 1
dracut --no-hostonly --gzip --early-microcode --fwdir "$SCRATCH/fw" --tmpdir "$SCRATCH/tmp" --kver $v --modules "base kernel-modules" \
	--drivers "virtio_net ext4 loop" -f dracut.img
EOT
if ! unshare -m bash ./run >log 2>&1; then
	not_ok "initrds are made" "$(tail -n 5 log)"
	done_testing
fi

# long FILE: kind and mode, links, size or device, name and target of what inspect lists, as `cpio -tv` prints it.
long() {
	"$bp" inspect "$1" | grep -vE '^(segment [0-9]+: |[0-9]+ segments?, )' | sed 's/\\\\/\\/g' |
		awk '{ m = substr($1, 1, 10); at = $5 ~ /,$/ ? 9 : 8; size = $5; if (at == 9) size = size $6; n = $at; for (i = at + 1; i <= NF; i++) n = n " " $i; print m, $2, size, n }'
}
# long_cpio: the same of the archive on standard input.
long_cpio() {
	cpio --quiet -tvn 2>/dev/null |
		awk '{ at = $5 ~ /,$/ ? 10 : 9; size = $5; if (at == 10) size = size $6; n = $at; for (i = at + 1; i <= NF; i++) n = n " " $i; print $1, $2, size, n }'
}
names() { "$bp" inspect --json "$1" | python3 -c '
import json, sys
for s in json.load(sys.stdin)["segments"]:
    for f in s["files"]:
        print(f["path"] or ".")' | sort; }
same_files() { # DIR: what inspect extracted to "out" is there
	find "$1" ! -type f ! -type d ! -type l -delete
	find "$1" out -perm /6000 -exec chmod ug-s {} +
	diff -r --no-dereference "$1" out && diff <(cd "$1" && find . -printf '%y %m %p\n' | sort) <(cd out && find . -printf '%y %m %p\n' | sort)
}
segments() { "$bp" inspect "$1" | sed -n 's/^segment [0-9]*: \([a-z0-9]*\) .*compression /\1 /p' | paste -sd,; }

t "initramfs-tools: the names of lsinitramfs ($(lsinitramfs mkinitramfs.img | wc -l))" diff <(lsinitramfs mkinitramfs.img | sort) <(names mkinitramfs.img)
t "initramfs-tools: the lines of cpio -tv" diff <(zstd -dcq mkinitramfs.img 2>/dev/null | long_cpio) <(long mkinitramfs.img)
"$bp" inspect -x out mkinitramfs.img 2>log || not_ok "initramfs-tools: extracted" "$(cat log)"
unmkinitramfs mkinitramfs.img theirs 2>log
t "initramfs-tools: the files of unmkinitramfs, with their modes" same_files theirs
t "initramfs-tools: one file" cmp <("$bp" inspect -c init mkinitramfs.img) theirs/init

t "dracut: firmware in front, then what is packed" test "$(segments dracut.img)" = "cpio none,cpio gzip"
t "dracut: the names of lsinitrd ($(lsinitrd dracut.img | grep -c '^[-dlcbps][-r][-w]'))" diff \
	<(lsinitrd dracut.img | grep '^[-dlcbps][-r][-w][-xsS]' | sed 's/^.* [A-Z][a-z][a-z]  *[0-9][0-9]*  *[0-9:]* //; s/ -> .*//' | sort) <(names dracut.img)
t "dracut: the lines of cpio -tv" diff <({ long_cpio <dracut.img; /usr/lib/dracut/skipcpio dracut.img | gzip -dc | long_cpio; }) \
	<(long dracut.img)
rm -rf out theirs
"$bp" inspect -x out dracut.img 2>log || not_ok "dracut: extracted" "$(cat log)"
mkdir theirs && (cd theirs && cpio --quiet -idm <../dracut.img && /usr/lib/dracut/skipcpio ../dracut.img | gzip -dc | cpio --quiet -idm) 2>log
t "dracut: the files of cpio, with their modes" same_files theirs
t "dracut: the firmware" cmp <("$bp" inspect -c kernel/x86/microcode/GenuineIntel.bin dracut.img) fw/intel-ucode/06-0f-0b

# mkinitcpio: `find | bsdtar to newc` for each, firmware not packed, the rest with zstd -T0.
newc() { (cd "$1" && find . -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z | bsdtar --null -cnf - -T - | bsdtar --uid 0 --gid 0 --null -cf - --format=newc @-); }
{ newc early; newc theirs | zstd -qc -T0 -3; } >mkinitcpio.img
t "mkinitcpio: firmware in front, then what is packed" test "$(segments mkinitcpio.img)" = "cpio none,cpio zstd"
t "mkinitcpio: the lines of cpio -tv" diff <(newc early | long_cpio; newc theirs | long_cpio) <(long mkinitcpio.img)
rm -rf out
cp -a early/. theirs/
"$bp" inspect -x out mkinitcpio.img 2>log || not_ok "mkinitcpio: extracted" "$(cat log)"
t "mkinitcpio: the files that it was made of" same_files theirs
done_testing
