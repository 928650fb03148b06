#!/bin/bash
# ghosts-core.sh - a ghost has the core flag of its process, and leaves no core here
#
# Each node is a folder of its own for cores: a light one shares the machine's files.
# fast
. tests/system/lib.sh

trap light_lab_end EXIT
light_lab 2

# ended COMMAND...: what a parent sees of it: "STATUS" or "signal N" and "core"
cat >"$SCRATCH/ended" <<'EOF'
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
limit = int(sys.argv[1])
if hard != resource.RLIM_INFINITY and limit > hard:
    sys.exit("the limit for cores here is %d" % hard)
pid = os.fork()
if pid == 0:
    resource.setrlimit(resource.RLIMIT_CORE, (limit, hard))
    os.execvp(sys.argv[2], sys.argv[2:])
status = os.waitpid(pid, 0)[1]
text = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))
print(text + (" core" if os.WCOREDUMP(status) else ""), flush=True)
EOF
ended() { python3 "$SCRATCH/ended" "$@" </dev/null 2>>"$SCRATCH/err"; }
mkdir -m 1777 "$SCRATCH/here" && cd "$SCRATCH/here" || exit 1
plain() { ended "$1" sh -c "kill -$2 \$\$"; }
ghost() { ended "$1" "$bin/bpsh" 1 sh -c "kill -$2 \$\$"; }
exactly() { # NAME TEXT COMMAND...: which says that and no more
	local name=$1 text=$2 out
	shift 2
	out=$("$@")
	if [ -n "$text" ] && [ "$out" = "$text" ]; then ok "$name ($text)"; else not_ok "$name" "'$out' and not '$text': $(cat "$SCRATCH/err")"; fi
}
cores() { find "$SCRATCH/here" -type f | wc -l; }

for signal in SEGV ABRT QUIT; do
	expected=$(plain 1000000 $signal)
	before=$(cores)
	rm -f "$SCRATCH"/here/*
	exactly "a ghost ends as its process did: $signal, with a limit for cores" "$expected" ghost 1000000 $signal
	exactly "and its process's core is the only one: $signal" "$before" cores
	rm -f "$SCRATCH"/here/*
	exactly "a ghost ends as its process did: $signal, without" "$(plain 0 $signal)" ghost 0 $signal
done
exactly "no core, no flag" "signal 15" ghost 1000000 TERM
exactly "a status is a status" 3 ended 1000000 "$bin/bpsh" 1 sh -c 'exit 3'

if [ "$(id -u)" = 0 ]; then
	chmod 755 "$SCRATCH" "$SCRATCH"/bpboot-lab-*
	cp "$bin/bpsh" "$SCRATCH/bpsh" # where the user gets at it
	user() { setpriv --reuid 65534 --regid 65534 --clear-groups env PATH=/usr/bin:/bin "$@" </dev/null; }
	expected=$(user python3 "$SCRATCH/ended" 1000000 sh -c 'kill -SEGV $$')
	user unshare --user --mount true || expected=${expected% core} # a site that forbids them: man bpsh, CAVEATS
	exactly "a user's ghost, too" "$expected" user python3 "$SCRATCH/ended" 1000000 "$SCRATCH/bpsh" 0 sh -c 'kill -SEGV $$'
fi
done_testing
