#!/bin/bash
# image.sh - root images: clean file systems that hold what was named, the same bytes each time
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot
children=()
cleanup() {
	local pid

	for pid in "${children[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
}
trap cleanup EXIT
cd "$SCRATCH" || exit 1

# build NAME: image NAME.ext2 of NAME.image, and e2fsck finds nothing in it.
build() {
	"$bpboot" image -q "$1.image" --raw "$1.ext2" && e2fsck -fn "$1.ext2" >"$1.fsck" 2>&1 &&
		! grep -v -e '^e2fsck ' -e '^Pass ' -e ': [0-9]*/[0-9]* files' "$1.fsck" &&
		[ $(($(stat -c %s "$1.ext2") % 1024)) = 0 ]
}

# dump NAME: the files of NAME.ext2 in NAME.dump.
dump() {
	rm -rf "$1.dump" && mkdir "$1.dump" && debugfs -R "rdump / $1.dump" "$1.ext2" 2>&1 | grep -v '^debugfs '
	! [ -s /dev/null ]
}

same_files() { # NAME TREE: what the image holds besides mount points is the tree
	dump "$1" && rm -rf "$1.dump"/{dev,proc,run,sys,tmp} && diff -r --no-dereference "$2" "$1.dump"
}

# --- kinds of trees ---------------------------------------------------------------------------------------------

: >empty.image
t "an empty manifest gives a clean image" build empty

printf 'file one /one mode=0600\n' >one.image
echo hello >one
t "one file gives a clean image" build one
t "one file reads back" test "$(debugfs -R 'cat /one' one.ext2 2>/dev/null)" = hello
t "the image of one file is small" test "$(stat -c %s one.ext2)" -le 16384

mkdir groups && head -c 30000000 /dev/urandom >groups/random && head -c 9000000 /dev/urandom >groups/more
printf 'tree groups /\nfree 3M\n' >groups.image
t "several groups, double indirect blocks: clean" build groups
t "several groups read back" same_files groups groups

mkdir triple && head -c 70000000 /dev/urandom >triple/big
printf 'tree triple /\n' >triple.image
t "triple indirect blocks: clean" build triple
t "triple indirect blocks read back" same_files triple triple
rm -rf triple triple.ext2 triple.dump

mkdir sparse && truncate -s 5G sparse/holes && truncate -s 100000 sparse/zeros
for at in 0 11 12 13 267 268 269 65803 65804 70000 5242879; do
	printf 'data at %d' $at | dd of=sparse/holes bs=1024 seek=$at conv=notrunc status=none
done
head -c 100000 /dev/zero >sparse/dense
printf 'tree sparse /\n' >sparse.image
t "a sparse file of 5 GiB: clean" build sparse
t "holes take no room" test "$(stat -c %s sparse.ext2)" -le 65536
check_sparse() { # by its blocks: debugfs would write all 5 GiB
	local at block

	for at in 0 11 12 13 267 268 269 65803 65804 70000 5242879; do
		block=$(debugfs -R "bmap /holes $at" sparse.ext2 2>/dev/null)
		dd if=sparse.ext2 bs=1024 skip="$block" count=1 status=none | tr -d '\0' | grep -qx "data at $at" || return 1
	done
	for at in 1 14 266 300 65802 70001 5242878; do
		[ "$(debugfs -R "bmap /holes $at" sparse.ext2 2>/dev/null)" = 0 ] || return 1
	done
	debugfs -R 'stats -h' sparse.ext2 2>/dev/null | grep -q large_file &&
		debugfs -R 'stat /holes' sparse.ext2 2>/dev/null | grep -q "Size: $(stat -c %s sparse/holes)"
}
t "a sparse file of 5 GiB reads back" check_sparse
cp --sparse=never sparse/zeros zeros.full && cp --sparse=always sparse/dense dense.holes
printf 'file zeros.full /zeros\nfile dense.holes /dense\nname same\n' >as-holes.image
printf 'file sparse/zeros /zeros\nfile sparse/dense /dense\nname same\n' >as-data.image
t "how a source is stored does not matter" eval 'build as-holes && build as-data && cmp as-holes.ext2 as-data.ext2'

mkdir -p many/dir && (cd many/dir && seq -f 'a file with number %g' 100000 | xargs -d '\n' touch)
printf 'tree many /\n' >many.image
t "100,000 files in a folder: clean" build many
t "100,000 files in a folder are there" eval 'debugfs -R "ls -p /dir" many.ext2 2>/dev/null | cut -d/ -f6 | grep . | LC_ALL=C sort >many.ls &&
	(cd many/dir && ls -a | LC_ALL=C sort) | cmp - many.ls'
rm -rf many

mkdir names && (cd names && touch "$(printf 'x%.0s' {1..255})" "$(printf '\377\376\001%.0s' {1..85})" 'a b' '"q"' &&
	ln -s "$(printf 't%.0s' {1..59})" short && ln -s "$(printf 't%.0s' {1..60})" long &&
	ln -s "$(printf 't%.0s' {1..1023})" longest && echo linked >h1 && ln h1 h2 && mkfifo fifo &&
	mkdir -p deep/{a,b}/c && chmod 4751 h1 && chmod 1777 deep)
printf 'tree names /names\nnode /names/c c 300 70000 mode=0640 owner=70000:80000\nnode /names/b b 8 1\n' >names.image
t "long, odd and many kinds of names: clean" build names
check_names() {
	debugfs -R "rdump /names $SCRATCH/names.dump" names.ext2 >/dev/null 2>&1
	diff -r --no-dereference -x fifo -x c -x b names names.dump/names
}
mkdir -p names.dump
t "long, odd and many kinds of names read back" check_names
debugfs -R 'ls -p /names' names.ext2 2>/dev/null >names.ls
t "a device has its numbers, mode and owner" eval \
	'debugfs -R "stat /names/c" names.ext2 2>/dev/null | grep -q "300:70000 (hex 12c:11170)" && grep -q "/020640/70000/80000/c/" names.ls'
t "a small device number has the older coding" eval \
	'debugfs -R "stat /names/b" names.ext2 2>/dev/null | grep -q "08:01 (hex 08:01)" && grep -q "/060600/0/0/b/" names.ls'
t "a fifo is one" grep -q '/010644/0/0/fifo/' names.ls
t "modes with setuid and sticky bits are kept" eval 'grep -q /104751/0/0/h1/ names.ls && grep -q /041777/0/0/deep/ names.ls'
t "hard links share an inode" test "$(grep -c "^/$(sed -n 's,^/\([0-9]*\)/104751/.*/h1/.*,\1,p' names.ls)/" names.ls)" = 2

mkdir owned owned/d && echo a >owned/f && echo r >plain
printf 'www:x:33:34::/:\nroot:x:0:0::/:\n' >passwd
printf 'wheel:x:10:\n' >group
cat >owners.image <<'EOT'
file passwd /etc/passwd mode=0644
file group /etc/group mode=0644
tree owned /t mode=0640 owner=www:wheel
file plain /name owner=www mode=0600
file plain /number owner=1234 mode=0644
file plain /both owner=70000:70001 mode=0644
link /link name owner=www:10
dir /t/d mode=2750 owner=root:wheel
EOT
t "owners and modes: clean" build owners
(debugfs -R 'ls -p /' owners.ext2 && debugfs -R 'ls -p /t' owners.ext2) 2>/dev/null >owners.ls
for line in 100600/33/34/name 100644/1234/0/number 100644/70000/70001/both 120777/33/10/link 040750/33/10/t \
	100640/33/10/f 042750/0/10/d; do
	t "owner and mode $line" grep -q "/$line/" owners.ls
done

if [ "$(id -u)" = 0 ]; then
	chown 4321:1234 owned/f && printf 'tree owned / owner=keep\n' >keep.image
	t "owner=keep takes the source's numbers" eval 'build keep && debugfs -R "ls -p /" keep.ext2 2>/dev/null | grep -q /100644/4321/1234/f/'
fi

printf 'program /bin/bash\nprogram ls\nprogram sh\ninit /bin/sh\n' >programs.image
t "programs: clean" build programs
check_programs() {
	local f

	dump programs || return 1
	for f in /bin/bash /bin/ls /bin/sh $("$bpboot" needs /bin/bash "$(command -v ls)"); do
		cmp "$f" "$(chroot_path programs.dump "$f")" || return 1
	done
}
chroot_path() { # ROOT PATH: follow symlinks inside ROOT
	local path=$2 link

	while :; do
		link=$(cd "$1" && p= && IFS=/ && for n in ${path#/}; do
			[ -n "$n" ] || continue
			if [ -L "./$p/$n" ]; then
				t=$(readlink "./$p/$n")
				case $t in /*) p=$t ;; *) p=$p/$t ;; esac
			else
				p=$p/$n
			fi
		done && realpath -ms --relative-to=/ "/$p")
		[ "/$link" = "$path" ] && break
		path=/$link
	done
	printf '%s%s' "$1" "$path"
}
t "programs and libraries are there under all their names" check_programs
t "a library is there once, with its reason" eval \
	'[ "$("$bpboot" size programs.image | grep -c "libc.so.6 .*needed by /bin/bash")" = 1 ]'

# --- geometry ---------------------------------------------------------------------------------------------------

t "many inodes and little data: small groups, clean" eval \
	'printf "free 10K inodes=50000\n" >inodes.image && build inodes && [ "$(stat -c %s inodes.ext2)" -lt 8000000 ]'
bad=
for free in 0 1K 7M 8M 8100K 8129K 8150K 8187K 8188K 8189K 8190K 8191K 8192K 8193K 16384K 16390K 64M 300M; do
	printf 'free %s\n' $free >free.image
	build free >free.out 2>&1 || bad+=" $free"
done
t "free space around the ends of groups: clean" test -z "$bad"
printf 'free 20M inodes=1000\nfile one /one\n' >free.image
t "free space is what was asked for" eval 'build free &&
	debugfs -R "stats -h" free.ext2 2>/dev/null >free.stats && grep -q "Free blocks: *20480$" free.stats &&
	[ "$(sed -n "s/^Free inodes: *//p" free.stats)" -ge 1000 ]'
t "what is free is sparse" test "$(du -k free.ext2 | cut -f1)" -le 200
check_sums() {
	"$bpboot" size --json names.image | python3 -c '
import json, os, sys
i = json.load(sys.stdin)["image"]
total = i.pop("total")
assert sum(i.values()) == total == os.path.getsize("names.ext2"), (i, total)'
}
if command -v python3 >/dev/null; then
	t "the parts of the size table add up to the image" check_sums
fi

mkdir rows && (cd rows && for i in $(seq 100); do head -c $((i * 10)) /dev/zero >f$i; done; touch libx.so.1)
printf 'tree rows /\n' >rows.image
t "image shows the 60 largest files and what the others come to" eval '"$bpboot" image rows.image --raw rows.ext2 >rows.out &&
	[ "$(grep -c "asked for (line" rows.out)" = 60 ] && grep -q "^ *8.20 kB  41 smaller files" rows.out && grep -q "libraries: 0 B in 1$" rows.out'
t "size shows all, largest first" eval '"$bpboot" size rows.image >rows.out && [ "$(grep -c "asked for (line" rows.out)" = 101 ] &&
	head -n 1 rows.out | grep -q "1.00 kB  /f100 "'

# --- the same bytes ---------------------------------------------------------------------------------------------

mkdir copy && cp -r names copy/ && cp -r --sparse=never groups copy/
ln -f copy/names/h1 copy/names/h2 && chmod 4751 copy/names/h1 && chmod 1777 copy/names/deep
printf 'tree names /n\ntree groups /g\nname same\n' >same.image && cp same.image copy/other.image
find copy -exec touch -hd '2001-01-01' {} + && find names -exec touch -h {} +
t "the same tree elsewhere on another day gives the same bytes" eval '
	"$bpboot" image -q same.image --raw same.ext2 && TZ=Asia/Tokyo LC_ALL=C "$bpboot" image -q copy/other.image --raw other.ext2 &&
	cmp same.ext2 other.ext2'
t "SOURCE_DATE_EPOCH sets all times" eval 'SOURCE_DATE_EPOCH=1000000000 build one &&
	debugfs -R "stat /one" one.ext2 2>/dev/null | grep -q "mtime: 0x3b9aca00"'
t_says "a wrong SOURCE_DATE_EPOCH is refused" 1 "expected seconds since 1970" \
	env SOURCE_DATE_EPOCH=now "$bpboot" image -q one.image --raw x.ext2

if [ "$(id -u)" = 0 ]; then
	mkdir nobody && cp -r names nobody/ && cp -r --sparse=never groups nobody/ && ln -f nobody/names/h1 nobody/names/h2 &&
		chmod 4751 nobody/names/h1 && chmod 1777 nobody/names/deep && cp same.image nobody/
	chown -R -h 65534:65534 nobody && chmod 4751 nobody/names/h1 && chmod 711 .
	"$bpboot" image -q same.image --raw same.ext2 >/dev/null
	as_nobody() {
		setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"
	}
	t "a user without rights gives the same bytes" eval \
		'as_nobody "$bpboot" image -q nobody/same.image --raw nobody/n.ext2 && cmp same.ext2 nobody/n.ext2'
	chmod 600 nobody/names/h1 && chown 0 nobody/names/h1
	t_says "a file that may not be read is named" 1 "Permission denied" \
		as_nobody "$bpboot" image -q nobody/same.image --raw nobody/x.ext2
	t "nothing is left of an image that failed" test -z "$(ls nobody | grep x.ext2)"
fi

# --- needs ------------------------------------------------------------------------------------------------------

t_says "a program that lacks a library says which and who wants it" 1 "is not found; '" \
	eval 'printf "int main(void){return 0;}" | gcc -x c -shared -o liblost.so - &&
	printf "int main(void){return 0;}" | gcc -x c -o lacking - -Wl,--no-as-needed -x none ./liblost.so && rm liblost.so &&
	"$bpboot" needs lacking'
printf '#!/usr/bin/env bash\n' >script && chmod +x script
t_says "a script needs its interpreter, env's program and their libraries" 0 /bin/bash "$bpboot" needs script

build_paths() { # RUNPATH or RPATH, $ORIGIN, a chain of symlinks, a library outside the usual folders
	mkdir -p app/bin app/lib app/deep &&
		echo 'int two(void){return 2;}' | gcc -x c -shared -fPIC -o app/deep/libtwo.so.1.2 - -Wl,-soname,libtwo.so.1 &&
		ln -sf libtwo.so.1.2 app/deep/libtwo.so.1 &&
		echo 'int two(void);int one(void){return two();}' |
		gcc -x c -shared -fPIC -o app/lib/libone.so - -Wl,-soname,libone.so -Wl,"$1",-rpath,'$ORIGIN/../deep' -x none app/deep/libtwo.so.1 &&
		echo 'int one(void);int main(void){return one()==2?0:1;}' |
		gcc -x c -o app/bin/prog - -Wl,"$1",-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,app/deep -x none app/lib/libone.so &&
		app/bin/prog && compare_one app/bin/prog
}
compare_one() {
	[ "$(ldd "$1" | awk '/=> \// { print $3 } /^\t\// { print $1 }' | xargs realpath | sort)" = \
		"$("$bpboot" needs "$1" | xargs realpath | sort)" ]
}
t "RUNPATH with \$ORIGIN is followed" build_paths --enable-new-dtags
t "RPATH with \$ORIGIN is followed" build_paths --disable-new-dtags
printf 'program %s/app/bin/prog\n' "$SCRATCH" >app.image
t "a library's chain of symlinks is in the image" eval 'build app && dump app &&
	[ "$(readlink "app.dump$SCRATCH/app/deep/libtwo.so.1")" = libtwo.so.1.2 ] && [ -s "app.dump$SCRATCH/app/deep/libtwo.so.1.2" ]'

# --- when it goes wrong -----------------------------------------------------------------------------------------

wrong() { # NAME "MANIFEST" "MESSAGE"
	printf "$2" >wrong.image
	t_says "$1" 1 "$3" "$bpboot" image -q wrong.image --raw wrong.ext2
	[ ! -e wrong.ext2 ] || not_ok "$1" "an image was written"
}
wrong "an unknown line" '\nfiles a b\n' "wrong.image:2: unknown line 'files'"
wrong "a source that is not there" 'file nowhere /x\n' "wrong.image:1: cannot find 'nowhere'"
wrong "a folder as a file" 'file names /x\n' "wrong.image:1: 'names' is a folder; 'tree' takes folders"
wrong "a file as a tree" 'tree one /x\n' "wrong.image:1: 'one' is not a folder; 'file' takes files"
wrong "the same target twice" 'file one /a\n\nfile one /a\n' "wrong.image:3: '/a' is in the image already, by line 1"
wrong "a folder named twice" 'dir /a\ndir /a\n' "wrong.image:2: '/a' is in the image already, by line 1"
wrong "a target below a file" 'file one /a\nfile one /a/b\n' "wrong.image:2: '/a' is not a folder; '/a/' would lie in it"
wrong "dots in a target" 'file one /a/../b\n' "wrong.image:1: target '/a/../b' must not contain '..'"
wrong "a program that is not there" 'program no-such-program\n' "wrong.image:1: program 'no-such-program' is in none"
wrong "a program by a relative path" 'program ./one\n' "wrong.image:1: program './one': expected an absolute path"
wrong "a program that is none" "program $SCRATCH/one\n" "wrong.image:1: '$SCRATCH/one' is neither an ELF file nor a script"
wrong "a module without a kernel" 'module loop\n' "wrong.image:1: module 'loop' is of which kernel?"
wrong "an init that is not in the image" 'init /bin/none\n' "wrong.image:1: init '/bin/none' is not in the image"
wrong "an init that cannot be executed" 'file one /i mode=0644\ninit /i\n' "wrong.image:2: init '/i' is not executable"
wrong "an owner that the image does not know" 'file one /i owner=nobody-here\n' "wrong.image:1: user 'nobody-here' is not in the image's /etc/passwd"
wrong "a circle of symlinks" 'link /a b\nlink /b a\nfile one /a/x\n' "wrong.image:3: '/a' leads through too many symlinks"
wrong "a tree over a file" 'file one /h1\ntree names /\n' "wrong.image:2: '/h1' is in the image already"
wrong "a source that is shorter than it says" 'file /sys/kernel/uevent_seqnum /x\n' "changed while it was read"
t_says "a manifest that is not there" 1 "cannot read the manifest" "$bpboot" image nowhere.image
t_says "no manifest is a wrong use" 2 "usage: bpboot image" "$bpboot" image

head -c 60000000 /dev/urandom >groups/bulk && echo x >groups/zz-grows
(while :; do echo x >>groups/zz-grows; done) &
children+=($!)
t_says "a source that grows meanwhile is named" 1 "zz-grows' changed while it was read" \
	"$bpboot" image -q groups.image --raw grows.ext2
kill "${children[-1]}"
wait "${children[-1]}" 2>/dev/null
t "nothing is left of it" test -z "$(ls | grep grows.ext2)"

if [ "$(id -u)" = 0 ]; then
	full() {
		mkdir -p small && mount -t tmpfs -o size=20M none small && "$bpboot" image -q groups.image --raw small/x.ext2
		local status=$?
		ls -A small | sed 's/^/left behind: /'
		return $status
	}
	export -f full
	export bpboot
	t_says "a full disk is said" 1 "cannot write the image: No space left on device" unshare -m bash -c full
	t "a full disk leaves nothing behind" eval '! unshare -m bash -c full 2>&1 | grep "left behind"'
fi

# --- publication ------------------------------------------------------------------------------------------------

"$bpboot" keygen >/dev/null || not_ok keygen "failed"
printf 'program /bin/bash\ninit /bin/bash\nfree 100K\n' >node.image
t_says "an image is published" 0 "published in $SCRATCH/boot: node, counter 1," "$bpboot" image node.image
t_says "its size is said to the byte" 0 " bytes (" "$bpboot" image -q -n size node.image
t_says "publishing the same again looks and writes nothing" 0 "unchanged in $SCRATCH/boot: node; nothing that it is made of" "$bpboot" image -q node.image
rm boot/node.stamp
t_says "publishing the same again without its stamp changes nothing" 0 "unchanged in $SCRATCH/boot: node, counter 1," "$bpboot" image -q node.image
part=$(ls -S boot/parts | tail -n 1) && mv "boot/parts/$part" part.away
t_says "a part that is missing is made again" 0 "unchanged in $SCRATCH/boot: node, counter 1," "$bpboot" image -q node.image
t "and is the same" cmp part.away "boot/parts/$part"
t_says "another level is made anew" 0 "published in $SCRATCH/boot: level, counter" \
	eval '"$bpboot" image -q -n level node.image >/dev/null && "$bpboot" image -q -n level -l 3 node.image'
mkdir stamped && for i in 1 2 3; do echo $i >stamped/$i; done && cp script stamped/init
printf 'tree stamped /\ninit /init\n' >stamped.image
old() { find stamped -exec touch -hd '-1 hour' {} + && sleep 0.1; } # older than what could change again unseen
again() { old && "$bpboot" image -q stamped.image >again.out && grep -q "$1" again.out || { cat again.out; false; }; }
t "a tree is published" again published
t "a tree that did not change is known" eval '"$bpboot" image -q stamped.image | grep -q nothing'
change() { t "$1 is noticed" eval "$2"' && again "counter"'; t "and known again" eval '"$bpboot" image -q stamped.image | grep -q nothing'; }
change "a file that grew" 'echo 4 >>stamped/1'
change "a file that was replaced by one of the same size and time" 'cp -p stamped/2 stamped/new && echo x >stamped/new && touch -r stamped/2 stamped/new && mv stamped/new stamped/2'
change "a name that is new" 'echo 5 >stamped/5'
change "a name that is gone" 'rm stamped/5'
change "another mode" 'chmod 600 stamped/3'
change "another line of the manifest" 'echo "free 1M" >>stamped.image'
export SOURCE_DATE_EPOCH=1000000000
change "another time" true
unset SOURCE_DATE_EPOCH
t "the index tells format and init" eval 'grep -qx "format ext2" boot/node.index && grep -qx "init /bin/bash" boot/node.index &&
	grep -qx "arch $(uname -m)" boot/node.index'
t "minisign accepts the signature" minisign -Vqm boot/node.index -p keys/sign.pub
t "bpboot verify accepts the image" "$bpboot" verify node
t_says "an image without init is not published" 1 "name what the node starts" "$bpboot" image -q one.image
BPBOOT_KEYS=$SCRATCH/nokeys t_says "no key: nothing is published" 1 "sign.key" "$bpboot" image -q -n other node.image
t "and nothing was written" test ! -e boot/other.index

# Level 1 makes many parts a second: the signal comes while threads create and rename them.
printf 'tree groups /\nfile script /sbin/init mode=0755\n' >groups.image
before=$(ls boot/parts | wc -l)
left= status=
for i in 1 2 3 4 5 6 7 8 9 10; do
	"$bpboot" image -q -l 1 -n "big$i" -p $((4 * i + 16))K groups.image >big.out 2>&1 &
	pid=$!
	children+=($pid)
	wait_for 30 eval '[ "$(ls boot/parts | wc -l)" -gt $((before + 5)) ]' || not_ok "publishing begins" "$(cat big.out)"
	kill -INT $pid
	wait $pid
	status+=" $?"
	left+=$(ls -A boot boot/parts | grep -e '^big' -e '\.new$' -e '^\.image')
	before=$(ls boot/parts | wc -l)
done
t "an interrupt ends it" test "$status" = "$(printf ' 130%.0s' {1..10})"
t "an interrupt leaves no index and no half-written file" test -z "$left"
t "what was published before is intact" "$bpboot" verify node

done_testing
