#!/bin/bash
# shape.sh - no function over 100 lines, no file over 600; each file says what it is; each header compiles alone
set -u
. tests/structure/verdict.bash

verdict "no file is longer than 600 lines" "$(find src -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 600 { print $2 ":" $1 }')"

# A function starts at a line that ends its head and is followed by '{' in column 0, and ends at '}' in column 0.
verdict "no function is longer than 100 lines" "$(find src -name '*.c' -print0 | xargs -0 awk '
	FNR == 1 { start = 0 }
	/^{/ { start = FNR }
	/^}/ { if (start && FNR - start > 100) print FILENAME ":" start "+" FNR - start; start = 0 }')"

verdict "no line is longer than 100 columns" "$(for f in $(find src tests bench -name '*.[ch]'); do
	expand -t 8 "$f" | awk -v f="$f" 'length($0) > 100 { print f ":" FNR }'
done | head -n 20)"

verdict "each file opens with what it is" "$(for f in $(find src -name '*.[ch]'); do
	head -n 2 "$f" | tr '\n' ' ' | grep -qE "^/\* +\* ${f##*/} - [a-zA-Z]" || echo "$f"
done)"

verdict "each header is guarded by pragma once" "$(find src -name '*.h' -exec grep -L '^#pragma once' {} +)"

verdict "each header compiles alone" "$(for h in $(find src -name '*.h'); do
	echo "#include \"${h#src/}\"" | ${CC:-gcc} -std=gnu17 -D_GNU_SOURCE -Isrc -Iinclude -Wall -Werror -fsyntax-only -x c - 2>/dev/null || echo "$h"
done)"
exit $status
