#!/bin/bash
# transfer.sh - TFTP against dnsmasq, tftpd-hpa, atftpd, a hostile server and a bad network
#
# Everything runs in a network namespace of its own, on a loopback with an Ethernet's MTU.
. tests/system/lib.sh

BUILD=$(realpath "$BUILD")

stock=$BUILD/stock
libs=$(dirname "$stock/usr/lib/x86_64-linux-gnu/x")

if [ -z "${TRANSFER_NS-}" ]; then
	get_stock # while there is a network
	export TRANSFER_NS=1
	for how in -n -rn; do
		if unshare $how true 2>/dev/null; then
			exec unshare $how bash "$0"
		fi
	done
	echo "skip transfer - no network namespace can be made here"
	exit 0
fi

PATH=$PATH:/usr/sbin:/sbin
bpboot=$BUILD/src/cli/bpboot
tools=$BUILD/tests/tools
root=$SCRATCH/root
pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT
ip link set lo mtu 1500 up
ip addr add 10.9.0.1/32 dev lo # tftpd-hpa wants a machine that has an address
mkdir -p "$root/parts"
chmod 755 "$SCRATCH" "$root"

# --- files and images to serve ---

make_file() { head -c "$2" /dev/urandom >"$root/$1"; }
make_file big 3000000
make_file exact 1468000        # 1000 blocks of 1468
make_file rolls 600000         # 75000 blocks of 8
make_file odd 1
: >"$root/empty"

# make_index NAME FILE PART-BYTES: publish a file in parts as they are.
make_index() {
	local size n=0 h s
	size=$(stat -c %s "$2")
	{
		printf 'bpboot-index 1\nname %s\ncounter 1\narch x86_64\nformat ext2\nsize %s\n' "$1" "$size"
		printf 'digest %064d\ninit /sbin/init\n' 0
		while [ $((n * $3)) -lt "$size" ]; do
			dd if="$2" of="$root/parts/new" bs="$3" skip=$n count=1 status=none
			h=$(b2sum -l 256 "$root/parts/new" | cut -d' ' -f1)
			s=$(stat -c %s "$root/parts/new")
			mv "$root/parts/new" "$root/parts/$h"
			echo "part $h $s $s"
			n=$((n + 1))
		done
		echo end
	} >"$root/$1.index"
}
make_file image 4194304
make_index image "$root/image" 131072
first_part=$(grep -m1 ^part "$root/image.index" | cut -d' ' -f2)
chmod -R a+rX "$root"

# --- servers ---

listens() { ss -Hlun "sport = :$1" | grep -q .; }

# start PORT COMMAND...: a server in the background, until its port is open. Its process is ${pids[-1]}.
start() {
	local port=$1
	shift
	"$@" >>"$SCRATCH/servers.log" 2>&1 &
	pids+=($!)
	wait_for 5 listens "$port"
}
start_dnsmasq() { # PORT [OPTION...]
	local port=$1
	shift
	printf 'port=0\nuser=root\ngroup=root\nenable-tftp\ntftp-root=%s\n' "$root" >"$SCRATCH/dnsmasq.conf"
	start 69 dnsmasq --conf-file="$SCRATCH/dnsmasq.conf" --no-daemon --pid-file= "$@"
}

fetch() { # NAME URL-PATH [OPTION...]: the file must come as it is
	local file=$1 url=$2
	shift 2
	rm -f "$SCRATCH/got"
	timeout 60 "$bpboot" fetch "$@" --output "$SCRATCH/got" "$url/$file" && cmp "$SCRATCH/got" "$root/$file"
}
parts() { # OPTION... : the image by parts, from the URLs in $urls
	rm -f "$SCRATCH/got"
	timeout 90 "$tools/parts-probe" --output "$SCRATCH/got" "$@" ${urls:-tftp://127.0.0.1/image.index} &&
		cmp "$SCRATCH/got" "$root/image"
}

# What every stock server must manage: NAME URL
stock_suite() {
	local f
	for f in big exact empty odd; do
		t "$1: $f file" fetch $f "$2"
	done
	t "$1: block size 512, window 1" fetch big "$2" --blksize 512 --windowsize 1
	t "$1: block number rolls over" fetch rolls "$2" --blksize 8
	t "$1: window 64" fetch big "$2" --windowsize 64
	t_says "$1: a missing file is said so" 1 "file not found on the server: 'nix'" \
		"$bpboot" fetch --output "$SCRATCH/nix" "$2/nix"
	t "$1: nothing is left behind then" test ! -e "$SCRATCH/nix"
	urls=$2/image.index t "$1: image by parts" parts
	urls=$2/image.index t "$1: image by parts, 32 sessions" parts --sessions 32
}

# --- dnsmasq ---

start_dnsmasq 69 || not_ok "dnsmasq starts" "$(tail -3 "$SCRATCH/servers.log")"
stock_suite dnsmasq tftp://127.0.0.1
t "block size beyond the MTU, fragments" fetch big tftp://127.0.0.1 --blksize 8192
t_says "a part that is missing is named" 1 "part 1 of 32 (${first_part:0:16}...): file not found on the server" \
	bash -c "mv '$root/parts/$first_part' '$root/gone'; '$tools/parts-probe' --tries 2 tftp://127.0.0.1/image.index
		s=\$?; mv '$root/gone' '$root/parts/$first_part'; exit \$s"
flip() { # one bit of the first part
	printf '\1' | dd of="$root/parts/$first_part" bs=1 seek=5000 conv=notrunc status=none
}
cp "$root/parts/$first_part" "$SCRATCH/right"
printf '\0' | dd of="$SCRATCH/right" bs=1 seek=5000 conv=notrunc status=none
cp "$root/parts/$first_part" "$SCRATCH/keep"
flip
cmp -s "$root/parts/$first_part" "$SCRATCH/keep" && printf '\2' |
	dd of="$root/parts/$first_part" bs=1 seek=5000 conv=notrunc status=none
t_says "a part with a flipped bit is never taken, and named" 1 \
	"part 1 of 32 (${first_part:0:16}...): its content does not match its hash" \
	"$tools/parts-probe" tftp://127.0.0.1/image.index
cp "$SCRATCH/keep" "$root/parts/$first_part"
truncate -s 1000 "$root/parts/$first_part"
t_says "a part that is too short is named" 1 "has 1000 bytes, expected 131072" \
	"$tools/parts-probe" tftp://127.0.0.1/image.index
cat "$SCRATCH/keep" "$SCRATCH/keep" >"$root/parts/$first_part"
t_says "a part that is too long is named" 1 "is too long" "$tools/parts-probe" tftp://127.0.0.1/image.index
cp "$SCRATCH/keep" "$root/parts/$first_part"

# A server that cannot help: the next one does. Nothing listens at 127.0.0.2, and 127.0.0.3 answers nothing.
urls="tftp://127.0.0.1/image.index tftp://127.0.0.2:6999/image.index" t "a dead second server does not matter" parts

# The server goes in mid-transfer and comes back.
comes_back() {
	local probe status
	rm -f "$SCRATCH/got"
	timeout 60 "$tools/parts-probe" --sessions 2 --blksize 64 --patience 30000 --output "$SCRATCH/got" \
		tftp://127.0.0.1/image.index >"$SCRATCH/probe.log" &
	probe=$!
	wait_for 20 test -s "$SCRATCH/got" || return 1
	stop_last
	wait_for 10 grep -q '^trouble: ' "$SCRATCH/probe.log" || { echo "noticed nothing"; return 1; }
	start_dnsmasq 69
	wait $probe
	status=$?
	tail -n 3 "$SCRATCH/probe.log"
	[ $status = 0 ] && cmp "$SCRATCH/got" "$root/image"
}
# not through t(), whose subshell could not stop and start the server
if comes_back >"$SCRATCH/back.log" 2>&1; then
	ok "a server that stops in mid-transfer and comes back"
else
	not_ok "a server that stops in mid-transfer and comes back" "$(cat "$SCRATCH/back.log")"
fi
stop_last
t_says "no server at all is said so" 1 "no TFTP server at 127.0.0.1 port 69" \
	"$bpboot" fetch --output "$SCRATCH/nix" tftp://127.0.0.1/big
t_says "a server that stays away ends the patience" 1 "failed ECONNREFUSED" \
	"$tools/parts-probe" --patience 500 tftp://127.0.0.1/image.index

# An interrupted fetch leaves nothing.
start_dnsmasq 69
interrupt() {
	local f
	mkdir -p "$SCRATCH/i" && cd "$SCRATCH/i" || return 1
	"$bpboot" fetch --blksize 8 --windowsize 1 tftp://127.0.0.1/big &
	f=$!
	wait_for 10 bash -c "ls -l /proc/$f/fd | grep -qF '$SCRATCH/i/'" || return 1 # the file may have no name
	kill -INT $f
	wait $f
	[ $? = 130 ] && [ -z "$(ls -A)" ]
}
t "an interrupted fetch leaves nothing" interrupt

# --- a bad network in front of dnsmasq ---

bad_network() { # NAME RELAY-OPTION...: the image by parts comes through
	local name=$1
	shift
	start 6900 "$tools/udp-relay" 127.0.0.1:6900 127.0.0.1:69 --seed 7 "$@"
	urls=tftp://127.0.0.1:6900/image.index t "dnsmasq, $name: image by parts" parts
	t "dnsmasq, $name: one file" fetch exact tftp://127.0.0.1:6900
	stop_last
}
bad_network "every packet twice" --duplicate 1000
bad_network "packets swapped" --swap 20
bad_network "0.2 % lost" --loss 2
bad_network "1 ms each way" --delay 1000
stop_last

# --- the servers of other packages ---

if [ -x "$stock/usr/sbin/atftpd" ]; then
	start 7001 env LD_LIBRARY_PATH="$libs" "$stock/usr/sbin/in.tftpd" --foreground --listen \
		--address 127.0.0.1:7001 --user root --secure "$root"
	stock_suite tftpd-hpa tftp://127.0.0.1:7001
	start 7002 env LD_LIBRARY_PATH="$libs" "$stock/usr/sbin/atftpd" --daemon --no-fork --bind-address 127.0.0.1 \
		--port 7002 --user root.root "$root"
	stock_suite atftpd tftp://127.0.0.1:7002
	for place in 7001:tftpd-hpa 7002:atftpd; do
		start 6901 "$tools/udp-relay" 127.0.0.1:6901 127.0.0.1:${place%%:*} --seed 3 --loss 5 --swap 5 --duplicate 5
		t "${place#*:}, 0.5 % lost, swapped, repeated: one file" fetch exact tftp://127.0.0.1:6901
		stop_last
	done
else
	echo "skip tftpd-hpa and atftpd - their packages cannot be downloaded"
fi

# --- a hostile server ---

start 7003 "$tools/tftp-hostile" 127.0.0.1:7003
for ((i = 0; i < 700; i++)); do printf "\\$(printf %03o $((i % 251)))"; done >"$SCRATCH/pattern"
while [ "$(stat -c %s "$SCRATCH/pattern")" -lt 200000 ]; do
	# a multiple of 251 bytes keeps the pattern whole
	head -c 502 "$SCRATCH/pattern" >"$SCRATCH/unit"
	for ((i = 0; i < 400; i++)); do cat "$SCRATCH/unit"; done >"$SCRATCH/pattern.new"
	mv "$SCRATCH/pattern.new" "$SCRATCH/pattern"
done

# comes QUIRK BYTES [OPTION...]: the right bytes in spite of it
comes() {
	local quirk=$1 n=$2
	shift 2
	rm -f "$SCRATCH/got"
	timeout 20 "$bpboot" fetch "$@" --output "$SCRATCH/got" "tftp://127.0.0.1:7003/$quirk/$n" &&
		head -c "$n" "$SCRATCH/pattern" | cmp - "$SCRATCH/got"
}
# breaks QUIRK BYTES TEXT [OPTION...]: refused with these words, and nothing written
breaks() {
	local quirk=$1 bytes=$2 text=$3
	shift 3
	rm -f "$SCRATCH/got"
	t_says "hostile: $quirk/$bytes is refused" 1 "$text" timeout 20 "$bpboot" fetch --timeout 3 "$@" \
		--output "$SCRATCH/got" "tftp://127.0.0.1:7003/$quirk/$bytes"
	[ -z "$(find "$SCRATCH" -maxdepth 1 -name 'got*')" ] || not_ok "hostile: $quirk leaves nothing" "a file was left"
}
t "hostile: well-behaved" comes good 100000
t "hostile: exact multiple" comes good $((1468 * 16))
t "hostile: empty file" comes good 0
t "hostile: a server without options" comes no-options 100000
t "hostile: a server without options, empty file" comes no-options 0
t "hostile: a server without options, exact multiple" comes no-options 5120
t "hostile: options refused with error 8" comes refuse-options 100000
t "hostile: a smaller block size is taken" comes blksize-smaller 100000
t "hostile: a smaller window is taken" comes window-one 100000
t "hostile: a gap in a window" comes window-gap 100000
t "hostile: everything twice" comes oack-twice 100000
t "hostile: every block twice, lock-step" comes data-twice 100000 --windowsize 1
t "hostile: tsize is not believed" comes tsize-wrong 100000
t "hostile: a huge tsize is not believed" comes tsize-huge 1000
t "hostile: block from another port" comes stranger-port 100000
t "hostile: answer from another address" comes stranger-first 1000
t "hostile: counts 65535, 1" comes roll-to-one 198000 --blksize 3000 --windowsize 1
t "hostile: rollover to 1" comes roll-to-one 190000 --blksize 8 --windowsize 1
t "hostile: three bytes of DATA" comes three-bytes 100000
t "hostile: a block of the future" comes future-block 100000 --windowsize 1
t "hostile: a block 0" comes block-zero 100000
t "hostile: option names in capitals, in another order" comes oack-capitals 100000
t "hostile: an answer that is late" comes oack-late 100000
t "hostile: a whole window is lost" comes window-lost 100000
t "hostile: an error from another port" comes error-stranger 100000
t "hostile: packets that are none of a client's" comes nonsense 20000
breaks blksize-larger 1000 "larger blksize than asked"
breaks blksize-zero 1000 "malformed"
breaks window-larger 1000 "larger windowsize than asked"
breaks not-asked 1000 "an option that was not asked for"
breaks oack-runs-off 1000 "malformed"
breaks oversize 3000 "longer than the blksize"
breaks error-midway 100000 "TFTP error 3: out of patience"
breaks forever 100 "too long" --max 1M
while read -r code words; do
	breaks error-first "$code" "$words on the server: 'error-first/$code' (TFTP error $code: as told)"
done <<-EOT
	0 error
	1 file not found
	2 access denied
	3 disk full
	4 illegal operation
	5 unknown transfer id
	6 file exists
	7 no such user
	8 options refused
	99 error
EOT
few_acks() { # every block came twice, in lock-step: one acknowledgement each and few more (RFC 1350, the Sorcerer's Apprentice)
	local acks blocks
	comes data-twice 100000 --windowsize 1 || return 1
	read -r _ acks _ blocks < <(grep '^acks ' "$SCRATCH/servers.log" | tail -n 1)
	echo "$acks acknowledgements of $blocks blocks"
	[ "$acks" -le $((blocks + blocks / 10)) ]
}
t "hostile: blocks that come twice are not acknowledged twice" few_acks
breaks silent-midway 100000 "fell silent"
breaks escapes 1 "TFTP error 1: ?[2J???gone"
t "a packet from a wrong port is told so" grep -q "^error 5 " "$SCRATCH/servers.log"
done_testing
