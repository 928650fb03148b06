#!/bin/bash
# needs-random.sh - programs and libraries with search paths at random, resolved as the loader of this machine resolves them
#
# Each round makes a program and libraries that need each other, several of the same name in several folders, with DT_RPATH,
# DT_RUNPATH or neither, of folders with $ORIGIN, $LIB and $PLATFORM, and of folders that are not there.
. "$(dirname "$0")/lib.sh"

bp=$BUILD/src/cli/bpboot
cd "$SCRATCH" || exit 1
if ! command -v ld >/dev/null || ! command -v python3 >/dev/null || [ "$(uname -m)" != x86_64 ]; then
	echo "skip search paths at random - needs ld, python3 and x86_64"
	exit 0
fi
cat >rounds.py <<'EOT'
import os, random, re, subprocess, sys
bp, top = sys.argv[1], os.getcwd()
def run(*a): return subprocess.run(a, capture_output=True, text=True)
open("empty.s", "w").write(".globl _start\n_start:\n.section .note.GNU-stack,\"\",@progbits\n")
subprocess.run(["as", "-o", "empty.o", "empty.s"], check=True)
names = ["libq%s.so" % c for c in "abcdefg"]
for n in names: # to link against: a name and nothing more
    os.makedirs("stubs", exist_ok=True)
    subprocess.run(["ld", "-shared", "-soname", n, "-o", "stubs/" + n, "empty.o"], check=True)
dirs = ["d0", "d1", "d2", "d3", "deep/er", "x/lib/x86_64-linux-gnu", "x/x86_64"]
paths = ["$ORIGIN/../%s" % d for d in dirs[:4]] + ["${ORIGIN}/../deep/er", "$ORIGIN/../x/$LIB", "$ORIGIN/../x/${PLATFORM}",
         "$ORIGIN", "$ORIGIN/nowhere", top + "/d1", top + "/d2/", top + "/./d3", "/nowhere", ""]
def make(r, out, soname, needed):
    a = ["ld", "-o", out, "empty.o", "--no-as-needed", "--allow-shlib-undefined"]
    a += ["-shared", "-soname", soname] if soname else ["-pie", "--dynamic-linker", "/lib64/ld-linux-x86-64.so.2"]
    kind = r.choice(["none"] + 4 * ["--enable-new-dtags", "--disable-new-dtags"])
    if kind != "none":
        a += [kind, "-rpath", ":".join(r.sample(paths, r.randint(3, 9)))]
    subprocess.run(a + ["stubs/" + n for n in needed], check=True)
lost = same = objects = 0
for seed in range(int(sys.argv[2])):
    r = random.Random(seed)
    base = "r%d" % seed
    for d in dirs: os.makedirs(base + "/" + d)
    os.chdir(base)
    os.symlink("../stubs", "stubs"); os.symlink("../empty.o", "empty.o")
    top2 = os.getcwd()
    paths[9:12] = [top2 + "/d1", top2 + "/d2/", top2 + "/./d3"]
    for n in names:
        for d in r.sample(dirs, r.randint(2, 4)):
            make(r, d + "/" + n, n, r.sample(names, r.randint(0, 2)))
            objects += 1
            if r.random() < 0.1: # the same under another name: found once by its soname
                os.symlink(n, d + "/alias-" + n)
    make(r, "d0/prog", None, r.sample(names, r.randint(1, 4)))
    theirs = run("/lib64/ld-linux-x86-64.so.2", "--list", top2 + "/d0/prog")
    ours = run(bp, "needs", top2 + "/d0/prog")
    text = theirs.stdout + theirs.stderr
    missing = re.findall(r"^\s*(\S+) => not found", text, re.M) + re.findall(r"(\S+): cannot open shared object", text)
    if missing:
        if ours.returncode != 1 or not any("library '%s' is not found; '" % m in ours.stderr for m in missing):
            sys.exit("round %d: they miss %s, we: %s%s" % (seed, missing, ours.stdout, ours.stderr))
        lost += 1
    else:
        want = {os.path.realpath(p) for p in re.findall(r"(?:=> |^\t)(/\S+) \(0x", text, re.M)}
        want.add(os.path.realpath("/lib64/ld-linux-x86-64.so.2")) # which it names only when a library needs it
        got = {os.path.realpath(p) for p in ours.stdout.split()}
        if ours.returncode or want != got:
            sys.exit("round %d: only they: %s only we: %s %s" % (seed, sorted(want - got), sorted(got - want), ours.stderr))
        same += 1
    os.chdir(top)
print("# %d rounds, %d libraries: %d resolved alike, in %d the same was missed" % (seed + 1, objects, same, lost), file=sys.stderr)
if same < 20 or lost < 20: sys.exit("too few of a kind")
EOT
t "search paths at random: what the loader finds, and what it misses" python3 rounds.py "$bp" 60
done_testing
