#!/bin/bash
# needs-foreign.sh - closures in real trees of other systems: a later Debian, judged by its own loader in a chroot; Debian for
# arm64, of which nothing runs here, judged by readelf; musl laid out as Alpine does, judged by musl's loader
#
# The packages are downloaded by apt, once, with settings and lists of their own ($BUILD/foreign); nothing is installed.
. "$(dirname "$0")/lib.sh"

bp=$BUILD/src/cli/bpboot
foreign=$BUILD/foreign
cd "$SCRATCH" || exit 1
for tool in apt-get dpkg-deb python3 readelf gcc debugfs; do
	command -v $tool >/dev/null || { echo "skip foreign roots - $tool is not installed"; exit 0; }
done
if [ "$(id -u)" != 0 ]; then
	echo "skip foreign roots - needs root for chroot"
	exit 0
fi

# --- the trees ----------------------------------------------------------------------------------------------------------

# tree NAME SUITE ARCH PACKAGE...: unpack the packages with all that they depend on, as $foreign/NAME.
tree() {
	local name=$1 suite=$2 arch=$3 apt=$foreign/$1.apt uri deb
	shift 3
	[ -d "$foreign/$name" ] && return
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" || return
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >"$apt/sources"
	cat >"$apt/conf" <<-EOT
		Dir::Etc::sourcelist "$apt/sources"; Dir::Etc::sourceparts "-"; Dir::State "$apt/state"; Dir::State::status "/dev/null";
		Dir::Cache "$apt/cache"; APT::Architecture "$arch"; APT::Architectures "$arch"; APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::Retries 5;
	EOT
	APT_CONFIG=$apt/conf apt-get -qq update && APT_CONFIG=$apt/conf apt-get -qq -y -d --no-install-recommends install "$@" || return
	rm -rf "$apt/root" && mkdir "$apt/root"
	for deb in "$apt"/cache/archives/{base-files,libc6,}*.deb; do # base-files first: it says where /bin and /lib lie
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$apt/root" || return
	done
	mv "$apt/root" "$foreign/$name" && rm -rf "$apt"
}
for spec in "trixie trixie amd64" "arm64 bookworm arm64"; do
	if ! tree $spec bash coreutils systemd openssh-client >log 2>&1; then
		not_ok "the tree '$spec' can be fetched" "$(tail -n 3 log)"
		done_testing
	fi
done

# elves ROOT: ELF programs and libraries in it, each file once, as absolute paths in it.
elves() {
	python3 - "$1" <<'EOT'
import os, sys
root = sys.argv[1]
for top, dirs, files in os.walk(root):
    for f in sorted(files):
        p = os.path.join(top, f)
        if os.path.islink(p) or not os.path.isfile(p): continue
        head = open(p, "rb").read(18)
        if head[:4] == b"\x7fELF" and head[16] in (2, 3):
            print(p[len(root):])
EOT
}
# ours ROOT: "PATH: LIBRARY..." with symlinks followed inside, for each path on standard input; "PATH! MESSAGE" for those that fail.
ours() {
	local f out
	while read -r f; do
		if out=$("$bp" needs --root "$1" "$f" 2>&1); then
			echo "$f:" $out
		else
			echo "$f! $out"
		fi
	done
}

# --- a later Debian -------------------------------------------------------------------------------------------------------

# .note.dlopen brings what no loader names: those are left out by asking for what a copy without notes needs.
root=$foreign/trixie
cp -al "$root" plain 2>/dev/null || cp -a "$root" plain
elves plain >trixie.elves
while read -r f; do
	readelf -SW "plain$f" 2>/dev/null | grep -q note.dlopen && objcopy --remove-section .note.dlopen "plain$f" new && mv new "plain$f" && echo "$f" >>noted
done <trixie.elves
ours plain <trixie.elves >trixie.ours
loader=/lib64/ld-linux-x86-64.so.2
while read -r f; do
	echo "file $f"
	chroot plain $loader --list "$f" 2>&1
done <trixie.elves >trixie.theirs
cat >judge.py <<'EOT'
import os, re, sys
root, ours, theirs = sys.argv[1:4]
real = {}
def where(p):
    "canonical path inside the root"
    if p not in real:
        done, todo, links = "", [n for n in p.split("/") if n], 0
        while todo:
            n = todo.pop(0)
            if n == ".": continue
            if n == "..": done = done.rpartition("/")[0]; continue
            q = done + "/" + n
            if os.path.islink(root + q):
                links += 1
                assert links < 40
                t = os.readlink(root + q)
                if t[0] == "/": done = ""
                todo = [x for x in t.split("/") if x] + todo
            else: done = q
        real[p] = done
    return real[p]
want = {}
for line in open(theirs):
    line = line.rstrip("\n")
    if line.startswith("file "):
        path = line[5:]; want[path] = [set(), None]
        continue
    m = re.search(r"^\t(\S+) => not found|(\S+): cannot open shared object file|Error loading shared library (\S+):", line)
    if m: want[path][1] = m.group(1) or m.group(2) or m.group(3)
    m = re.search(r"(?:=> |^\t)(/\S+) \(0x", line)
    if m: want[path][0].add(where(m.group(1)))
    if "statically linked" in line or "not a dynamic" in line: want[path] = [set(), None]
same = lacks = 0
for line in open(ours):
    line = line.rstrip("\n")
    m = re.match(r"(/[^:!]*)([:!]) ?(.*)", line)
    path, kind, rest = m.groups()
    libs, lost = want.pop(path)
    if kind == "!":
        if not lost or "library '%s' is not found" % lost not in rest: sys.exit("%s: we: %s they: %s %s" % (path, rest, lost, libs))
        lacks += 1
        continue
    got = {where(p) for p in rest.split()}
    libs.discard(where(path)); got.discard(where(path))
    if lost or libs != got: sys.exit("%s: we: %s they: %s %s" % (path, sorted(got), lost, sorted(libs)))
    same += 1
if want: sys.exit("not asked: %s" % list(want)[:3])
print("# %s: %d objects as their loader, %d lack a library" % (os.path.basename(root), same, lacks), file=sys.stderr)
if same < int(sys.argv[4]): sys.exit("only %d objects" % same)
EOT
t "Debian trixie: what its own loader resolves, for each of $(wc -l <trixie.elves) objects" python3 judge.py plain trixie.ours trixie.theirs 500
python3 judge.py plain trixie.ours trixie.theirs 500 >/dev/null # the count, on standard error

# What systemd says that it opens, it says in notes: compared with what readelf says of them.
cat >notes.py <<'EOT'
import json, re, subprocess, sys
root, bp = sys.argv[1:3]
n = 0
for path in open("noted").read().split():
    subprocess.run(["objcopy", "-O", "binary", "--only-section=.note.dlopen", "--set-section-flags", ".note.dlopen=alloc", root + path, "note"], check=True)
    text = open("note", "rb").read().decode("latin1")
    have = subprocess.run([bp, "needs", "--root", root, path], capture_output=True, text=True)
    if have.returncode: sys.exit("%s: %s" % (path, have.stderr))
    for item in re.findall(r"\[\{.*?\}\]", text):
        for note in json.loads(item):
            found = [s for s in note["soname"] if re.search("/%s$" % re.escape(s), have.stdout, re.M)]
            there = [s for s in note["soname"] if subprocess.run(["find", root, "-name", s], capture_output=True, text=True).stdout]
            if note.get("priority") != "suggested":
                n += 1
                if bool(found) != bool(there): sys.exit("%s: %s: found %s, there is %s" % (path, note, found, there))
print("# %d notes" % n, file=sys.stderr)
if not n: sys.exit("no notes")
EOT
t "what systemd's own notes recommend comes along where it is there" python3 notes.py "$root" "$bp"

printf 'program /usr/bin/bash\nprogram ls\nprogram /usr/bin/ssh\ninit /usr/bin/bash\n' >node.image
t "an image of its programs" eval '"$bp" image -q --root "$root" node.image --raw node.ext2 && e2fsck -fn node.ext2 >/dev/null 2>&1 &&
	mkdir dump && debugfs -R "rdump / dump" node.ext2 2>/dev/null; [ -e dump/usr/bin/bash ]'
t "its programs run in the image alone" test "$(chroot dump /usr/bin/bash -c 'echo $BASH_VERSION; ls -d /usr/bin/ls' 2>&1 | paste -sd' ')" = \
	"$(chroot "$root" /bin/bash -c 'echo $BASH_VERSION') /usr/bin/ls"
t "and lack nothing" eval '! chroot dump /lib64/ld-linux-x86-64.so.2 --list /usr/bin/ssh | grep "not found"'
noexec() { # the tree where nothing can be run
	mount --make-rprivate / && mount --bind "$root" "$root" && mount -o remount,bind,noexec,ro "$root" && ! "$root/usr/bin/true" 2>/dev/null &&
		"$bp" needs --root "$root" /usr/bin/ssh && "$bp" image -q --root "$root" node.image --raw noexec.ext2
}
export -f noexec
export root bp
t "nothing of the tree is run: it may be mounted noexec" unshare -m bash -c noexec
t "and gives the same image" cmp node.ext2 noexec.ext2

# --- another machine ------------------------------------------------------------------------------------------------------

# A judge of its own: DT_NEEDED followed by readelf's words, in RPATH, RUNPATH and the loader's folders of Debian.
cat >readelf.py <<'EOT'
import os, re, subprocess, sys
root, listing = sys.argv[1:3]
FOLDERS = ["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"]
seen = {}
def real(p):
    q = os.path.normpath(p)
    for _ in range(40):
        for i in range(1, q.count("/") + 1):
            head = "/".join(q.split("/")[:i + 1])
            if os.path.islink(root + head):
                t = os.readlink(root + head)
                rest = q[len(head):]
                q = os.path.normpath((t if t[0] == "/" else os.path.dirname(head) + "/" + t) + rest)
                break
        else: return q
def look(p):
    if p not in seen:
        out = subprocess.run(["readelf", "-dlW", root + p], capture_output=True, text=True).stdout
        path = re.findall(r"\((RUNPATH|RPATH)\).*\[(.*)\]", out)
        seen[p] = (re.findall(r"\(NEEDED\).*\[(.*)\]", out), [d.replace("$ORIGIN", os.path.dirname(p)).replace("${ORIGIN}", os.path.dirname(p)) for _, s in path for d in s.split(":")],
                   re.findall(r"Requesting program interpreter: (.*)\]", out), "RPATH" in [k for k, _ in path])
    return seen[p]
for path in open(listing).read().split():
    print("file " + path)
    queue, have = [(real(path), [])], {}
    interp = look(real(path))[2]
    if interp: print("\t%s (0x0)" % interp[0])
    while queue:
        p, above = queue.pop(0)
        needed, dirs, _, rpath = look(p)
        for name in needed:
            if name in have: continue
            for d in dirs + above + FOLDERS:
                q = real(d + "/" + name)
                if os.path.isfile(root + q):
                    have[name] = q; print("\t%s => %s (0x0)" % (name, q))
                    queue.append((q, above + (dirs if rpath else []))); break
            else: have[name] = None; print("\t%s => not found" % name)
EOT
elves "$foreign/arm64" >arm64.elves
ours "$foreign/arm64" <arm64.elves >arm64.ours
python3 readelf.py "$foreign/arm64" arm64.elves >arm64.theirs
t "Debian for arm64: what readelf says, for each of $(wc -l <arm64.elves) objects" python3 judge.py "$foreign/arm64" arm64.ours arm64.theirs 300
python3 judge.py "$foreign/arm64" arm64.ours arm64.theirs 300 >/dev/null
printf 'program bash\nprogram /usr/bin/ssh\ninit /bin/bash\n' >arm64.image
t "an image for arm64, which its index says" eval '"$bp" image -q --root "$foreign/arm64" arm64.image --no-sign --output boot && grep -qx "arch aarch64" boot/arm64.index &&
	"$bp" inspect boot/arm64.index >arm64.ls && grep -q "ld-linux-aarch64.so.1" arm64.ls'

# --- musl, as Alpine lays it out ------------------------------------------------------------------------------------------

# Alpine's own packages are of no registry that a Debian has: Debian's musl, with programs and libraries built for it here.
if ! setup_debs "$BUILD/musl" musl musl-dev >log 2>&1; then
	not_ok "musl can be fetched" "$(tail -n 3 log)"
	done_testing
fi
dev=$BUILD/musl/usr
mkdir -p alpine/lib alpine/usr/{bin,lib/far,local/lib} alpine/etc alpine/opt/app/{bin,lib}
cp "$dev/../lib/x86_64-linux-musl/libc.so" alpine/lib/ld-musl-x86_64.so.1 && ln -s ld-musl-x86_64.so.1 alpine/lib/libc.musl-x86_64.so.1
# Alpine's libc is called so; Debian's has no name of its own, so that one stands in for it when they are linked.
printf 'int puts(const char *s){return 0;}\nint __libc_start_main(void){return 0;}\n' | gcc -x c -shared -fPIC -nostdlib -w -o libc.so - -Wl,-soname,libc.musl-x86_64.so.1
musl() { # OUTPUT SOURCE MORE...
	local out=$1 src=$2
	shift 2
	printf '%s\n' "$src" | gcc -x c -nostdinc -isystem "$dev/include/x86_64-linux-musl" -nostdlib -fno-stack-protector -o "$out" - -x none "$@" libc.so
}
shared() { musl alpine$1 "$2" -shared -fPIC -Wl,-soname,"$(basename "$1")" -Wl,--no-as-needed "${@:3}"; }
program() { musl alpine$1 "$2" "$dev"/lib/x86_64-linux-musl/{Scrt1,crti}.o -fPIE -pie -Wl,--dynamic-linker,/lib/ld-musl-x86_64.so.1 -Wl,--no-as-needed "${@:3}" "$dev"/lib/x86_64-linux-musl/crtn.o; }
shared /usr/lib/libzed.so.1 'int z(void){return 1;}'
shared /usr/local/lib/liblocal.so 'int z(void);int l(void){return z()+1;}' alpine/usr/lib/libzed.so.1
shared /opt/app/lib/libdeep.so 'int deep(void){return 3;}'
shared /opt/app/lib/libnear.so 'int deep(void);int near_(void){return deep();}' alpine/opt/app/lib/libdeep.so
shared /usr/lib/far/libfar.so 'int f(void){return 4;}'
program /usr/bin/tool '#include <stdio.h>
int l(void); int main(void){return l()==2?puts("tool"),0:1;}' alpine/usr/local/lib/liblocal.so -Wl,-rpath-link,alpine/usr/lib
program /opt/app/bin/app 'int near_(void); int main(void){return near_()==3?0:1;}' alpine/opt/app/lib/libnear.so -Wl,-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,alpine/opt/app/lib
program /usr/bin/far 'int f(void); int main(void){return f()==4?0:1;}' alpine/usr/lib/far/libfar.so
elves alpine | grep -v '^/lib/ld-' >alpine.elves
compare_musl() {
	ours alpine <alpine.elves >alpine.ours
	while read -r f; do
		echo "file $f"
		chroot alpine /lib/ld-musl-x86_64.so.1 --list "$f" 2>&1
	done <alpine.elves | grep -v '^	/lib/ld-musl.*(0x.*$' | sed 's/^	ldd (0x/	x => \/lib\/ld-musl-x86_64.so.1 (0x/' >alpine.theirs
	# Each object that needs libc has the loader; ours names it even where a library alone needs none.
	sed -i 's, /lib/ld-musl-x86_64.so.1,,; s, /etc/ld-musl-x86_64.path,,' alpine.ours && sed -i '/ld-musl-x86_64.so.1/d' alpine.theirs
	python3 judge.py alpine alpine.ours alpine.theirs "$1"
}
t "musl: what its loader resolves; a library in a folder of nobody's is missed by both" compare_musl 6
echo '/usr/lib/far:/usr/lib:/usr/local/lib' >alpine/etc/ld-musl-x86_64.path
t "musl: with a path file of its own" compare_musl 7
printf 'program /usr/bin/tool\nprogram /opt/app/bin/app\nprogram /usr/bin/far\ninit /usr/bin/tool\n' >alpine.image
t "an image of musl's programs, which run in it alone" eval '"$bp" image -q --root alpine alpine.image --raw alpine.ext2 && mkdir alpine.dump &&
	debugfs -R "rdump / alpine.dump" alpine.ext2 2>/dev/null; chroot alpine.dump /usr/bin/tool && chroot alpine.dump /lib/ld-musl-x86_64.so.1 /opt/app/bin/app && chroot alpine.dump /usr/bin/far'
done_testing
