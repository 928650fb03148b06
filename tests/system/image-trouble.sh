#!/bin/bash
# image-trouble.sh - sources that change, full disks and kills: one clear error, no half image; and what a terminal shows
# fast
. "$(dirname "$0")/lib.sh"

bpboot=$(realpath "$BUILD/src/cli/bpboot")
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot
children=()
cleanup() {
	local pid

	for pid in "${children[@]}"; do
		kill -CONT "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
}
trap cleanup EXIT
cd "$SCRATCH" || exit 1

mkdir k out
head -c 80000000 /dev/urandom >k/bulk
printf 'tree k /\n' >k.image

# meanwhile COMMAND...: run it while an image of k is made that has come to k/bulk; its words are in said, its status in $status.
meanwhile() {
	local pid there

	for _ in 1 2 3 4 5 6 7 8 9 10; do
		"$bpboot" image -q "${format[@]}" k.image --raw out/k.img >said 2>&1 &
		pid=$!
		children=($pid)
		until there=$(readlink /proc/$pid/fd/* 2>/dev/null | grep -c '/k/bulk$') && [ "$there" -gt 0 ]; do
			[ -n "$(readlink /proc/$pid/exe)" ] || break # it has ended
		done
		kill -STOP $pid
		"$@" $pid
		kill -CONT $pid 2>/dev/null
		wait $pid 2>/dev/null
		status=$?
		children=()
		[ "$there" -gt 0 ] && return 0
	done
	return 1
}
format=()
# trouble NAME MESSAGE ACTION: fails with one line that says so, and leaves nothing behind.
trouble() {
	local name=$1 message=$2

	head -c 30000 /dev/urandom >k/zz
	rm -rf out && mkdir out
	if ! meanwhile eval "$3"; then
		not_ok "$name" "the image was always ready before"
	elif [ "$status" != 1 ] || [ "$(wc -l <said)" != 1 ] || ! grep -qF -- "$message" said; then
		not_ok "$name" "status $status: $(cat said)"
	elif [ -n "$(ls -A out)" ]; then
		not_ok "$name" "left behind: $(ls -A out)"
	else
		ok "$name"
	fi
	rm -rf k/zz
}
trouble "a source that grows is named" "'k/zz' changed while it was read; nothing was written" 'echo more >>k/zz; :'
trouble "a source that shrinks is named" "'k/zz' changed while it was read; nothing was written" 'truncate -s 20000 k/zz; :'
trouble "a source that is emptied is named" "'k/zz' changed while it was read; nothing was written" ': >k/zz; :'
trouble "a source with other bytes is named" "'k/zz' changed while it was read" 'printf x | dd of=k/zz conv=notrunc status=none; :'
trouble "a source that vanishes is named" "cannot read 'k/zz': No such file or directory" 'rm k/zz; :'
trouble "a source that becomes a folder is named" "cannot read 'k/zz': Is a directory" 'rm k/zz; mkdir k/zz; :'
trouble "a source that shrinks while it is read is named" "'k/bulk' changed while it was read" 'truncate -s 1000 k/bulk; :'
head -c 80000000 /dev/urandom >k/bulk
for f in cpio erofs; do
	format=(--format $f)
	trouble "$f: a source that vanishes is named" "cannot read 'k/zz': No such file or directory" 'rm k/zz; :'
	trouble "$f: a source that grows is named" "'k/zz' changed while it was read" 'echo more >>k/zz; :'
done
format=()

# killed NAME SIGNAL STATUS [OLD]: nothing of the new image stays, and all of an old one.
killed() {
	rm -rf out && mkdir out && [ -z "${4-}" ] || echo old >out/k.img
	if ! meanwhile kill "-$2"; then
		not_ok "$1" "the image was always ready before"
	elif [ "$status" != "$3" ] || [ "$(ls -A out)" != "${4:+k.img}" ] || [ "$(cat out/* 2>/dev/null)" != "${4-}" ]; then
		not_ok "$1" "status $status; left behind: $(ls -A out)"
	else
		ok "$1"
	fi
}
killed "a kill leaves nothing" KILL 137
killed "a kill leaves the old image" KILL 137 old
killed "an interrupt leaves nothing" INT 130
killed "an interrupt leaves the old image" INT 130 old
killed "a termination leaves nothing" TERM 143
rm -rf out k

# --- publication ------------------------------------------------------------------------------------------------

mkdir p && seq 400000 >p/numbers && printf '#!/bin/sh\n' >p/init && chmod 755 p/init
printf 'tree p /\ninit /init\n' >p.image
"$bpboot" keygen >/dev/null || not_ok keygen failed
"$bpboot" image -q -l 1 p.image >/dev/null || not_ok "publication" failed
before=$(cat boot/p.index)
seq 1000001 1900000 >p/numbers
parts() { [ "$(ls boot/parts | wc -l)" -gt "$1" ]; }
"$bpboot" image -q -l 19 p.image >/dev/null 2>&1 &
children=($!)
wait_for 60 parts $(($(ls boot/parts | wc -l) + 2)) || not_ok "publishing begins" "no parts appear"
kill -KILL "${children[0]}"
wait "${children[0]}" 2>/dev/null
t "a publication that is killed leaves the old image" eval '[ "$(cat boot/p.index)" = "$before" ] && "$bpboot" verify p'
t "and of its own only whole parts" eval '[ "$(cd boot && ls -A -I p.stamp)" = "$(printf "%s\n" p.index p.index.minisig parts)" ] &&
	[ -z "$(cd boot/parts && b2sum -l 256 -- * | awk "\$1 != \$2")" ]'
t "the next publication goes as ever" eval '"$bpboot" image -q -l 3 p.image && "$bpboot" verify p'
t "verify --prune takes the killed one's parts" eval '"$bpboot" verify --prune && [ "$(ls boot/parts | sort)" = \
	"$(awk "\$1 == \"part\" { print \$2 }" boot/p.index | sort -u)" ]'

# --- one changed file -------------------------------------------------------------------------------------------

printf 'x' | dd of=p/numbers bs=1 seek=2000000 conv=notrunc status=none
t_says "one changed byte makes one part new" 0 " parts (1 new)" "$bpboot" image -q -l 3 p.image
rm -f boot/p.stamp
t_says "nothing changed, and it says so" 0 "unchanged in $SCRATCH/boot: p, counter 3" "$bpboot" image -q -l 3 p.image
cp -a boot boot.again && rm -rf boot.again/parts boot.again/p.* && sleep 0.1
t "parts that were taken over are those of a first publication" eval '"$bpboot" image -q -l 3 -o boot.again p.image &&
	diff <(grep -v ^counter boot/p.index) <(grep -v ^counter boot.again/p.index)'

# --- what a terminal shows --------------------------------------------------------------------------------------

# on_terminal COMMAND...: all that it writes to a terminal, in shown.
on_terminal() { script -qec "$(printf '%q ' "$@")" typescript </dev/null >shown 2>&1; }
# The time that is left comes with the first half second, which a fast machine does not need: tests/unit/base/test-progress.c.
bar() { grep -aqE "$1: \[#*\.*\] +[0-9]+ %, [0-9.]+ .?B, [0-9.]+ .?B/s" shown; }
# One processor, so that it takes a while everywhere.
cpu=$(taskset -pc $$ | sed "s/.*: //; s/[,-].*//")
t "an image is made and published on a terminal" on_terminal taskset -c "$cpu" "$bpboot" image -l 19 -n shown p.image
for what in "looking for zeros" writing publishing; do
	t "$what: a bar with bytes and rate" bar "$what"
done
t "the lines behind it stand alone" eval 'tr -d "\r" <shown | sed "s/.*\x1b\[K//" | grep -q "^published in "'
"$bpboot" image -l 9 -n logged p.image >log 2>&1
t "a log has nothing but lines" eval 'grep -q "^published in " log && ! LC_ALL=C grep -q "[[:cntrl:]]" log'
t_says "no bar in a log" 1 "" grep -e '%' -e '/s' log
printf 'tree p /\nfile /sys/kernel/uevent_seqnum /zz\n' >gone.image
t "an error on a terminal begins its own line" eval '! on_terminal "$bpboot" image -q gone.image --raw gone.ext2 &&
	grep -aq "^bpboot: .*changed while it was read" <(sed "s/.*\x1b\[K//" shown) && [ ! -e gone.ext2 ]'
done_testing
