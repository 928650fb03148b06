#!/bin/bash
# banned.sh - functions that cannot be used safely, or that hide a shell, are used nowhere
set -u

banned='gets|strcpy|stpcpy|strcat|sprintf|vsprintf|strtok|strncpy|strncat|atoi|atol|atoll|atof|scanf|fscanf|sscanf|
vscanf|tmpnam|tempnam|mktemp|alloca|system|popen|getwd|readdir_r|vfork|signal_r|rand|srand|random'
banned=$(echo "$banned" | tr -d '\n')
. tests/structure/verdict.bash

# Calls of banned functions below $1/src; comments and strings do not count.
calls() {
	(cd "$1" && find src -name '*.[ch]' -print0 | sort -z | xargs -0 awk -v re="(^|[^A-Za-z0-9_.>])($banned)[ ]*[(]" '
		FNR == 1 { comment = 0 }
		{
			line = $0
			gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
			if (comment) { if (sub(/.*\*\//, "", line)) comment = 0; else next }
			gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
			if (sub(/\/\*.*/, "", line)) comment = 1
			if (line ~ re) print FILENAME ":" FNR
		}')
}

found=$(calls .)
verdict "no banned function is called" "$found"

# exit() belongs to main(), that is to cli/ and init's own last word.
found=$(grep -rnE '(^|[^_A-Za-z0-9.>])exit[ ]*\(' src/base src/wire src/net src/image src/serve src/lab src/space src/lib --include='*.c' | grep -vE '^\S+\s*(\*|/\*)' | cut -d: -f1,2)
verdict "nothing below main calls exit" "$found"

fake=$(mktemp -d)
mkdir -p "$fake/src" && printf '/* strcpy(a, b) */\nint x = "gets(";\n\tstrcpy(a, b);\n' >"$fake/src/x.c"
if [ "$(calls "$fake")" = "src/x.c:3" ]; then
	echo "ok a banned call is found, a comment is not"
else
	echo "not ok a banned call is found, a comment is not - got '$(calls "$fake" | tr '\n' ' ')'"
	status=1
fi
rm -rf -- "$fake"
exit $status
