#!/bin/bash
# formats.sh - squashfs, erofs and cpio of the same manifests: judged by others' programs, the same bytes each time
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot
cd "$SCRATCH" || exit 1
for tool in fsck.erofs dump.erofs unsquashfs cpio setfattr setcap setfacl python3; do
	if ! command -v $tool >/dev/null; then
		echo "skip formats of root images - $tool is missing"
		exit 0
	fi
done
if [ "$(id -u)" != 0 ]; then
	echo "skip formats of root images - needs root to make capabilities and devices"
	exit 0
fi

# --- a tree with everything -----------------------------------------------------------------------------------------

mkdir -p tree/deep/a/b/c tree/many tree/x
head -c 3000000 /dev/urandom >tree/random && seq 200000 >tree/text && { seq 20000; head -c 400000 /dev/urandom; } >tree/mixed
for n in 1 4095 4096 4097 8191 8192 8193 12289 131071 131072 131073; do seq 100000 | head -c $n >tree/text-$n; done
: >tree/empty && head -c 300000 /dev/urandom >tree/middle && head -c 5000000 /dev/zero >tree/zeros
truncate -s 400M tree/sparse
for at in 0 11 12 267 65804 70000 409599; do
	printf 'data at %d' $at | dd of=tree/sparse bs=1024 seek=$at conv=notrunc status=none
done
ln tree/middle tree/deep/linked && ln -s ../text tree/deep/short && ln -s "$(printf 't%.0s' {1..1000})" tree/deep/long
(cd tree/many && seq -f 'file-%g' 3000 | xargs touch)
(cd tree/x && touch -- "$(printf '\377\376\001%.0s' {1..85})" $'two\nlines' .-odd -dash ..x +p 'TRAILER!!!' ' ')
mkfifo tree/deep/fifo && mknod tree/deep/char c 300 70000 && mknod tree/deep/block b 8 1
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("tree/deep/socket")'
chmod 4751 tree/text-4097 && chmod 1777 tree/deep && chown 70000:80000 tree/empty tree/deep/a && chmod 700 tree/deep/a
cp /usr/bin/true tree/capable && setcap cap_net_raw,cap_net_admin+ep tree/capable
setfattr -n user.note -v 'some words' tree/mixed && setfattr -n user.empty tree/mixed
setfattr -n user.big -v "$(printf 'v%.0s' {1..900})" tree/empty
printf 'tree tree / owner=keep\n' >all.image

# A line for each file: kind, mode, owner, links, size, device, target; then sums of data, then attributes.
cat >report.sh <<'EOT'
cd "$1" || exit 1
find . -mindepth 1 \( -path ./dev -o -path ./proc -o -path ./run -o -path ./sys -o -path ./tmp \) -prune -o \
	-mindepth 1 -printf '%P|%y%m|%U:%G|%l|' \( -type d -printf '%n' -o -printf '%n %s' \) -printf '\n' | LC_ALL=C sort
stat -c '%n %t %T' deep/char deep/block
find . -type f -size -100M ! -path './many/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
for at in 0 11 12 267 65804 70000 409599 5; do dd if=sparse bs=1024 skip=$at count=1 status=none | sha256sum; done
EOT
cat >attributes.sh <<'EOT'
cd "$1" && getfattr -R -h -d -m - -e hex . 2>/dev/null | LC_ALL=C sort
EOT
bash report.sh tree >want && bash attributes.sh tree >want.attributes

for f in squashfs erofs cpio; do
	t "$f: an image of a tree of all kinds is built" "$bpboot" image -q -f $f all.image --raw all.$f
done

# Each writer once more, compiled with sanitizers, which end it at the first fault.
sanitized() { # FORMAT
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 "$san" image -q -f "$1" all.image --raw "san.$1" || return 1
	[ "$1" != ext2 ] || "$bpboot" image -q -f ext2 all.image --raw all.ext2 || return 1
	cmp "san.$1" "all.$1" && rm "san.$1"
}
san=${BUILD_SAN-}/src/cli/bpboot
if [ -x "$san" ]; then
	for f in ext2 squashfs erofs cpio; do
		t "$f: its writer makes the same bytes under AddressSanitizer and UBSan" sanitized $f
	done
else
	echo "skip the writers under sanitizers - BUILD_SAN is not built"
fi

t "squashfs: unsquashfs unpacks the same files with the same attributes" eval 'unsquashfs -q -n -d squashfs all.squashfs >/dev/null &&
	bash report.sh squashfs >got && diff want got && diff want.attributes <(bash attributes.sh squashfs)'
t "erofs: fsck.erofs finds nothing" eval 'fsck.erofs all.erofs >fsck 2>&1 && ! grep -iE "fail|error|corrupt|<[EW]>" fsck'
erofs_files() { # which fsck.erofs of 1.5 unpacks, but for hard links, set-user-id bits, chunks and attributes
	fsck.erofs --extract=erofs all.erofs >/dev/null && for f in $(cd tree && find . -type f ! -name sparse ! -name zeros \
		! -path './x/*' ! -path './many/*'); do cmp "tree/$f" "erofs/$f" || return 1; done &&
		[ "$(ls erofs/many | wc -l)" = 3000 ] && diff <(ls -A tree/x) <(ls -A erofs/x) &&
		[ "$(stat -c '%F %a %u %g' erofs/deep/a erofs/deep/fifo)" = "$(stat -c '%F %a %u %g' tree/deep/a tree/deep/fifo)" ]
}
t "erofs: fsck.erofs unpacks the same data" erofs_files
t "erofs: what shrinks is compressed, what does not is not" eval 'dump.erofs --path=/text all.erofs | grep -q "Layout: 1" &&
	dump.erofs --path=/random all.erofs | grep -q "Layout: [02]" && [ "$(stat -c %s all.erofs)" -lt 6500000 ]'
t "cpio: cpio unpacks the same files" eval 'mkdir cpio && (cd cpio && cpio -idmu --quiet <../all.cpio && rm -f "METADATA!!!") &&
	bash report.sh cpio >got && diff want got'
t "inspect lists the archive" eval '"$bpboot" inspect all.cpio >list && grep -q "deep/linked" list'

if grep -qw erofs /proc/filesystems && grep -qw squashfs /proc/filesystems; then # and loop devices: else the lab tells
	mounted() {
		mkdir -p mnt && mount -t "$1" -o ro,loop "all.$1" mnt || return 0
		bash report.sh mnt >got && diff want got && diff want.attributes <(bash attributes.sh mnt)
		local status=$?
		umount mnt
		return $status
	}
	t "squashfs: this machine's kernel reads the same" mounted squashfs
	t "erofs: this machine's kernel reads the same" mounted erofs
fi

# --- the same bytes -------------------------------------------------------------------------------------------------

# The tree copied elsewhere in another order and with other times, built by another user with another environment.
mkdir -p other && chmod 755 "$SCRATCH" && (cd tree && find . -print0 | shuf -z --random-source=<(yes) | cpio -0pdm --quiet ../other/tree) &&
	find other/tree -exec touch -hd '2001-02-03 04:05' {} + && for f in capable mixed empty; do cp --attributes-only --preserve=xattr tree/$f other/tree/$f; done
printf 'tree tree / owner=keep\nname all\n' >other/elsewhere.image
cp "$bpboot" bpboot # that user may have no way to the build directory
mkdir by && cp -a tree by/tree && rm -rf by/tree/deep/a by/tree/deep/char by/tree/deep/block && chmod -R a+rX by
printf 'tree by/tree /\nname by\n' >by.image && mkdir -p drop && chmod 777 drop
for f in ext2 squashfs erofs cpio; do
	t "$f: a copy with other times gives the same bytes" eval '[ -f all.$f ] || "$bpboot" image -q -f $f all.image --raw all.$f;
		(cd other && TZ=Asia/Tokyo LC_ALL=C "$bpboot" image -q -f $f elsewhere.image --raw ../again.$f) && cmp all.$f again.$f'
	t "$f: another user makes the same bytes" eval '"$bpboot" image -q -f $f by.image --raw by.$f &&
		(umask 077; setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME=/nonexistent PATH="$PATH" \
		./bpboot image -q -f $f by.image --raw drop/by.$f) && cmp by.$f drop/by.$f'
	rm -f again.$f by.$f drop/by.$f
done
printf 'tree by/tree /\nname by\nformat erofs\n' >line.image
t_says "the manifest names the format" 0 "image by: erofs" "$bpboot" image -q line.image --raw line.out
t_says "an option overrides it" 0 "image by: cpio" "$bpboot" image -q line.image -f cpio --raw line.out
t_says "an unknown format is a wrong use" 2 "expected ext2, squashfs, erofs or cpio" "$bpboot" image -q line.image -f iso9660 --raw x
printf 'format zip\n' >wrong.image
t_says "and a wrong line of the manifest" 1 "wrong.image:1: format 'zip': expected" "$bpboot" image -q wrong.image --raw x

# --- what cannot be -------------------------------------------------------------------------------------------------

mkdir acl big && echo x >acl/x && setfacl -m u:1234:rw acl/x && truncate -s 4G big/file && printf 'tree acl /\n' >acl.image && printf 'tree big /\n' >big.image
t_says "squashfs: an access control list is left out, and said" 0 "leaving out those of 1 files, the first is '/x'" \
	"$bpboot" image -q -f squashfs acl.image --raw acl.squashfs
t "squashfs: without it the group may no more than before" eval 'unsquashfs -lln acl.squashfs | grep -q "^-rw-r--r--.*/x$"'
t "erofs and cpio have them" eval '"$bpboot" image -q -f erofs acl.image --raw x && dump.erofs --path=/x x | grep -q "Xattr size: [1-9]" &&
	"$bpboot" image -q -f cpio acl.image --raw x && grep -qa system.posix_acl_access x'
t_says "cpio: a file of 4 GiB is named" 1 "'/file': cpio holds files of less than 4 GiB" "$bpboot" image -q -f cpio big.image --raw x
t "erofs: a file of 4 GiB" eval '"$bpboot" image -q -f erofs big.image --raw x && dump.erofs --path=/file x | grep -q "Size: 4294967296"'
full() {
	mkdir -p small && mount -t tmpfs -o size=2M none small && "$bpboot" image -q -f "$1" all.image --raw small/x
	local status=$?
	ls -A small | sed 's/^/left behind: /'
	return $status
}
export -f full
export bpboot
for f in squashfs erofs cpio; do
	t_says "$f: a full disk is said" 1 "cannot write the image: No space left on device" unshare -m bash -c "full $f"
	t "$f: a full disk leaves nothing behind" eval '! unshare -m bash -c "full $f" 2>&1 | grep "left behind"'
	"$bpboot" image -q -f $f all.image --raw killed.$f >/dev/null 2>&1 &
	pid=$!
	wait_for 10 eval 'ls -A | grep -q "killed.$f"'
	kill -INT $pid 2>/dev/null
	wait $pid
	t "$f: an interrupt leaves all or nothing" eval '! ls -A | grep "killed.$f." && { [ ! -e killed.$f ] || cmp killed.$f all.$f; }'
done

# --- published ------------------------------------------------------------------------------------------------------

"$bpboot" keygen >/dev/null || not_ok keygen "failed"
printf 'program /bin/bash\ninit /bin/bash\nname node\n' >node.image
for f in squashfs erofs cpio; do
	t_says "$f: it is published" 0 "published in $SCRATCH/boot: node, counter" "$bpboot" image -q -f $f node.image
	t "$f: the index tells" grep -qx "format $f" boot/node.index
	t "$f: bpboot verify accepts it" "$bpboot" verify node
done
t_says "publishing the same format again looks and writes nothing" 0 "nothing that it is made of" "$bpboot" image -q -f cpio node.image
t "the index of cpio tells what it takes in memory" grep -qE '^memory [0-9]+$' boot/node.index

# --- size -----------------------------------------------------------------------------------------------------------

for f in ext2 squashfs erofs cpio; do
	"$bpboot" size --json -f $f node.image >size.json && "$bpboot" image -q -f $f node.image --raw size.$f >/dev/null
	t "$f: size --json tells the image's exact size, and a node's memory" python3 - $f "$(stat -c %s size.$f)" <<-'EOT'
		import json, sys
		s = json.load(open("size.json"))
		assert s["format"] == sys.argv[1] and s["image"]["total"] == int(sys.argv[2]), s["image"]
		assert s["node"]["boot"] == s["node"]["root"] + 8 * 1024 * 1024
		files = sum(f["bytes"] for f in s["files"])
		assert files * (0.2 if sys.argv[1] in ("squashfs", "erofs") else 1) < s["node"]["root"] < files * 1.2 + 100000
	EOT
	t_says "$f: size says it in words" 0 "node: free memory to boot" "$bpboot" size -f $f node.image
done
done_testing
