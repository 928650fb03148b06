#!/bin/bash
# formats.sh - what init is made of uses only those directives of printf that src/init/format.c knows
set -u
status=0

# Strings below $1 with another one; sets of characters to look for are none. "%" PRIu64 is two strings: what stands before " PRI may end in an open directive.
strange() {
	(cd "$1" && find src/base src/wire src/net src/init -name '*.[ch]' ! -name format.c ! -name format.h -exec grep -noHE '(str(chr|pbrk|c?spn)\()?"([^"\\]|\\.)*"( *PRI)?' {} + | sed -E '
		/^[^"]*\(/d
		h
		s/%[-0]*([0-9]+|\*)?(\.([0-9]+|\*)?)?" *PRI//g
		s/%%//g
		s/%[-0]*([0-9]+|\*)?(\.([0-9]+|\*)?)?((hh|h|ll|l|z|j|t)?[diuxXo]|[cspf])//g
		/%/!d
		g')
}

found=$(strange .)
if [ -z "$found" ]; then
	echo "ok every directive is one that init's formatting knows"
else
	echo "not ok every directive is one that init's formatting knows - $(echo "$found" | tr '\n' ' ')"
	status=1
fi

fake=$(mktemp -d)
mkdir -p "$fake"/src/{base,wire,net,init}
printf 'f("%%d %%%% %%-3s %%.*f", "%%08" PRIu64 "%%zu");\nf("%%+d");\nf("%%g");\nf("%%ls");\n' >"$fake/src/init/x.c"
if [ "$(strange "$fake" | cut -d: -f2 | tr '\n' ' ')" = "2 3 4 " ]; then
	echo "ok an unknown directive is found, a known one is not"
else
	echo "not ok an unknown directive is found, a known one is not - got '$(strange "$fake" | tr '\n' ' ')'"
	status=1
fi
rm -rf -- "$fake"
exit $status
