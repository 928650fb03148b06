#!/bin/bash
# copy-trouble.sh - bpcp when it is interrupted, and when disks are full or refuse: nothing half is left, and one line says why
#
# fast
. tests/system/lib.sh
# Small disks are mounted here, which light nodes see as this machine does.
[ "${1-}" = --inside ] || exec unshare --mount --propagation private bash "$0" --inside

at=$PWD/tests/tools/type-at.py
finish() {
	light_lab_end
	cd / && umount "$SCRATCH/small" "$SCRATCH/fixed" 2>/dev/null
}
trap finish EXIT
mkdir "$SCRATCH/small" "$SCRATCH/fixed" "$SCRATCH/work"
mount -t tmpfs -o size=1m,mode=755 none "$SCRATCH/small" && mount -t tmpfs -o size=1m,mode=755 none "$SCRATCH/fixed" &&
	mount -o remount,ro "$SCRATCH/fixed" || not_ok "small disks are mounted" "mount failed"
light_lab 3
cd "$SCRATCH/work" || exit 1
bpcp() { "$bin/bpcp" "$@" </dev/null; }
empty() { # DIR
	local left
	left=$(find "$1" -mindepth 1)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}
full=$SCRATCH/small ro=$SCRATCH/fixed

head -c 3000000 /dev/urandom >big
echo small >little
t_says "a full disk on a node is said, with node and path" 1 "1: bpcp: cannot write '$full/big': No space left on device" bpcp big 1:"$full"
t "and nothing of the file is left" empty "$full"
t_says "a full disk here, too" 1 "bpcp: cannot write '$full/big': No space left on device" bpcp 1:"$PWD/big" "$full"
t "and nothing is left" empty "$full"
t_says "what still fits is copied" 1 "No space left" bpcp big little 1:"$full"
t "whole" cmp little "$full/little"
echo old >"$full/big"
t_says "a file that is there already" 1 "No space left" bpcp big 1:"$full"
t "stays what it was" test "$(cat "$full/big")" = old
rm "$full"/*
t_says "of several nodes each is said" 1 "2: bpcp: cannot write '$full/big'" bpcp big 0-2:"$full"
t "and nothing is left of any" empty "$full"
t_says "a disk that is not to be written" 1 "1: bpcp: cannot write '$ro/little': Read-only file system" bpcp little 1:"$ro"
mkdir shut && chmod 700 shut
chmod 755 "$SCRATCH" "${BPBOOT_SOCKET%/*}"
t_says "a folder that refuses is said, with node and path" 1 "2: bpcp: cannot write '$PWD/shut/x': Permission denied" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$bin/bpcp" little 2:shut/x
chmod 700 "${BPBOOT_SOCKET%/*}"

# Copies that end before their end: the end on node 1 is stopped as soon as it is seen.
head -c 200000000 /dev/zero >endless
mkdir into
hold() { # stop it when it comes
	rm -f "$SCRATCH/held"
	"$bin/bpsh" 1 sh -c 'echo ready; until pid=$(pgrep -f -- "[-]-copy to"); do :; done; kill -STOP $pid; echo held' </dev/null >"$SCRATCH/held" 2>&1 &
	wait_for 20 grep -q ready "$SCRATCH/held"
}
is_held() { wait_for 20 grep -q held "$SCRATCH/held"; }
no_agents() { ! "$bin/bpsh" "$1" pgrep -f -- '--copy' </dev/null; }
hold
"$bin/bpcp" endless 1:into </dev/null >"$SCRATCH/said" 2>&1 &
pid=$!
t "a copy is under way" is_held
kill -KILL $pid
wait $pid 2>/dev/null
t "after SIGKILL of bpcp its ends end" wait_for 20 no_agents 1
t "and nothing is left" empty into
hold
t_says "^C at a terminal ends it, and the terminal is as it was" 0 "restored" "$at" 24x80 "$bin/bpcp" endless 1:into <<EOT
run until grep -q held $SCRATCH/held; do sleep 0.05; done
send \x03
end
EOT
t "its ends end" wait_for 20 no_agents 1
t "and nothing is left" empty into
hold
"$bin/bpcp" endless 1:into </dev/null >"$SCRATCH/said" 2>&1 &
pid=$!
t "a third copy is under way" is_held
"$bin/bpctl" -S 1 -P
wait $pid
t "when the node goes down, bpcp fails" test $? = 1
t_says "and says it" 0 "node lost" cat "$SCRATCH/said"
t "nothing is left" empty into
t_says "a node that is down is said" 1 "node 1 is down" bpcp little 1:into

t_says "a folder goes onto no file" 1 "cannot make the folder '$PWD/little'" bash -c "mkdir -p a/little && '$bin/bpcp' -r a/little 0:$PWD </dev/null"
t "which stays what it was" grep -qx small little
t "a file onto itself is itself" bash -c "'$bin/bpcp' little 0:'$PWD' </dev/null && '$bin/bpcp' little little </dev/null && grep -qx small little"
done_testing
