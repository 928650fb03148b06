# verdict.bash - what the structure tests say. Sourced.
status=0

verdict() { # NAME FOUND: passes when nothing was found
	if [ -z "$2" ]; then
		echo "ok $1"
	else
		echo "not ok $1 - $(echo "$2" | tr '\n' ' ')"
		status=1
	fi
}
