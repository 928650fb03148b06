#!/bin/bash
# inspect-images.sh - bpboot inspect and diff on file systems of every make, and on images that are published
. "$(dirname "$0")/lib.sh"

bp=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot
cd "$SCRATCH" || exit 1
for tool in mke2fs debugfs python3 setfattr setfacl; do
	command -v $tool >/dev/null || { echo "skip images - $tool is not installed"; exit 0; }
done

# --- a tree of all kinds ----------------------------------------------------------------------------------------------

mkdir -p fs/dir/deep fs/many fs/few
seq 30000 >fs/numbers && echo tiny >fs/tiny && : >fs/empty && head -c 150 /dev/urandom >fs/inlined
printf x | dd of=fs/hole bs=1 seek=2000000 status=none && truncate -s 2000384 fs/hole # mke2fs rounds to that with inline_data
ln fs/numbers fs/dir/again && ln -s tiny fs/short && ln -s "$(printf 'long/%.0s' {1..40})" fs/long
(cd fs/many && seq -f 'a name of some length, number %g' 600 | xargs -d '\n' touch) && touch fs/few/{a,b}
touch "fs/$(printf 'n%.0s' {1..255})" fs/$'latin\351'
mkdir fs/hashed && (cd fs/hashed && seq 400 | xargs touch)
setfattr -n user.note -v 'some words' fs/tiny && setfattr -n user.big -v "$(printf 'v%.0s' {1..700})" fs/numbers &&
	setfattr -n user.empty fs/inlined && setfacl -m u:1234:rw,g:5678:r fs/numbers && setfacl -m u:1234:rwx -d -m g:99:rx fs/dir
has_xattrs=$?
[ "$(id -u)" = 0 ] && cp fs/tiny fs/capable && setcap cap_net_raw+ep fs/capable

# told FILE: path, kind and mode, size, target, attributes of each file as a line, from --json.
told() {
	"$bp" inspect --json "$1" | python3 -c '
import json, sys
for s in json.load(sys.stdin)["segments"]:
    for f in s["files"]:
        if f["path"] and f["path"] != "lost+found":
            print(f["path"], f["mode"], 0 if f["mode"][0] == "d" else f["size"], f.get("target", ""), sorted(f.get("xattrs", {}).items()))' | LC_ALL=C sort
}
# here DIR: the same from the file system.
here() {
	(cd "$1" && python3 -c '
import os, stat, sys
def show(b):
    try: return b.decode()
    except UnicodeDecodeError: return "".join(chr(c) if c < 128 else "\\x%02x" % c for c in b)
for top, dirs, files in os.walk(b"."):
    for name in dirs + files:
        p = os.path.join(top, name)
        s = os.lstat(p)
        link = stat.S_ISLNK(s.st_mode)
        x = [] if link else sorted((n, os.getxattr(p, n).hex()) for n in os.listxattr(p))
        print(show(p[2:]), stat.filemode(s.st_mode), 0 if stat.S_ISDIR(s.st_mode) else s.st_size, show(os.readlink(p)) if link else "", x)' | LC_ALL=C sort)
}
times() { (cd "$1" && find . -mindepth 1 ! -name lost+found -printf '%P %y %m %Ts %l\n' | sed 's/\.[0-9]* / /' | LC_ALL=C sort); }

here fs >want
times fs >want.times
while read -r kind; do
	rm -rf fs.img out
	mke2fs -q -t $kind -d fs fs.img 48M >log 2>&1 || { not_ok "$kind" "$(cat log)"; continue; }
	if [ $has_xattrs = 0 ]; then
		t "$kind: names, kinds, sizes, targets and attributes are as on disk" diff want <(told fs.img)
	fi
	t "$kind: every file reads back with its data and mode" eval \
		'"$bp" inspect -x out fs.img && rmdir out/lost+found && diff -r --no-dereference fs out'
	t "$kind: times are kept" diff want.times <(times out)
done <<'EOT'
ext2 -b 1024 -I 128
ext2 -b 4096 -I 512 -O sparse_super2,dir_index
ext3 -b 1024 -I 256
ext4 -b 1024
ext4 -b 4096 -O ^64bit,^metadata_csum
ext4 -b 1024 -I 256 -O inline_data,metadata_csum,64bit
ext4 -b 4096 -I 1024 -O inline_data
ext4 -b 1024 -O meta_bg,^resize_inode -g 1024
ext4 -b 1024 -O ^extent,^64bit,^sparse_super,meta_bg,^resize_inode -g 1024
ext4 -b 1024 -O ea_inode,metadata_csum_seed,large_dir
ext4 -b 4096 -O bigalloc -C 16384
EOT
mke2fs -q -t ext4 -I 256 -d fs fs.img 48M >/dev/null 2>&1
t "folders with a hashed tree" eval 'e2fsck -fyD fs.img >/dev/null 2>&1; [ $? -le 1 ] && debugfs -R "htree_dump /many" fs.img 2>&1 | grep "Indirect levels" >/dev/null &&
	told fs.img | cmp - want'
for at in '2040-01-02 03:04' '1950-06-07 08:09' '2400-01-01 00:00'; do
	debugfs -w -R "sif /tiny mtime @$(date -u -d "$at UTC" +%s)" fs.img >/dev/null 2>&1
	t_says "a time behind 2038 or before 1970: $at" 0 "$at tiny" "$bp" inspect fs.img
done
mke2fs -q -t ext4 fs2.img 8M >/dev/null 2>&1
printf '\004' | dd of=fs2.img bs=1 seek=1120 conv=notrunc status=none
t_says "a journal that was not played is named" 0 "what stands in its journal is ignored" "$bp" inspect fs2.img

# --- images that are published ----------------------------------------------------------------------------------------

"$bp" keygen >/dev/null || not_ok keygen
head -c 3000000 /dev/urandom >fs/noise
printf '#!/bin/sh\n' >run && chmod +x run
printf 'tree fs /\nfile run /sbin/init\nfree 5M\nname node\n' >node.image
"$bp" image -q node.image >log && "$bp" image -q node.image --raw node.ext2 >>log || not_ok "publishing" "$(cat log)"
t "a published image lists as its file system does, behind what its index says" eval '
	"$bp" inspect boot/node.index >node.ls && diff <(tail -n +3 node.ls) <("$bp" inspect node.ext2) &&
	head -n 2 node.ls | grep -q "^index of node: counter 1, $(uname -m), ext2, init /sbin/init$"'
t "by its name, too" eval 'cmp <("$bp" inspect node) <("$bp" inspect boot/node.index)'
t "in its folder, too" eval 'cmp <("$bp" inspect node) <(cd boot && "$bp" inspect node.index)'
t "its index as JSON: every item, parts and holes that cover it" eval '"$bp" inspect --json node >node.json && python3 - boot/node.index node.json <<"EOT"
import json, sys
lines = [l.split() for l in open(sys.argv[1])]
j = json.load(open(sys.argv[2]))
x = j["index"]
text = {l[0]: l[1] for l in lines if len(l) == 2}
assert j["complete"]
for key, item in [("name", "name"), ("arch", "arch"), ("format", "format"), ("digest", "digest"), ("init", "init")]:
    assert x[key] == text[item], key
assert x["counter"] == int(text["counter"]) and x["bytes"] == int(text["size"])
want = [l for l in lines if l[0] in ("part", "hole")]
assert len(want) == len(x["parts"])
at = 0
for w, p in zip(want, x["parts"]):
    assert p["offset"] == at
    assert [p["hash"], str(p["stored"]), str(p["bytes"])] == w[1:] if w[0] == "part" else p["stored"] == 0 and str(p["bytes"]) == w[1] and "hash" not in p
    at += p["bytes"]
assert at == x["bytes"]
EOT'
t "one of its files" cmp fs/noise <("$bp" inspect -c noise node)
t "all of its files" eval '"$bp" inspect -x published node && "$bp" inspect -x raw node.ext2 && diff -r --no-dereference raw published &&
	cmp fs/noise published/noise'
"$bp" image -q --format cpio -n packed node.image >log || not_ok "publishing as cpio" "$(cat log)"
t "an image that is a cpio archive, attributes among it" eval '"$bp" inspect packed >packed.ls && grep -q "^index of packed: .* cpio, init" packed.ls &&
	diff <(told node | grep -v "^numbers ") <(told packed | grep -v "^numbers ")' # whose data stands with its first name
for format in squashfs erofs; do
	printf 'file run /sbin/init\n' >plain.image
	"$bp" image -q --format $format --raw node.$format plain.image >log || { not_ok "building $format" "$(cat log)"; continue; }
	t_says "$format is known by sight" 1 "is a" "$bp" inspect node.$format
done
part=$(awk '$1 == "part" && $3 > max { max = $3; name = $2 } END { print name }' boot/node.index) # of this image; another may have a larger one
cp "boot/parts/$part" kept && printf x | dd of="boot/parts/$part" bs=1 seek=1000 conv=notrunc status=none
t_says "a part that was changed is not believed" 1 "was changed: its bytes do not have the hash" "$bp" inspect -c noise node
t "and is said once" test "$("$bp" inspect -x bad node 2>&1 >/dev/null | wc -l)" = 1
rm "boot/parts/$part"
t_says "a part that is missing is named" 1 "$part" "$bp" inspect -c noise node
cp kept "boot/parts/$part" && cp boot/node.index odd && cp boot/node.index boot/other.index
t_says "an index has to be called like its image" 1 "is the index of an image called 'node'" "$bp" inspect other
t_says "and to be called an index" 1 "it has to be called 'NAME.index'" "$bp" inspect odd
sed -i 's/^size .*/size 7/' boot/other.index
t_says "an index that is damaged" 1 "other.index:6:" "$bp" inspect boot/other.index
t_says "neither a file nor an image" 1 "cannot read 'nothing', neither as a file nor as '$SCRATCH/boot/nothing.index'" "$bp" inspect nothing

# --- what changed, in any mix -----------------------------------------------------------------------------------------

(cd fs && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >fs.cpio 2>/dev/null
for pair in "node node.image" "node.image boot/node.index" "node.ext2 node" "node.ext2 node.image" "node node" "packed node" "node.image packed"; do
	t_says "the same: $pair" 0 "the same files; " "$bp" diff $pair
done
sed 's/^name.*/name later/; s/^free.*//' node.image >later.image
echo 'file run /new mode=0755' >>later.image
chmod 600 fs/empty && setfattr -n user.note -v 'other words' fs/tiny && echo more >>fs/numbers && setfattr -x user.empty fs/inlined
"$bp" image -q later.image >/dev/null && "$bp" image -q later.image --raw later.ext2 >/dev/null
want='> 5 B /dir/again|* 0 B /empty (mode 0600, was 0644)|* 0 B /inlined (extended attributes)|+ 10 B /new|> 5 B /numbers|* 0 B /tiny (extended attributes)'
for pair in "node later" "node later.image" "node.ext2 later" "boot/node.index later.ext2"; do
	t "what changed: $pair" test "$("$bp" diff $pair | sed '/^$/,$d' | tr -s ' ' | paste -sd '|')" = "$want"
done
t "as JSON" eval '"$bp" diff --json node later >diff.json && python3 - <<"EOT"
import json
d = json.load(open("diff.json"))
assert d["old"]["name"] == "node" and d["new"]["name"] == "later" and d["old"]["bytes"] > d["new"]["bytes"]
assert [(c["change"], c["path"], c["bytes"]) for c in d["changes"]] == [("grown", "/dir/again", 5), ("other", "/empty", 0),
    ("other", "/inlined", 0), ("in", "/new", 10), ("grown", "/numbers", 5), ("other", "/tiny", 0)]
empty, new = d["changes"][1], d["changes"][3]
assert empty["old"]["mode"] == "-rw-r--r--" and empty["new"]["mode"] == "-rw-------"
assert new["old"] is None and new["new"]["size"] == 10 and new["new"]["mode"] == "-rwxr-xr-x"
assert d["totals"]["other"] == {"files": 3, "bytes": 0} and d["totals"]["grown"] == {"files": 2, "bytes": 10} and d["totals"]["out"]["files"] == 0
EOT'
mkdir links && echo data >links/a && ln links/a links/b
printf 'tree links /\n' >links.image
(cd links && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >links.cpio
t "hard links of an archive have their data under each name" eval '! "$bp" diff links.cpio links.image | grep -E " /[ab]( |$)"'
{ cat links.cpio; (cd fs && echo tiny | cpio --quiet -o -H newc -R 0:0 && mkdir -p ../last && echo last >../last/a && cd ../last && echo a | cpio --quiet -o -H newc -R 0:0); } >twice.cpio
t "of several files of a name the last is compared" eval '"$bp" diff links.cpio twice.cpio | grep -qE "^~ +5 B  /a$" && "$bp" diff twice.cpio twice.cpio | grep -q "the same files"'
done_testing
