#!/bin/bash
# needs.sh - the closure of every program and library under /usr, judged by ldd
. "$(dirname "$0")/lib.sh"

bpboot=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
if ! command -v ldd >/dev/null || ! command -v python3 >/dev/null; then
	echo "skip bpboot needs names what ldd resolves - needs ldd and python3"
	exit 0
fi

# ELF programs and libraries (ET_EXEC, ET_DYN), each file once.
elf_files() {
	find /usr -xdev -type f \( -perm /111 -o -name '*.so' -o -name '*.so.*' \) -size +0 2>/dev/null | sort | python3 -c '
import sys
for line in sys.stdin:
    path = line.rstrip("\n")
    try:
        with open(path, "rb") as f:
            head = f.read(20)
    except OSError:
        continue
    if head[:4] == b"\x7fELF" and len(head) > 17 and head[16] in (2, 3):
        print(path)'
}

# For each: what ldd resolves, and what we name.
ask() {
	local f
	while IFS= read -r f; do
		printf 'file %s\n' "$f"
		ldd "$f" 2>&1 | sed 's/^/ldd /'
		"$bpboot" needs "$f" 2>&1 | sed 's/^/we /'
	done
}

# What ldd cannot say is held against its reason:
#  lacks:    ldd finds not all libraries (a JDK's libjvm.so, libsystemd-shared of libsystemd-core: the program that opens
#            them has them loaded already). We have to fail and name one of those that ldd does not find.
#  foreign:  the interpreter is not glibc's, so that ldd says "not a dynamic executable" (klibc, musl, x32 without its
#            loader), or the object is of another machine. We have to name that very interpreter, or to say that it,
#            or a library of that machine, is not found.
judge() {
	cat >judge.py <<'EOT'
import os, re, subprocess, sys
count = {"same": 0, "lacks": 0, "foreign": 0}
real = {}
def where(path):
    return real.setdefault(path, os.path.realpath(path))
def interpreter(path):
    out = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True).stdout
    m = re.search(r"Requesting program interpreter: (.*)\]", out)
    return m.group(1) if m else None
def machine(path):
    with open(path, "rb") as f:
        return f.read(20)[18:20]
def verdict(path, ldd, we):
    lost = re.findall(r"^\s*(\S+) => not found", ldd, re.M)
    failed = we.startswith("bpboot: ")
    if lost:
        return "lacks" if failed and any("library '%s' is not found" % x in we for x in lost) else None
    if "not a dynamic executable" in ldd:
        i = interpreter(path)
        if i is None and machine(path) != machine(sys.executable):
            named = we.split("\n") if we else []
            return "foreign" if "is not found" in we or all(machine(x) == machine(path) for x in named) else None
        if i is None:
            return "same" if not we else None
        if "library '" in we and "is not found" in we:
            return "foreign" # and its libraries are not there either
        named = we.split("\n")
        return "foreign" if i in named or "interpreter '%s' is not found" % i in we else None
    want = {where(x) for x in re.findall(r"(?:=> |^\t)(/\S+) \(0x", ldd, re.M)}
    return "same" if not failed and want == {where(x) for x in we.split("\n") if x} else None
def end(path, ldd, we):
    v = verdict(path, "\n".join(ldd), "\n".join(we))
    if v is None:
        print("%s: ldd: %s we: %s" % (path, " ".join(ldd), " ".join(we)))
        sys.exit(1)
    count[v] += 1
path = None
for line in sys.stdin:
    kind, _, rest = line.rstrip("\n").partition(" ")
    if kind == "file":
        if path:
            end(path, ldd, we)
        path, ldd, we = rest, [], []
    else:
        (ldd if kind == "ldd" else we).append(rest)
if path:
    end(path, ldd, we)
total = sum(count.values())
print("# %d objects: %d as ldd, %d lack a library, %d with an interpreter that is not glibc's" %
      (total, count["same"], count["lacks"], count["foreign"]), file=sys.stderr)
if total < int(os.environ.get("NEEDS_MIN", "1000")):
    print("only %d objects here; a judgement takes 1,000" % total)
    sys.exit(1)
EOT
	python3 judge.py
}
elf_files >elf.list
split -n r/2 elf.list part.
ask <part.aa >aa.out &
ask <part.ab >ab.out
wait $!
if [ "$(wc -l <elf.list)" -lt 1000 ]; then
	NEEDS_MIN=0 t "bpboot needs names what ldd resolves" judge < <(cat aa.out ab.out)
	echo "skip 1,000 objects compared with ldd - only $(wc -l <elf.list) are installed"
else
	t "bpboot needs names what ldd resolves, for each of $(wc -l <elf.list) objects" judge < <(cat aa.out ab.out)
fi
NEEDS_MIN=0 judge < <(cat aa.out ab.out) >/dev/null # the count, on standard error
done_testing
