#!/bin/bash
# formats-boot.sh - a node boots each format of a root, and sees the files of the source with all that belongs to them
#
# Machines in QEMU, two at a time, each in a network namespace of its own with dnsmasq. The root's init is a script of
# busybox that prints a line for each file on a second serial port; the same lines are made here from the source.
# alone
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
sets=$SCRATCH/sets
mac=${VM_MAC//:/}

# --- the tree, its report, the images -------------------------------------------------------------------------------

make_tree() {
	mkdir -p tree/deep/a/b/c tree/many tree/x &&
		head -c 4000000 /dev/urandom >tree/random && seq 300000 >tree/text && head -c 12289 /dev/urandom >tree/small &&
		: >tree/empty && head -c 3000000 /dev/zero >tree/zeros && truncate -s 100M tree/sparse || return 1
	for at in 0 11 267 65804 102399; do
		printf 'data at %d' $at | dd of=tree/sparse bs=1024 seek=$at conv=notrunc status=none
	done
	ln tree/small tree/deep/linked && ln -s ../text tree/deep/short && ln -s "$(printf 't%.0s' {1..1000})" tree/deep/long
	(cd tree/many && seq -f 'file-%g' 1000 | xargs touch)
	(cd tree/x && touch -- "$(printf '\377\376\001%.0s' {1..85})" $'two\nlines' .-odd -dash ..x)
	mkfifo tree/deep/fifo && mknod tree/deep/char c 300 70000 && mknod tree/deep/block b 8 1
	chmod 4751 tree/text && chmod 1777 tree/deep && chown 70000:80000 tree/empty tree/deep/a && chmod 700 tree/deep/a
	cp /usr/bin/true tree/capable && setcap cap_net_raw,cap_net_admin+ep tree/capable
}
cat >"$SCRATCH/report.sh" <<'EOT'
cd "$1" || exit 1
busybox find . -mindepth 1 ! -path './many/*' ! -path './x/*' | busybox sort | while IFS= read -r f; do
	size=$(busybox stat -c %s "$f")
	[ -d "$f" ] && size=dir
	echo "$f $(busybox stat -c '%f %u %g %t %T %h %Y' "$f") $size $(busybox readlink "$f")"
done
busybox ls many | busybox sort | busybox sha256sum
busybox ls -A x | busybox sort | busybox sha256sum
for f in random text small empty zeros capable deep/linked; do busybox sha256sum "$f"; done
for at in 0 11 267 65804 102399 5; do busybox dd if=sparse bs=1024 skip=$at count=1 2>/dev/null | busybox sha256sum; done
EOT
cat >"$SCRATCH/init" <<'EOT'
#!/bin/busybox sh
export PATH=/bin
busybox stty -F /dev/ttyS1 raw
{
	echo report; busybox sh /report.sh /tree
	echo attributes; getfattr -h -d -m security -e hex --absolute-names /tree/capable
	echo written; echo new >/tree/new; busybox cat /tree/new; busybox rm -f /tree/new /tree/small && busybox cat /tree/deep/linked | busybox sha256sum
	busybox sync; echo 3 >/proc/sys/vm/drop_caches
	echo memory; busybox grep MemAvailable /proc/meminfo; busybox df -k / | busybox tail -n 1
	busybox cat /sys/block/zram0/mm_stat /sys/block/zram0/comp_algorithm; busybox grep -E ' / |bpboot' /proc/mounts
	echo end
} >/dev/ttyS1 2>&1
busybox poweroff -f
EOT
prepare() {
	mkdir -p "$sets/boot" && cd "$sets" && make_tree && find tree -exec touch -hd '2020-01-01 00:00 UTC' {} + &&
		"$bpboot" keygen --dir keys &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --root squashfs,erofs,zram,zram-zstd --key keys/sign.pub \
			--output initrd.img --level 3 --quiet &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --key keys/sign.pub --output plain.img --level 3 --quiet ||
		return 1
	cat >all.image <<-EOT
		tree tree /tree owner=keep
		file /bin/busybox /bin/busybox
		program /usr/bin/getfattr /bin/getfattr
		link /bin/sh busybox
		file ../report.sh /report.sh
		file ../init /sbin/init mode=0755
	EOT
	{ cat all.image && echo "free 2M"; } >ext2.image
	{ cat all.image && echo "free 400M"; } >huge.image
	"$bpboot" image -q --level 3 --key keys/sign.key --output boot huge.image || return 1
	head -c 60000000 /dev/urandom >../bulk && { cat all.image && echo "file ../bulk /bulk"; } >bulky.image &&
		"$bpboot" image -q --level 1 -f cpio --key keys/sign.key --output boot bulky.image && rm ../bulk || return 1
	for f in squashfs erofs cpio; do
		"$bpboot" image -q --level 3 -f $f --name $f --key keys/sign.key --output boot all.image || return 1
		"$bpboot" size --json -f $f all.image >$f.json || return 1
	done
	"$bpboot" image -q --level 3 --key keys/sign.key --output boot ext2.image && "$bpboot" size --json ext2.image >ext2.json || return 1
	"$bpboot" image -q ext2.image --raw other.ext2 && mkdir -p top/bin top/sbin top/dev top/proc top/sys top/run &&
		cp -a tree top/tree && cp /bin/busybox top/bin/busybox && ln -s busybox top/bin/sh && cp ../report.sh top/ && cp ../init top/sbin/init &&
		"$bpboot" needs /usr/bin/getfattr | (cd top && while read -r f; do mkdir -p ".${f%/*}" && cp -L "$f" ".$f"; done) &&
		cp /usr/bin/getfattr top/bin/getfattr && find top/tree -exec touch -hd '2020-01-01 00:00 UTC' {} + && chmod 755 top/sbin/init &&
		truncate -s 40M disk.ext4 && mke2fs -q -t ext4 -U 11111111-2222-3333-4444-55555555aaaa -L data -d top disk.ext4 &&
		"$bpboot" initrd --kernel "$KERNEL_CLOUD" --modules virtual --root disk --key keys/sign.pub --output disk.img --level 3 --quiet ||
		return 1
	mkdir -p path && ln -sf "$(command -v busybox)" path/ && PATH=$sets/path:$PATH busybox sh ../report.sh tree >want
}

# --- a boot ---------------------------------------------------------------------------------------------------------

boot() { # IMAGE INITRD MEMORY APPEND
	vm_dnsmasq "$sets/boot" --dhcp-boot="$1.index"
	# shellcheck disable=SC2046
	vm_start "$sets/$2" "bpboot.retry=1 $4" -m "$3" $(vm_nic virtio-net-pci) -serial "$(vm_serial)" -serial file:"$VM/report"
	vm_monitor cont
}
part() { sed -n "/^$1\$/,/^$2\$/p" "$VM/report" | sed '1d;$d'; }
ended() { grep -qx end "$VM/report"; }
tail_of() { tail -n 4 "$VM/consoles/$VM_MAC.log" 2>/dev/null; }
seen() { # NAME: the node boots and sees what was put in
	if wait_for 240 ended; then
		ok "$1: a node boots to a command"
	else
		not_ok "$1: a node boots to a command" "$(tail_of)"
		return 1
	fi
	t "$1: the files are those of the source, with owners, modes, links, devices and times" diff "$sets/want" <(part report attributes)
	t "$1: capabilities are kept" diff <(getfattr -h -d -m security -e hex --absolute-names "$sets/tree/capable" | grep =) \
		<(part attributes written | grep =)
	t "$1: it can be written to" eval '[ "$(part written memory | head -n 1)" = new ] &&
		[ "$(part written memory | sed -n 2p)" = "$(sha256sum <"$sets/tree/small")" ]'
	t "$1: nothing went wrong on the way" eval '! grep -aE " (warn|fail): " "$VM/consoles/$VM_MAC.log"'
}
# What init found free before the image came, less what is available now, is at most what `bpboot size` told and the
# little that the root's own processes take; and not much less.
held() { # NAME FORMAT SLACK_BELOW
	python3 - "$sets/$2.json" "$VM/consoles/$VM_MAC.log" "$VM/report" "$3" <<-'EOT'
		import json, re, sys
		root = json.load(open(sys.argv[1]))["node"]["root"]
		log = open(sys.argv[2], errors="replace").read()
		free = float(re.search(r"memory ok: image of .* needs .*, ([0-9.]+) MB of memory are free", log).group(1)) * 1e6
		peak = int(re.search(r"root ok: .*peak memory ([0-9]+) bytes", log).group(1))
		held = free - int(re.search(r"MemAvailable: +([0-9]+)", open(sys.argv[3]).read()).group(1)) * 1024
		print("size told", root, "held", held, "peak", peak)
		assert root * float(sys.argv[4]) - 2e6 < held < root + 4e6 and peak < root + 8e6 + 4e6
	EOT
}
told() { t "$1: bpboot size told the node's memory" held "$1" "$2" "${3:-0.8}"; }
mounted() { part memory end | grep -E "$1"; } # REGEX

case_squashfs() {
	boot squashfs initrd.img 192 "bpboot.overlay-size=20M"
	seen squashfs && told squashfs squashfs
	t "squashfs: an overlay of the size that was asked for" mounted '^overlay +20480 '
	t "squashfs: image and overlay can be looked at" mounted ' /run/bpboot/image squashfs ro'
}
case_erofs() {
	boot erofs initrd.img 192 ""
	seen erofs && told erofs erofs
	t "erofs: image and overlay can be looked at" mounted ' /run/bpboot/image erofs ro'
}
case_cpio() {
	boot cpio plain.img 192 "bpboot.sessions=4"
	seen cpio && told cpio cpio
	t "cpio: the root is a tmpfs" mounted ' / tmpfs rw'
}
case_zram() {
	on_zram "bpboot.ramdisk=zram" "ext2 on zram" lz4
}
case_zram_zstd() {
	on_zram "bpboot.ramdisk=zram:zstd" "ext2 on zram with zstd" zstd
}
on_zram() { # APPEND NAME PACKER
	boot ext2 initrd.img 192 "$1"
	seen "$2"
	t "$2: it is packed so" mounted "\\[$3\\]"
	t "$2: it takes less than the image" eval 'used=$(part memory end | awk "NF >= 8 && /^ *[0-9]/ { print \$3; exit }");
		echo "used ${used:-?}"; [ "${used:-999999999}" -gt 1000000 ] && [ "$used" -lt $(($(sed -n "s/^size //p" "$sets/boot/ext2.index") * 8 / 10)) ]'
}
# A root that is no image: two disks, told apart by their UUIDs; no network is asked for.
case_disk() {
	cp --sparse=always "$sets/disk.ext4" "$sets/other.ext2" "$VM"
	# shellcheck disable=SC2046
	vm_start "$sets/disk.img" "root=UUID=11111111-2222-3333-4444-55555555AAAA" -m 160 -serial "$(vm_serial)" -serial file:"$VM/report" \
		-drive file="$VM/other.ext2",format=raw,if=virtio,cache=unsafe -drive file="$VM/disk.ext4",format=raw,if=virtio,cache=unsafe
	vm_monitor cont
	seen "ext4 on a local disk, by UUID"
	t "a local disk: it is mounted by its name" mounted '^/dev/(vdb|root) / ext4 rw'
}
case_disk_name() {
	cp --sparse=always "$sets/disk.ext4" "$VM"
	vm_start "$sets/disk.img" "root=/dev/vda ro" -m 160 -serial "$(vm_serial)" -serial file:"$VM/report" \
		-drive file="$VM/disk.ext4",format=raw,if=virtio,cache=unsafe
	vm_monitor cont
	if wait_for 240 ended; then
		ok "ext4 on a local disk, by its name: a node boots to a command"
	else
		not_ok "ext4 on a local disk, by its name: a node boots to a command" "$(tail_of)"
	fi
	t "a local disk, by its name: read-only as asked for" mounted '^/dev/(vda|root) / ext4 ro'
}
# The disk is plugged in after the first attempt.
case_disk_missing() {
	cp --sparse=always "$sets/other.ext2" "$sets/disk.ext4" "$VM"
	vm_start "$sets/disk.img" "root=LABEL=data rootdelay=2 bpboot.retry=1" -m 160 -serial "$(vm_serial)" -serial file:"$VM/report" \
		-drive file="$VM/other.ext2",format=raw,if=virtio,cache=unsafe -drive file="$VM/disk.ext4",format=raw,if=none,id=late,cache=unsafe
	vm_monitor cont
	t "a disk that is not there is named, with those that are" vm_says 240 \
		'mount fail: no disk LABEL=data after 2 s; there is vda .ext2 LABEL=ext2 UUID=[0-9a-f-]{36}'
	t "and it is tried again" vm_says 60 'retry begin: trying again'
	vm_monitor "device_add virtio-blk-pci,drive=late"
	if wait_for 240 ended; then
		ok "when it comes, the node boots from it, by its label"
	else
		not_ok "when it comes, the node boots from it, by its label" "$(tail_of)"
	fi
	t "a local disk, by its label: it is mounted" mounted '^/dev/(vdb|root) / ext4 rw'
}
# Failures. A machine begins again from the start after each, and DHCP names another image by then; so one has several.
failing() { # IMAGE INITRD APPEND
	vm_dnsmasq "$sets/boot" --dhcp-optsfile="$VM/options"
	# shellcheck disable=SC2046
	vm_start "$sets/$2" "bpboot.retry=1 $3" -m 160 $(vm_nic virtio-net-pci) -serial "$(vm_serial)"
	vm_monitor cont
}
name() { # IMAGE: what DHCP names from now on
	printf '17,"%s.index"\n' "$1" >"$VM/options.new" && mv "$VM/options.new" "$VM/options" || return 1
	[ -z "${vm_dnsmasq_pid-}" ] || kill -HUP "$vm_dnsmasq_pid"
}
says() { # NAME REGEX: and no part of an image was fetched
	if vm_says 240 "$2" && ! grep -aqE 'fetch progress|verify ok' "$VM/consoles/$VM_MAC.log"; then
		ok "$1"
	else
		not_ok "$1" "$(tail_of)"
	fi
}
case_missing() {
	name squashfs && failing squashfs plain.img "module_blacklist=brd"
	says "squashfs that the initrd does not hold is named, with what to do" \
		'fetch fail: cannot load module squashfs for the image.s file system: this initrd does not hold it .bpboot initrd --root squashfs'
	t "and it is tried again" vm_says 60 'retry begin: trying again'
	name erofs
	says "erofs that the initrd does not hold is named, with what to do" \
		'fetch fail: cannot load module erofs for the image.s file system: this initrd does not hold it .bpboot initrd --root erofs'
	name huge
	says "a RAM disk that does not fit is said before anything is fetched, with what it needs and what is there" \
		'memory fail: image of 4[0-9.]+ MB needs 4[0-9.]+ MB, [0-9.]+ MB of memory are free: '
	name ext2
	says "a RAM disk whose module the kernel refuses is named, with the reason" \
		'fetch fail: cannot load module brd for the ram disk: the kernel command line blacklists it'
}
case_unmountable() {
	name squashfs && failing squashfs initrd.img "module_blacklist=overlay rootflags=nonsense"
	says "an overlay that cannot be loaded is named, with the reason" \
		'fetch fail: cannot load module overlay for what is written over the image: the kernel command line blacklists it'
	name cpio
	says "a tmpfs that cannot be mounted is said, with its options" 'mount fail: cannot mount the image as tmpfs .*nonsense.*: Invalid argument'
	name ext2
	t "an image that cannot be mounted is said, with its options" vm_says 240 \
		'mount fail: cannot mount the image as ext2 .rw,nonsense.: Invalid argument'
}
case_missing_zram() {
	boot ext2 plain.img 160 "bpboot.ramdisk=zram"
	t "a compressed RAM disk that the initrd does not hold is named" vm_says 240 \
		'fetch fail: cannot load module lz4 for the compressed ram disk: this initrd does not hold it .bpboot initrd --root zram'
}
case_cpio_memory() {
	boot bulky plain.img 96 ""
	t "files that do not fit are said before anything is fetched" vm_says 240 'memory fail: image of .* needs [0-9.]+ MB, [0-9.]+ MB of memory are free'
	t "and nothing was fetched" eval '! grep -aq "fetch begin" "$VM/consoles/$VM_MAC.log"'
}

cases="squashfs erofs cpio zram zram_zstd disk disk_name disk_missing missing unmountable missing_zram cpio_memory"
if [ "${1-}" = --case ]; then
	VM=$SCRATCH/$2
	mkdir -p "$VM" && vm_network || {
		not_ok "$2" "cannot make a network"
		exit 1
	}
	trap vm_end EXIT
	"case_$2"
	done_testing
fi
for tool in qemu-system-x86_64 dnsmasq ip busybox getfattr setcap python3; do
	if ! command -v $tool >/dev/null || [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || [ "$(id -u)" != 0 ]; then
		echo "skip nodes boot each format - needs root, KERNEL_CLOUD, $tool"
		exit 0
	fi
done
if ! (prepare) >"$SCRATCH/prepare.out" 2>&1; then
	not_ok "images and initrds are built" "$(tail -n 5 "$SCRATCH/prepare.out")"
	done_testing
fi
lib_cases "$cases" "$*"
done_testing
