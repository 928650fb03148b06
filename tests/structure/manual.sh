#!/bin/bash
# manual.sh - every command has a manual page, and --help and the page name the same options
set -u
. tests/structure/verdict.bash

# Options in --help, and in a page (mdoc's ".It Fl -name"), one a line.
help_options() {
	sed -nE 's/^ +(-[A-Za-z0-9], +)?--([a-z0-9-]+).*/\2/p' | grep -vE '^(help|version)$' | sort -u
}
page_options() {
	sed -nE 's/^\.It Fl.* (Fl )?-([a-z0-9][a-z0-9-]+)( .*)?$/\2/p; s/^\.It Fl -([a-z0-9][a-z0-9-]+).*/\1/p' "$1" | grep -vE '^(help|version)$' | sort -u
}

compare() { # PAGE COMMAND...
	local page=$1 missing help
	shift
	if [ ! -f "$page" ]; then
		verdict "$* has a manual page" "$page"
		return
	fi
	help=$("$@" --help 2>&1) || missing="--help ends with $?: "
	missing+=$(diff <(help_options <<<"$help") <(page_options "$page") | sed -nE 's/^< /not in the page: --/p; s/^> /not in --help: --/p')
	verdict "$(basename "$1") ${2-}: --help and $page name the same options" "$missing"
}

for c in $("$BUILD/src/cli/bpboot" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
	compare "man/bpboot-$c.1" "$BUILD/src/cli/bpboot" "$c"
done
for p in bpsh bpcp bpps bpstat bpctl bpmaster bpslave; do
	[ -x "$BUILD/src/cli/$p" ] || continue
	compare "$(ls man/$p.[18] 2>/dev/null | head -n 1)" "$BUILD/src/cli/$p"
done
if [ -x "$BUILD/src/init/bpboot-root" ]; then
	compare man/bpboot-root.8 "$BUILD/src/init/bpboot-root"
fi
verdict "each page is installed" "$(for f in man/*.[1-8]; do grep -q "'${f#man/}'" man/meson.build || echo "$f: not in man/meson.build"; done)"
if command -v mandoc >/dev/null; then
	verdict "manual pages are well formed" "$(mandoc -T lint -W warning man/*.[1-8] 2>&1 | grep -vE 'referenced manual not found|Mdocdate' | head -n 5)"
else
	echo "skip manual pages are well formed - mandoc is not installed"
fi
exit $status
