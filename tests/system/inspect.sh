#!/bin/bash
# inspect.sh - bpboot inspect, judged by cpio, lsinitramfs and unmkinitramfs; hostile archives
set -u
. "$(dirname "$0")/lib.sh"

bp=$BUILD/src/cli/bpboot
command -v cpio >/dev/null || { echo "skip inspect - cpio is not installed"; exit 0; }
cd "$SCRATCH" || exit 1

# pack NAME: standard input as a compressed stream.
pack() {
	case $1 in
	none) cat ;;
	gzip) gzip -n ;;
	xz) xz --check=crc32 ;;
	lzma) xz --format=lzma ;;
	zstd) zstd -q -c ;;
	lz4) lz4 -q -c ;;
	lz4-legacy) lz4 -q -l -c ;;
	bzip2) bzip2 ;;
	esac
}
# archive DIR FORMAT: of all below it, as initramfs-tools makes it.
archive() { (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H "$2" -R 0:0); }
# names FILE: what inspect lists, as names.
names() { "$bp" inspect --json "$1" | jsonnames; }
jsonnames() { grep -o '"path":"[^"]*"' | sed 's/^"path":"//; s/"$//; s/^$/./' | sort; }

mkdir -p tree/usr/bin tree/etc tree/empty early/kernel/x86/microcode
echo '#!/bin/sh' >tree/init && chmod 755 tree/init
head -c 300000 /dev/urandom >tree/usr/bin/big
seq 50000 >tree/usr/bin/numbers
: >tree/etc/nothing
ln -s usr/bin tree/bin
ln tree/usr/bin/big tree/usr/bin/big-again
ln -s /etc/nothing tree/absolute
chmod 4755 tree/usr/bin/numbers
chmod 750 tree/empty
touch -d '2001-02-03 04:05:06 UTC' tree/etc/nothing
head -c 5000 /dev/urandom >early/kernel/x86/microcode/GenuineIntel.bin

# --- every packing, alone and behind an early archive ---
archive early newc >early.cpio
for format in newc crc; do
	archive tree $format >tree.cpio
	for packing in none gzip xz lzma zstd lz4 lz4-legacy bzip2; do
		case $packing in lz4*) tool=lz4 ;; lzma) tool=xz ;; none) tool=cat ;; *) tool=$packing ;; esac
		command -v $tool >/dev/null || { echo "skip $packing - $tool is not installed"; continue; }
		{ cat early.cpio; pack $packing <tree.cpio; } >two.img
		{ (cd early && find . | sed 's|^\./||'); (cd tree && find . | sed 's|^\./||'); } | sort >want
		t "$format, $packing: every name of two segments" diff want <(names two.img)
		rm -rf out
		if "$bp" inspect -x out two.img >log 2>&1 && diff -r --no-dereference tree out 2>&1 | grep -v '^Only in out: kernel$' >>log; then
			not_ok "$format, $packing: extracted as it was packed" "$(cat log)"
		elif ! cmp -s early/kernel/x86/microcode/GenuineIntel.bin out/kernel/x86/microcode/GenuineIntel.bin; then
			not_ok "$format, $packing: extracted as it was packed" "the early file: $(cat log)"
		else
			ok "$format, $packing: extracted as it was packed"
		fi
	done
done
t "modes and times are kept, set-id bits are not" diff <(cd out && stat -c '%n %a %Y' init empty etc/nothing usr/bin/numbers) \
	<(cd tree && stat -c '%n %a %Y' init empty etc/nothing usr/bin/numbers | sed 's/ 4755 / 755 /')
t "hard links stay hard links" test out/usr/bin/big -ef out/usr/bin/big-again
t "a symlink stays as it was" test "$(readlink out/absolute) $(readlink out/bin)" = "/etc/nothing usr/bin"

# --- many segments, in any order, with zeros between ---
archive tree newc >tree.cpio
{ cat early.cpio; head -c 512 /dev/zero; pack gzip <tree.cpio; head -c 1028 /dev/zero; pack xz <early.cpio; pack zstd <tree.cpio
	[ -z "$(command -v lz4)" ] || { pack lz4-legacy <early.cpio; head -c 8 /dev/zero; }
	cat tree.cpio; } >many.img
want=$([ -n "$(command -v lz4)" ] && echo 6 || echo 5)
t "segments of all kinds stand one behind the other" test "$("$bp" inspect many.img | grep -c '^segment')" = "$want"
mkdir last && echo new >last/init && archive last newc | pack gzip >>many.img
t "of several files with a name the last counts" test "$("$bp" inspect --cat /init many.img)" = new
t "a hard link's data is found behind another name" cmp <("$bp" inspect -c usr/bin/big two.img) tree/usr/bin/big
t_says "a file that is not there" 1 "no 'usr/nothing' in 'two.img'" "$bp" inspect -c usr/nothing two.img
t_says "a folder has no data" 1 "no regular file" "$bp" inspect -c usr two.img
t_says "options that exclude each other" 2 "exclude each other" "$bp" inspect --json -c init two.img

# --- judged by others ---
cut -c1-10 <("$bp" inspect tree.cpio | sed '1d;$d') >modes
t "modes are those that cpio lists" diff modes <(cpio --quiet -tvn <tree.cpio | cut -c1-10)
if command -v lsinitramfs >/dev/null; then
	for packing in gzip xz zstd; do
		{ cat early.cpio; pack $packing <tree.cpio; } >two.img
		t "lsinitramfs lists the same ($packing)" diff <(lsinitramfs two.img | sort) <(names two.img)
		rm -rf out theirs
		"$bp" inspect -x out two.img && unmkinitramfs two.img theirs && chmod u-s theirs/main/usr/bin/numbers &&
			cp -a theirs/early/. theirs/main/
		t "unmkinitramfs unpacks the same ($packing)" diff -r --no-dereference theirs/main out
	done
fi

# --- ext2, ext3, ext4 ---
if command -v mke2fs >/dev/null; then
	# Every make of them is read by inspect-images.sh.
	mkdir -p fs && cp -a tree fs/tree && truncate -s 30M fs/hole && printf x | dd of=fs/hole bs=1 seek=20000000 conv=notrunc status=none
	mke2fs -q -t ext4 -b 1024 -d fs fs.img 64M >log 2>&1
	t "ext4: every file" eval '"$bp" inspect -x out4 fs.img && rmdir out4/lost+found && chmod u-s fs/tree/usr/bin/numbers && diff -r --no-dereference fs out4'
	t "ext4: hard links" test out4/tree/usr/bin/big -ef out4/tree/usr/bin/big-again
	t "ext4: one file" cmp <("$bp" inspect -c /tree/usr/bin/numbers fs.img) tree/usr/bin/numbers
	t "holes stay holes" test "$(stat -c %b out4/hole)" -lt 1000
	debugfs -w -R "mknod disk b 8 17" fs.img >/dev/null 2>&1
	t_says "a device of an image" 0 "8, 17" "$bp" inspect fs.img
	cp fs.img bad.img && debugfs -w -R "mknod /bad p" bad.img >/dev/null 2>&1
	t_says "a name with a slash in an image" 1 "holds a slash" "$bp" inspect -x out3 bad.img
	truncate -s 4400K fs.img
	t_says "an image that is cut off" 1 "cut off or damaged" "$bp" inspect -x out2 fs.img
	rm fs.img && mke2fs -q -t ext4 fs.img 8M && printf '\200' | dd of=fs.img bs=1 seek=1123 conv=notrunc status=none
	t_says "a feature that is not known" 1 "features that bpboot does not know" "$bp" inspect fs.img
else
	echo "skip ext2 images - mke2fs is not installed"
fi
cat >one.image <<-EOT
	file $SCRATCH/tree/usr/bin/big /big
	link /l big
EOT
if "$bp" image --raw raw.img one.image >log 2>&1; then
	t "bpboot's own image" cmp <("$bp" inspect -c big raw.img) tree/usr/bin/big
else
	not_ok "bpboot's own image" "$(cat log)"
fi

# --- hostile and damaged ---
# entry NAME MODE(octal) DATA [SIZE]: one newc entry, whatever it says.
entry() {
	local n=$((${#1} + 1)) size=${4-${#3}}
	printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' 1 $((8#$2)) 0 0 1 0 "$size" 0 0 1 3 $n 0 "$1"
	head -c $(((4 - (110 + n) % 4) % 4)) /dev/zero
	printf '%s' "$3"
	head -c $(((4 - ${#3} % 4) % 4)) /dev/zero
}
end() { entry 'TRAILER!!!' 0 ''; }
mkdir jail
outside=$SCRATCH/outside
{ entry ../outside 100644 hello; end; } >dots.img
t_says "a name with .. ends it" 1 "leads out of the image" "$bp" inspect -x jail/a dots.img
{ entry a/../../outside 100644 hello; end; } >dots.img
t_says "a name with .. inside ends it" 1 "leads out of the image" "$bp" inspect -x jail/b dots.img
mkdir -p "jail/c$SCRATCH"
{ entry link 120777 "$SCRATCH"; entry link/outside 100644 hello; end; } >link.img
"$bp" inspect -x jail/c link.img >/dev/null 2>&1
t "a file behind an absolute symlink stays inside" test ! -e outside -a -e "jail/c$SCRATCH/outside"
{ entry up 120777 ../../..; entry up/outside 100644 hello; end; } >link.img
"$bp" inspect -x jail/d link.img >/dev/null 2>&1
t "a file behind a symlink upward stays inside" test ! -e outside -a -e jail/d/outside
{ entry file 120777 "$outside"; entry file 100644 hello; end; } >link.img
t "a file in place of a symlink replaces it" "$bp" inspect -x jail/e link.img
t "and does not follow it" test ! -e outside -a "$(cat jail/e/file)" = hello
{ entry /outside 100644 hello; end; } >abs.img
t "an absolute name is below the folder" "$bp" inspect -x jail/f abs.img
t "and only there" test ! -e outside -a ! -e /outside -a -e jail/f/outside
{ entry disk 060666 ''; entry file 100644 hello; end; } >node.img
t_says "device nodes are left out" 0 "1 device nodes" "$bp" inspect -x jail/g node.img
t "and the rest is there" test ! -e jail/g/disk -a -e jail/g/file
{ entry $'a\033[31mred' 100644 x; end; } >names.img
t_says "a name does not speak to the terminal" 0 'a\033[31mred' "$bp" inspect names.img
{ entry $'latin\xe9' 100644 x; end; } >names.img
t_says "a name that is not UTF-8 is good JSON" 0 'latin\\xe9' "$bp" inspect --json names.img
{ entry big 100644 hello 4294967290; end; } >huge.img
t_says "a size that the file does not have" 1 "cut off" "$bp" inspect huge.img
archive tree crc | sed 's/^49999$/49998/' >crc.img
t_says "a wrong checksum" 1 "checksum" "$bp" inspect crc.img
head -c 20000 two.img >cut.img
t_says "a packed segment that is cut off" 1 "cut off or damaged" "$bp" inspect cut.img
head -c 1000 tree.cpio >cut.img
t_says "an archive without its end" 1 "cut off" "$bp" inspect cut.img
{ cat tree.cpio; echo junk; } >junk.img
t_says "what stands behind the last archive" 1 "behind segment 1, is no archive" "$bp" inspect junk.img
echo hello >text
t_says "a file of another kind" 1 "expected an initrd, a cpio archive or an ext2 image" "$bp" inspect text
: >nothing
t_says "an empty file" 1 "is empty" "$bp" inspect nothing
head -c 500000000 /dev/zero | gzip -1 >bomb.img
t_says "a stream that unpacks to zeros takes no memory" 0 "0 files" bash -c "ulimit -v 100000; exec '$bp' inspect bomb.img"
done_testing
