#!/bin/bash
# layers.sh - includes run downward only (ARCHITECTURE.md's table of rooms)
set -u

declare -A may=(
	[base]="base"
	[wire]="base wire"
	[net]="base wire net"
	[image]="base wire image"
	[init]="base wire net init"
	[serve]="base wire image serve"
	[lab]="base wire serve lab"
	[space]="base wire net space"
	[lib]="base wire space lib"
	[cli]="base wire net image init serve lab space lib cli"
)
. tests/structure/verdict.bash

# Print FILE:INCLUDED of every include below $1/src that its room may not use.
upward() {
	local file room included

	(cd "$1" && grep -rHoE '^[[:space:]]*#[[:space:]]*include "[^"]+"' src --include='*.c' --include='*.h') |
		sed -E 's/:[[:space:]]*#.*"([^"]+)"/ \1/' | while read -r file included; do
		room=${file#src/}
		room=${room%%/*}
		case " ${may[$room]-} " in
		*" ${included%%/*} "*) ;;
		*) echo "$file:$included" ;;
		esac
	done
}

bad=$(upward .)
verdict "no include runs upward" "$bad"

# The checker itself must be able to fail.
fake=$(mktemp -d)
mkdir -p "$fake/src/wire" && echo '#include "net/link.h"' >"$fake/src/wire/x.c"
if [ "$(upward "$fake")" = "src/wire/x.c:net/link.h" ]; then
	echo "ok an upward include is found"
else
	echo "not ok an upward include is found"
	status=1
fi
rm -rf -- "$fake"

# No two headers include each other, in any number of steps.
cycles=$(grep -rHoE '^#include "[^"]+"' src --include='*.h' | sed -E 's/^src\/([^:]+):#include "(.*)"/\2 \1/' |
	tsort 2>&1 >/dev/null | grep -v 'input contains a loop' | tr '\n' ' ')
verdict "no include cycles" "$cycles"
exit $status
