#!/bin/bash
# keys.sh - keys, signatures and published images, against stock minisign, b2sum and zstd
# fast
. tests/system/lib.sh

bp=$BUILD/src/cli/bpboot
keys=$SCRATCH/keys
export BPBOOT_KEYS=$keys BPBOOT_DIR=$SCRATCH/boot

mode() { stat -c %a "$1"; }

# --- keygen ---
(umask 0 && "$bp" keygen >/dev/null) && [ "$(mode "$keys/sign.key") $(mode "$keys/master.key")" = "600 600" ]
t "keygen keeps secrets to their owner whatever the umask" test $? = 0
(umask 077 && "$bp" keygen --dir "$SCRATCH/other" >/dev/null) && [ "$(mode "$SCRATCH/other/sign.pub") $(mode "$SCRATCH/other/master.pub")" = "644 644" ]
t "keygen lets everyone read public halves whatever the umask" test $? = 0
before=$(cat "$keys"/*)
t_says "keygen refuses to replace a key" 1 "--force" "$bp" keygen
rm "$keys/sign.key"
t_says "keygen refuses when only some keys are there" 1 "sign.pub' is there" "$bp" keygen
[ ! -e "$keys/sign.key" ]
t "keygen writes nothing when it refuses" test $? = 0
t "keygen --force replaces keys" "$bp" keygen --force
[ "$(cat "$keys"/*)" != "$before" ] && [ -z "$(find "$keys" -name '*.new')" ]
t "keygen --force makes new keys and leaves nothing half-written" test $? = 0
t_says "keygen says where it cannot write" 1 "/proc/nowhere" "$bp" keygen --dir /proc/nowhere
grep -Eqx 'bpboot-master-key 1 [0-9a-f]{64}' "$keys/master.key" && grep -Eqx 'bpboot-master-public 1 [0-9a-f]{64}' "$keys/master.pub"
t "the master's keys are one line each" test $? = 0

# --- an image published by hand: docs/index.md and stock tools are enough ---
mkdir -p "$BPBOOT_DIR/parts"
head -c 262144 /dev/zero | tr '\0' 'x' >"$SCRATCH/a"
head -c 5120 /dev/urandom >"$SCRATCH/b"
{ cat "$SCRATCH/a"; head -c 131072 /dev/zero; cat "$SCRATCH/b"; } >"$SCRATCH/image"
hash_of() { b2sum -l 256 "$1" | cut -d' ' -f1; }
store() { # FILE: print its line of the index
	zstd -q -9 -f "$1" -o "$1.zst"
	cp "$1.zst" "$BPBOOT_DIR/parts/$(hash_of "$1.zst")"
	echo "part $(hash_of "$1.zst") $(stat -c %s "$1.zst") $(stat -c %s "$1")"
}
make_index() { # COUNTER
	printf 'bpboot-index 1\nname hand\ncounter %s\narch x86_64\nformat ext2\nsize %s\ndigest %s\ninit /sbin/init\n' \
		"$1" "$(stat -c %s "$SCRATCH/image")" "$(hash_of "$SCRATCH/image")"
	store "$SCRATCH/a"
	echo "hole 131072"
	store "$SCRATCH/b"
	echo end
}
index=$BPBOOT_DIR/hand.index
make_index 7 >"$index"
t "minisign signs with our secret key" minisign -S -s "$keys/sign.key" -m "$index" -t "by hand"
t "minisign accepts what it signed with our key" minisign -V -p "$keys/sign.pub" -m "$index"
t_says "verify accepts an image that stock tools made" 0 "hand: good: counter 7" "$bp" verify hand
t_says "verify takes the path of an index" 0 "hand: good" env BPBOOT_DIR=/nowhere "$bp" verify "$index"
t_says "verify without a name checks every image" 0 "hand: good" "$bp" verify
minisign -S -l -s "$keys/sign.key" -m "$index" >/dev/null
t_says "verify accepts minisign's legacy signature" 0 "hand: good" "$bp" verify
minisign -G -f -W -p "$SCRATCH/mini.pub" -s "$SCRATCH/mini.key" >/dev/null
minisign -S -s "$SCRATCH/mini.key" -m "$index" >/dev/null
t_says "verify accepts a key that minisign made" 0 "hand: good" "$bp" verify --key "$SCRATCH/mini.pub" hand
t_says "verify refuses a signature by another key" 1 "is signed by key" "$bp" verify hand
t_says "verify accepts one of several keys" 0 "hand: good" "$bp" verify --key "$keys/sign.pub" --key "$SCRATCH/mini.pub" hand
minisign -S -s "$keys/sign.key" -m "$index" >/dev/null

# --- damage ---
damaged() { # NAME TEXT COMMAND...: do COMMAND in a copy of the boot directory, then verify it
	local name=$1 text=$2
	shift 2
	rm -rf "$SCRATCH/copy" && cp -a "$BPBOOT_DIR" "$SCRATCH/copy"
	(cd "$SCRATCH/copy" && "$@") || { not_ok "$name" "cannot damage it"; return; }
	t_says "$name" 1 "$text" "$bp" verify -o "$SCRATCH/copy" hand
}
flip() { # FILE OFFSET: flip the lowest bit of one byte
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
part_a=parts/$(hash_of "$SCRATCH/a.zst")
part_b=parts/$(hash_of "$SCRATCH/b.zst")
damaged "a flipped bit in a part is named" "$part_b', image bytes 393216 to 398335): was changed" flip "$part_b" 100
damaged "a part that is cut off is named" "$part_a', image bytes 0 to 262143): has 5 bytes" truncate -s 5 "$part_a"
damaged "a missing part is named" "$part_a', image bytes 0 to 262143): the file is missing" rm "$part_a"
damaged "a changed index is refused" "the signature of 'hand.index' is wrong" sed -i 's/^counter 7/counter 8/' hand.index
damaged "a truncated index is refused" "hand.index:12: a line without its end" truncate -s -2 hand.index
damaged "an empty index is refused" "hand.index:1: the text ends" truncate -s 0 hand.index
damaged "an unsigned index is refused" "is not signed" rm hand.index.minisig
damaged "a changed trusted comment is refused" "signature of 'hand.index' is wrong" sed -i 's/^trusted comment: t/trusted comment: T/' hand.index.minisig
damaged "a signature that is none is refused" "is not a minisign signature" truncate -s 30 hand.index.minisig
rename() { mv hand.index x.index && mv hand.index.minisig x.index.minisig; }
rm -rf "$SCRATCH/copy" && cp -a "$BPBOOT_DIR" "$SCRATCH/copy" && (cd "$SCRATCH/copy" && rename)
t_says "an index under another image's name is refused" 1 "is the index of an image called 'hand'" "$bp" verify -o "$SCRATCH/copy" x
t_says "verify says when there is no such image" 1 "no-such.index" "$bp" verify no-such
t_says "verify --no-signature checks the parts only" 0 "signature not checked" "$bp" verify --no-signature hand
done_testing
