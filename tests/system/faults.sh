#!/bin/bash
# faults.sh - boots in a row under random faults: every one ends up, or says why
#
# Light nodes (lib.sh) with a DHCP server, TFTP, HTTP and DNS of their own. Each boot draws one to three faults from its
# seed, and for each a time after which it is over; one boot in five gets a fault that stays. A boot whose faults go away
# has to end in its root; one whose fault stays has to say a reason and that it tries again, and never to end silently.
#
# BOOTS=N boots (12 in ./check), from seed SEED on, JOBS at a time. `BOOTS=200 ./check --verbose faults` is the long run.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot
LIMIT=100 # seconds in which a boot has to end up

# --- one boot, in its own network: faults.sh --boot SEED ---
server=10.7.0.1
pids=()
node_at() { nsenter -t "$node" -n "$@"; }

files_start() {
	dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --group=root --interface=s0 --bind-interfaces \
		--no-resolv --no-hosts --host-record=boot.example.org,$server --enable-tftp --tftp-root="$SCRATCH/boot" \
		--log-facility="$SCRATCH/dnsmasq.log" </dev/null >"$SCRATCH/dnsmasq.out" 2>&1 &
	files_pid=$!
	pids+=($!)
	(cd "$SCRATCH/boot" && exec python3 -m http.server --bind $server 80) </dev/null >"$SCRATCH/http.log" 2>&1 &
	http_pid=$!
	pids+=($!)
}
files_stop() {
	kill "$files_pid" "$http_pid" 2>/dev/null
	wait "$files_pid" "$http_pid" 2>/dev/null
}
a_part() { # NUMBER: one of the image's parts
	find "$SCRATCH/boot/parts" -type f | sort | sed -n "$((1 + $1 % 8))p"
}
heal_files() { cp -r "$SETS/boot/." "$SCRATCH/boot/"; }

# What is random is drawn in this shell: a subshell would draw anew, and a seed not tell the boot. Each fault: what it does at once, and (after its time) how it ends. dhcp collects options of the DHCP server.
dhcp=()
dhcp_late= files_late=
declare -A faults=(
	[dhcp_late]='dhcp_late=$time' [dhcp_deaf]='dhcp+=(deaf=$time)' [dhcp_naks]='dhcp+=(nak=$((1 + RANDOM % 3)))'
	[dhcp_rubbish]='dhcp+=(garbage=$((50 + RANDOM % 400)) seed=$RANDOM)'
	[conflict]='ip address add 10.7.0.50/24 dev s0; dhcp+=(second=10.7.0.51)'
	[overload]='[ -z "$root" ] || dhcp+=(overload=1)' [files_late]='files_late=$time'
	[files_restart]=: [unplugged]='ip link set s0 down' [flapping]=:
	[part_flipped]='printf X | dd of="$(a_part $part)" bs=1 seek=$((RANDOM % 900)) conv=notrunc status=none'
	[part_short]='truncate -s $((RANDOM % 900)) "$(a_part $part)"' [part_longer]='head -c 5000 /dev/zero >>"$(a_part $part)"'
	[part_missing]='rm -f "$(a_part $part)"' [index_missing]='rm -f "$SCRATCH/boot/small.index"'
	[other_key]='cp "$SETS"/foreign/small.index* "$SCRATCH/boot/"'
	[signature_cut]='truncate -s 40 "$SCRATCH/boot/small.index.minisig"'
	[index_garbage]='head -c 3000 /dev/urandom >"$SCRATCH/boot/small.index"'
)
declare -A ends=(
	[files_restart]='files_stop; sleep 0.$((RANDOM % 9)); files_start'
	[unplugged]='ip link set s0 up'
	[flapping]='for i in 1 2 3 4 5 6; do ip link set s0 down; sleep 0.$((RANDOM % 5)); ip link set s0 up; sleep 0.$((RANDOM % 8)); done'
	[part_flipped]=heal_files [part_short]=heal_files [part_longer]=heal_files [part_missing]=heal_files
	[index_missing]=heal_files [other_key]=heal_files [signature_cut]=heal_files [index_garbage]=heal_files
)
stay=(no_dhcp unplugged part_flipped part_missing other_key index_missing signature_cut no_files)

draw() {
	local names n i
	# shellcheck disable=SC2207
	names=($(printf '%s\n' "${!faults[@]}" | sort))
	drawn=() times=()
	n=$((1 + RANDOM % 3))
	for ((i = 0; i < n; i++)); do
		drawn+=("${names[$((RANDOM % ${#names[@]}))]}")
		times+=("$((RANDOM % 5)).$((RANDOM % 10))")
	done
	staying=
	[ "$((RANDOM % 5))" != 0 ] || staying=${stay[$((RANDOM % ${#stay[@]}))]}
	case $((RANDOM % 4)) in
	0) root= ;;
	1) root=root=http://$server/small.index ;;
	2) root=root=tftp://$server/small.index ;;
	3) root="root=http://boot.example.org/small.index,tftp://boot.example.org/small.index nameserver=$server" ;;
	esac
}
says() { grep -qE -- "$1" "$SCRATCH/node/console"; }
verdict() { # SEED RESULT
	printf 'boot %s: %s%s after %s s: %s\n' "$1" "${drawn[*]}" "${staying:+, $staying for ever}" $((SECONDS - begun)) "$2"
}

one_boot() {
	local i time name part # time is for the faults' code

	RANDOM=$1
	mkdir -p "$SCRATCH" && cp -r "$SETS/boot" "$SCRATCH/boot" && ip link set lo up
	unshare -n sleep 1000 &
	node=$!
	pids+=($!)
	wait_for 5 bash -c "[ \"\$(readlink /proc/$node/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
	ip link add s0 type veth peer name eth0 netns $node && ip link set s0 up && ip address add $server/24 dev s0
	draw
	for i in "${!drawn[@]}"; do
		time=${times[$i]} part=$RANDOM
		eval "${faults[${drawn[$i]}]}"
	done
	case $staying in
	"" | no_dhcp | no_files) ;;
	*) eval "${faults[$staying]}" ;;
	esac
	[ -n "$staying" ] && heal_files() { :; }
	[ "$staying" != unplugged ] || ends[flapping]=: ends[unplugged]=:
	begun=$SECONDS
	if [ "$staying" != no_dhcp ]; then
		{ sleep "${dhcp_late:-0}" && exec python3 tests/tools/dhcp-server.py s0 $server 10.7.0.50 lease=60 file=small.index \
			"${dhcp[@]}"; } >"$SCRATCH/dhcp.log" 2>&1 &
		pids+=($!)
	fi
	{
		[ "$staying" = no_files ] || { sleep "${files_late:-0}" && files_start; }
		for i in "${!drawn[@]}"; do
			name=${drawn[$i]}
			[ -n "${ends[$name]-}" ] || continue
			[ "$staying" = no_files ] && [ "$name" = files_restart ] && continue
			sleep "${times[$i]}"
			eval "${ends[$name]}"
		done
		wait
	} >"$SCRATCH/faults.log" 2>&1 &
	pids+=($!)
	# shellcheck disable=SC2086
	LIGHT_INIT=$SETS/init.bin light_node "$SCRATCH/node" "$node" "$SETS/keys/sign.pub" \
		bpboot.retry=1-2 bpboot.link=3 bpboot.dhcp=6 bpboot.fetch=4 bpboot.dns=3 $root
	while [ $((SECONDS - begun)) -lt $LIMIT ]; do
		if says '^the root runs'; then
			verdict "$1" "up"
			return 0
		fi
		if ! kill -0 $light_pid 2>/dev/null; then
			verdict "$1" "init is gone: $(tail -n 3 "$SCRATCH/node/console" | tr '\n' ' ')"
			return 1
		fi
		if [ -n "$staying" ] && [ $((SECONDS - begun)) -ge 12 ] && says ' fail: .+' && says 'retry begin: trying again'; then
			verdict "$1" "said: $(grep -E ' fail: ' "$SCRATCH/node/console" | tail -n 1 | cut -d: -f3- | cut -c1-110)"
			return 0
		fi
		sleep 0.1
	done
	verdict "$1" "neither up nor a reason that stays: $(tail -n 4 "$SCRATCH/node/console" | tr '\n' ' ')"
	return 1
}

if [ "${1-}" = --boot ]; then
	trap light_end EXIT
	SCRATCH=$SCRATCH/$2
	one_boot "$2"
	exit
fi

# --- all of them ---
if [ "$(id -u)" != 0 ]; then
	echo "skip boots under random faults - needs root"
	exit 0
fi
SETS=$SCRATCH/sets
export SETS
prepare() {
	light_prepare && "$bpboot" keygen --dir "$SETS/other" &&
		"$bpboot" image --quiet --format cpio --key "$SETS/other/sign.key" --output "$SETS/foreign" "$SETS/small.image"
}
if ! prepare >"$SCRATCH/prepare.out" 2>&1; then
	not_ok "an image for the boots is built" "$(cat "$SCRATCH/prepare.out")"
	done_testing
fi
boots=${BOOTS:-12} first=${SEED:-1} running=0
for ((seed = first; seed < first + boots; seed++)); do
	if [ $running -ge "${JOBS:-6}" ]; then
		wait -n
		running=$((running - 1))
	fi
	unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" --boot $seed >"$SCRATCH/$seed.out" 2>&1 &&
		rm -rf "${SCRATCH:?}/$seed" &
	running=$((running + 1))
done
wait
cat "$SCRATCH"/*.out | grep '^boot ' | sort -k2n >"$SCRATCH/verdicts"
if [ "$boots" -gt 12 ]; then
	cat "$SCRATCH/verdicts"
fi
up=$(grep -c ': up$' "$SCRATCH/verdicts") said=$(grep -c ': said: ' "$SCRATCH/verdicts")
if [ $((up + said)) = "$boots" ]; then
	ok "$boots boots under random faults: $up up, $said said why"
else
	not_ok "$boots boots under random faults: each is up or says why" \
		"$(grep -v ': up$\|: said: ' "$SCRATCH/verdicts") $(cat "$SCRATCH"/*.out | grep -v '^boot ' | head -n 5)"
fi
done_testing
