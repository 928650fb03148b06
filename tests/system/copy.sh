#!/bin/bash
# copy.sh - bpcp: files to nodes, from nodes and from node to node
#
# Light nodes see the files of this machine: what is copied lies in folders of its own, and goes over the wire all the same.
# fast
. tests/system/lib.sh

trap light_lab_end EXIT
light_lab 3
at=$PWD/tests/tools/type-at.py
umask 022
mkdir "$SCRATCH/work" && cd "$SCRATCH/work" || exit 1
bpcp() { "$bin/bpcp" "$@" </dev/null; }

mkdir -p src/sub src/empty
echo hello >src/a
head -c 3000000 /dev/urandom >src/sub/big
ln src/a src/hard
ln -s /no/such/target src/link
truncate -s 64M src/sparse && printf x | dd of=src/sparse bs=1 seek=50000000 conv=notrunc status=none
mkfifo src/fifo
: >src/zero
chmod 4751 src/sub/big && chmod 711 src/sub && chmod 600 src/zero
chown -h 1234:4321 src/a src/link src/sub
touch -h -d '2001-02-03 04:05:06.789' src/a src/link src/sub src/empty src
# tree DIR: all that belongs to its names, but for a folder's size.
tree() { (cd "$1" && find . -printf '%p %y %m %U %G %n %l %T@ ' \( -type d -printf '\n' -o -printf '%s\n' \) | sort); }
same() { # DIR: with owners, modes, times, links and contents
	diff <(tree src) <(tree "$1") && cmp src/sub/big "$1/sub/big" && cmp src/sparse "$1/sparse" && cmp src/a "$1/a"
}

t "a folder goes to a node" bpcp -rp src 1:to
t "with owners, modes, times and links" same to
t "and holes" test "$(stat -c %b to/sparse)" -lt 1000
t "it comes from a node" bpcp -rp 1:"$PWD/src" from
t "with all of that" same from
t "it goes from node to node" bpcp -rp 0:src 2:between
t "with all of that, too" same between
for to in from between; do
	t "and holes: $to" test "$(stat -c %b $to/sparse)" -lt 1000
done
t "into a folder that is there" bpcp -rp src 1:empty1/
t "a folder with a slash behind it need not be there" same empty1
mkdir into && t "a folder in a folder" bpcp -rp src 1:into
t "keeps its name" same into/src
t "many nodes get a file" bpcp src/a 0-2:many
t "and have it" cmp src/a many
mkdir gather && t "from many nodes names get their node's number" bpcp allup:src/a src/zero gather
t "each one" test "$(cd gather && echo *)" = "a.0 a.1 a.2 zero"
chmod 640 many
echo other >src/b
t "a file that is there is replaced" bpcp src/b 1:many
t "and keeps its mode" test "$(stat -c '%a' many) $(cat many)" = "640 other"
t "without -p modes are cut by the umask" bash -c "umask 027; '$bin/bpcp' -r src 1:plain && test \"\$(stat -c '%a %a' plain/sub/big plain/sub | tr '\n' ' ')\" = '750 750 710 710 '"
t "an empty file is copied" test -f to/zero -a ! -s to/zero

t_says "a folder wants -r" 1 "there is no -r: 'src'" bpcp src 1:x
t_says "what is not there is said by its node" 1 "1: bpcp: cannot read '/no/such': No such file or directory" bpcp 1:/no/such x
t_says "the rest is copied" 1 "cannot read 'none'" bpcp none src/a gather
t "all of it" cmp gather/a src/a
t_says "several files want a folder" 1 "cannot copy into '$PWD/many'" bpcp src/a src/b 1:many
t_says "a folder that is not there is said" 1 "cannot write '/no/such/x'" bpcp src/a 1:/no/such/x
t_says "a node that there is not" 1 "there is no node 7" bpcp src/a 7:x
t_says "one argument is too few" 2 "usage" bpcp src/a
t_says "a file does not replace a folder" 1 "cannot write '$PWD/clash/a'" bash -c "mkdir -p clash/a && '$bin/bpcp' src/a 1:clash"
ln -s "$SCRATCH/work/src" clash/sub
t_says "a link in the destination leads nowhere" 1 "cannot make the folder" bpcp -r src/sub 1:clash

# What else belongs to a file: whatever of it the file system here keeps.
mkdir -p kept/folder && echo x >kept/f && chmod 664 kept/f && echo y >kept/folder/plain && printf z >"kept/a
b"
t "attributes, an access list and a capability are set" python3 - <<'EOT'
import os, struct
entry = lambda tag, perm, who=0xffffffff: struct.pack("<HHI", tag, perm, who)
acl = struct.pack("<I", 2) + entry(1, 6) + entry(2, 4, 1000) + entry(4, 0) + entry(16, 6) + entry(32, 0)
for path, name, value in [
    ("kept/f", "user.x", b"a value"), ("kept/f", "user.empty", b""), ("kept/f", "trusted.t", b"\0\1"),
    ("kept/f", "system.posix_acl_access", acl), ("kept/folder", "system.posix_acl_default", acl), ("kept/folder", "user.x", b"1"),
    ("kept/f", "security.capability", struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)),
]:
    try:
        os.setxattr(path, name, value)
    except OSError as e:
        print(path, name, e, flush=True)
EOT
attributes() { # DIR: all of its files
	python3 - "$1" <<'EOT'
import os, sys
os.chdir(sys.argv[1])
for d, _, files in os.walk("."):
    for p in sorted([d] + [os.path.join(d, f) for f in files]):
        print(repr(p), oct(os.stat(p).st_mode), sorted((n, os.getxattr(p, n)) for n in os.listxattr(p)), flush=True)
EOT
}
same_attributes() { diff <(attributes kept) <(attributes "$1"); }
t "they go to a node with -p" bpcp -rp kept 1:kept1
t "all of them" same_attributes kept1
t "and come from a node" bpcp -rp "1:$PWD/kept" kept2
t "all of them, too" same_attributes kept2
cp -r --preserve=all kept/folder from-acl 2>/dev/null || cp -r kept/folder from-acl
t "a folder's access list does not change what is copied into it" bash -c \
	"'$bin/bpcp' -p kept/folder/plain 1:from-acl/new </dev/null && python3 -c 'import os; assert os.listxattr(\"from-acl/new\") == []'"
t "without -p there are none" bash -c "'$bin/bpcp' -r kept 1:kept3 </dev/null && python3 -c 'import os; assert os.listxattr(\"kept3/f\") == []'"
t "a name with a newline is one" test "$(cat "kept1/a
b")" = z

# Rights are the caller's.
mkdir theirs mine && chmod 700 mine && chown 65534 theirs
chmod 755 "$SCRATCH" "${BPBOOT_SOCKET%/*}"
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/bpcp" "$@" </dev/null; }
t "another user copies to what is his" as_nobody -p src/a 1:theirs
t "and owns it" test "$(stat -c %u theirs/a)" = 65534
t_says "but not to what is not" 1 "Permission denied" as_nobody src/a 1:mine/a
t_says "nor from there" 1 "Permission denied" as_nobody 1:src/zero theirs/zero
chmod 755 kept && chmod 644 kept/f
t "another user keeps what he may" as_nobody -p kept/f "kept/a
b" 1:theirs
t "the owner's mode, without the list that he may not set" test "$(stat -c %u theirs/f)" = 65534
if python3 -c 'import os; os.getxattr("kept/f", "security.capability")' 2>/dev/null; then
	cp kept/f kept/g && python3 -c 'import os; os.setxattr("kept/g", "security.capability", os.getxattr("kept/f", "security.capability"))'
	chmod 644 kept/g
	t "what he may not is said once" test "$(as_nobody -p kept/f kept/g 1:theirs 2>&1 | grep -c 'not kept, as others like it')" = 1
else
	ok "what he may not is said once"
fi
chmod 700 "${BPBOOT_SOCKET%/*}"

t_says "a bar shows how far it is" 0 "copying: [" "$at" 24x80 "$bin/bpcp" -r src 1:bar <<<end
t "and the copy is right" cmp src/sub/big bar/sub/big
t "elsewhere there is none" test -z "$(bpcp -r src 1:quiet 2>&1)"

# A copy that is cut off.
head -c 300000000 /dev/zero >src/growing
"$bin/bpcp" src/growing 1:cut </dev/null >cut.out 2>&1 &
pid=$!
wait_for 20 "$bin/bpsh" 1 pgrep -f -- '--copy to' </dev/null
kill -KILL $pid
wait $pid 2>/dev/null
t "the agents of a copy that was killed end" wait_for 10 bash -c "! '$bin/bpsh' 1 pgrep -f -- '--copy to' </dev/null"
whole_or_none() { [ ! -e cut ] || cmp cut src/growing; }
t "and no part has the name" whole_or_none
t "nor another one" test -z "$(find . -name '.*' -type f)"
done_testing
