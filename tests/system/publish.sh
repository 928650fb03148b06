#!/bin/bash
# publish.sh - bpboot image publishes: stock minisign accepts it, nodes never see a mixture, a full disk harms nothing
# fast
. tests/system/lib.sh

bp=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot SOURCE_DATE_EPOCH=1600000000
boot=$BPBOOT_DIR
"$bp" keygen >/dev/null || exit 1

mkdir "$SCRATCH/src"
head -c 1500000 /dev/urandom >"$SCRATCH/src/noise"
seq 200000 >"$SCRATCH/src/numbers"
cat >"$SCRATCH/small.image" <<EOT
init /noise
tree $SCRATCH/src / mode=0755
free 4M
EOT
image() { "$bp" image -q --level 3 "$@" "$SCRATCH/small.image"; }

t "image publishes" image
t "stock minisign accepts the signature" minisign -V -p "$BPBOOT_KEYS/sign.pub" -m "$boot/small.index"
t_says "verify accepts it" 0 "small: good: counter 1" "$bp" verify small
t "the index holds holes for free space" grep -q '^hole ' "$boot/small.index"
t "every part is named by the hash of its bytes" test -z "$(cd "$boot/parts" && b2sum -l 256 -- * | awk '$1 != $2')"
t "what is published can be read by everyone" test -z "$(find "$boot" \( -type f ! -perm 644 \) -o \( -type d ! -perm 755 \))"
(umask 077 && rm -rf "$SCRATCH/secret" && "$bp" image -q --level 3 -o "$SCRATCH/secret" "$SCRATCH/small.image" >/dev/null)
t "a secretive umask does not show" test -z "$(find "$SCRATCH/secret" -mindepth 1 \( -type f ! -perm 644 \) -o -mindepth 1 \( -type d ! -perm 755 \))"
t "another directory gets the same index" cmp "$boot/small.index" "$SCRATCH/secret/small.index"

# The parts, unpacked by stock tools in the order of the index, are the image.
"$bp" image -q --raw "$SCRATCH/raw.img" "$SCRATCH/small.image" >/dev/null
while read -r what a b c; do
	case $what in
	part) zstdcat -q "$boot/parts/$a" ;;
	hole) head -c "$a" /dev/zero ;;
	esac
done <"$boot/small.index" >"$SCRATCH/joined.img"
t "parts and holes in order are the image" cmp "$SCRATCH/raw.img" "$SCRATCH/joined.img"
t "the digest is the image's" grep -qx "digest $(b2sum -l 256 "$SCRATCH/raw.img" | cut -d' ' -f1)" "$boot/small.index"

before=$(stat -c '%i %Y' "$boot/small.index" "$boot/small.index.minisig")
t "publishing the same again succeeds" image
t "publishing the same again changes nothing" test "$before" = "$(stat -c '%i %Y' "$boot/small.index" "$boot/small.index.minisig")"
echo more >>"$SCRATCH/src/numbers"
n=$(ls "$boot/parts" | wc -l)
t "publishing a change succeeds" image
t "a small change brings few parts" test $(($(ls "$boot/parts" | wc -l) - n)) -le 4
t_says "and a new counter" 0 "small: good: counter 2" "$bp" verify
t_says "verify --prune removes what no index names" 0 "parts removed" "$bp" verify --prune
t_says "and the image is still whole" 0 "small: good" "$bp" verify
t "no part is left over" test "$(ls "$boot/parts" | sort)" = "$(awk '$1 == "part" { print $2 }' "$boot/small.index" | sort -u)"

# Another image, of the same files and one more: what both have is stored once.
mkdir "$SCRATCH/more" && head -c 300000 /dev/urandom >"$SCRATCH/more/zz"
{ cat "$SCRATCH/small.image"; echo "tree $SCRATCH/more /zz mode=0755"; } >"$SCRATCH/more.image"
parts_of() { awk '$1 == "part" { print $2 }' "$@" | sort -u; }
t "a second image of the same files is published" "$bp" image -q --level 3 "$SCRATCH/more.image"
shared=$(comm -12 <(parts_of "$boot/small.index") <(parts_of "$boot/more.index") | wc -l)
t "two images share parts ($shared of $(parts_of "$boot/small.index" | wc -l))" test "$shared" -ge 5
t "and each is stored once" test "$(ls "$boot/parts")" = "$(parts_of "$boot/small.index" "$boot/more.index")"
t "both are whole" "$bp" verify
rm "$boot"/more.index*

# Two at once, with the same parts, one of which prunes: nobody's parts disappear.
for i in 1 2 3; do
	echo "$i" >>"$SCRATCH/src/numbers"
	image -n one >/dev/null &
	a=$!
	image -n two >/dev/null &
	b=$!
	"$bp" verify --no-signature --prune small >/dev/null
	wait $a && wait $b && "$bp" verify >"$SCRATCH/log" 2>&1 || { not_ok "publishing at once" "$(cat "$SCRATCH/log")"; break; }
done
t "publications at once, and pruning, do not harm each other" "$bp" verify

# A disk that is full, after the image itself (which is made there first) found room: a small tmpfs in a mount namespace
# of its own.
full() {
	mount -t tmpfs -o size=5500k none "$SCRATCH/tiny" || exit 77
	export BPBOOT_DIR=$SCRATCH/tiny
	image >"$SCRATCH/log" 2>&1 || exit 78
	head -c 1500000 /dev/urandom >"$SCRATCH/src/noise" # other noise: 1.5 MB more do not fit
	cp -a "$SCRATCH/tiny/." "$SCRATCH/tiny-before"
	image >"$SCRATCH/log" 2>&1 && exit 79
	diff -r "$SCRATCH/tiny" "$SCRATCH/tiny-before" || exit 80
	"$bp" verify >>"$SCRATCH/log" 2>&1 || exit 81
}
mkdir "$SCRATCH/tiny" "$SCRATCH/tiny-before"
export -f full image
export bp SCRATCH
unshare -m bash -c 'mount --make-rprivate / && full' 2>/dev/null
status=$?
if [ $status = 77 ] || [ $status = 1 ]; then
	echo "skip a full disk leaves the old image - cannot mount a tmpfs here"
else
	t "a full disk leaves the old image and nothing else (step $status)" test $status = 0
	t "a full disk is said" grep -q "cannot write part .*No space left on device" "$SCRATCH/log"
fi

# Interrupted: whatever was written, the old image stands.
head -c 9000000 /dev/urandom >"$SCRATCH/src/noise"
t "the old image stands before an interruption" "$bp" verify small
"$bp" image -q --level 19 "$SCRATCH/small.image" >/dev/null 2>&1 &
pid=$!
new_part() { [ -n "$(find "$boot/parts" -newer "$SCRATCH/src/noise" -type f | head -1)" ]; }
wait_for 10 new_part || true
kill -INT $pid 2>/dev/null
wait $pid
t "an interrupted publication leaves the old image or the new one" "$bp" verify small
t "an interrupted publication leaves nothing half-written" test -z "$(find "$boot" -name '*.new')"

t "an unsigned publication takes the old signature away" image --no-sign
[ ! -e "$boot/small.index.minisig" ]
t "an unsigned publication has no signature" test $? = 0
sed -i 's/^size .*/size x/' "$boot/small.index"
t_says "a damaged index stops the next publication" 1 "counter" image
done_testing
