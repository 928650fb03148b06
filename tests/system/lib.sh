# lib.sh - what system tests share. Sourced by bash; see HACKING.md.
#
# A test prints "ok NAME", "not ok NAME - why" or "skip NAME - why" for each behaviour. $BUILD is the build directory,
# $SCRATCH an empty directory of the test's own.
set -u
: "${BUILD:?run it through ./check}" "${SCRATCH:?run it through ./check}"

lib_failed=0
ok() { printf 'ok %s\n' "$*"; }
not_ok() { # NAME WHY
	printf 'not ok %s - %s\n' "$1" "$(printf '%s' "${2-}" | tr '\n' ' ' | cut -c1-400)"
	lib_failed=1
}

# t NAME COMMAND...: passes when the command succeeds; its output is the reason when it does not.
t() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "$out"
	fi
}

# t_says NAME STATUS TEXT COMMAND...: passes when the command exits with STATUS and its output holds TEXT.
t_says() {
	local name=$1 want=$2 text=$3 out status
	shift 3
	out=$("$@" 2>&1)
	status=$?
	if [ "$status" != "$want" ]; then
		not_ok "$name" "exit status $status, expected $want: $out"
	elif [ "${out#*"$text"}" = "$out" ]; then
		not_ok "$name" "expected '$text' in: $out"
	else
		ok "$name"
	fi
}

# wait_for SECONDS COMMAND...: poll until the command succeeds.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.05
	done
}

# done_testing: the script's exit status.
done_testing() { exit $lib_failed; }
