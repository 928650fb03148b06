#!/bin/bash
# cmdline.sh - every parameter in init's table is in the manual and in docs/kernel-command-line.md, and no other is
set -u
failed=0
rows=$(sed -n '/^} parameters\[\]/,/^};/s/^	{ "\([^"]*\)", \(cmdline_\)\?take_.*/\1/p' src/init/cmdline.c)
manual=$(sed -n 's/^\.It Cm \([A-Za-z][A-Za-z_.-]*\).*/\1/p' man/bpboot-init.7)
doc=$(grep '^| `' docs/kernel-command-line.md | cut -d'|' -f2 | grep -o '`[A-Za-z][A-Za-z_.-]*' | tr -d '`')
for kind in manual doc; do
	if d=$(diff <(sort -u <<<"$rows") <(sort -u <<<"${!kind}")); then
		echo "ok kernel parameters: table and $kind agree"
	else
		echo "not ok kernel parameters: table and $kind agree - $(tr '\n' ' ' <<<"$d")"
		failed=1
	fi
done
[ "$(wc -w <<<"$rows")" -gt 15 ] || { echo "not ok kernel parameters: the table was found - $rows"; failed=1; }
exit $failed
