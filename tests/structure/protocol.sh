#!/bin/bash
# protocol.sh - docs/protocol.md has a row for each message of the code, with its number, its name, the sizes that its body may have
# and the states in which each party takes it; --write puts the sizes and states there
set -u
BUILD=${BUILD:-build}
status=0
code=$(mktemp) docs=$(mktemp)
trap 'rm -f "$code" "$docs"' EXIT
sizes=$("$BUILD/tests/tools/message-sizes") || sizes=

verdict() { # NAME: the two files are the same
	local d
	if [ -s "$code" ] && d=$(diff "$docs" "$code"); then
		echo "ok $1"
	else
		echo "not ok $1 - in docs/protocol.md (<) and in the code (>): $(printf '%s' "${d-}" | grep '^[<>]' | tr '\n' ';')"
		status=1
	fi
}

printf '%s\n' "$sizes" | awk '{ print $1, $2 }' >"$code"
sed -nE 's/^\| ([0-9]+) \| ([a-z-]+) \| .*→.*/\1 \2/p; s/^\| ([0-9]+) \| ([a-z-]+) \| (to|from) the process .*/\1 \2/p' docs/protocol.md >"$docs"
verdict "each message of the code has a row in the protocol's table, in order"

# Which table takes it in which states: "slave_takes UP, GREETING" from `[MESSAGE_X] = { SLAVE_UP | SLAVE_GREETING, take_x }`.
taken() {
	local f table
	for f in src/space/*.c src/lib/*.c; do
		table=$(sed -nE 's/^(static )?const struct message_take ([a-z_]+)\[.*/\2/p' "$f")
		[ -n "$table" ] || continue
		tr '\n' ' ' <"$f" | grep -oE '\[MESSAGE_[A-Z_]+\] = \{ [A-Z_|1 	]+,[ 	]*[a-z_]+ *\}' |
			sed -E "s/^\[MESSAGE_([A-Z_]+)\] = \{ ([^,]*),.*/\1 $table \2/; s/ \| +/+/g; s/[[:space:]]+\$//"
	done | tr 'A-Z_' 'a-z-' | sed -E 's/-takes / /; s/ 1$/ always/; s/ ([a-z]+)-([a-z-]+)/ \1-\2/'
}
takes=$(taken)
printf '%s\n' "$sizes" | while read -r number name min max; do
	range=$min
	[ "$min" = "$max" ] || range="$min to $max"
	by=$(printf '%s\n' "$takes" | awk -v n="$name" '$1 == n { printf "%s%s: %s", s, $2, $3; s = "; " }' | tr -d '`')
	echo "| $number | $name | $range | ${by:--} |"
done >"$code"
if [ "${1-}" = --write ]; then # put them there
	awk -v rows="$(cat "$code")" '/^##/ { inside = 0 } /^### Sizes and states/ { inside = 1 }
		inside && /^\| [0-9]/ { next } { print } inside && /^\|---/ { print rows }' docs/protocol.md >"$docs" && cp "$docs" docs/protocol.md
fi
sed -n '/^### Sizes and states/,/^### Credit/p' docs/protocol.md | grep -E '^\| [0-9]' >"$docs"
verdict "its sizes and states are those of the code"

sed -nE 's/^#define MESSAGE_VERSION[[:space:]]+([0-9]+)$/version 2 (it is \1)/p' src/wire/message.h >"$code"
grep -oE 'version 2 \(it is [0-9]+\)' docs/protocol.md | sort -u >"$docs"
verdict "its version is that of the code"
exit $status
