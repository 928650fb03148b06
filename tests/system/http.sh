#!/bin/bash
# http.sh - HTTP against nginx and a server that breaks one rule at a time
#
# Everything runs in a network namespace of its own, on its loopback.
. tests/system/lib.sh

BUILD=$(realpath "$BUILD")
PATH=$PATH:/usr/sbin:/sbin
if [ -z "${HTTP_NS-}" ]; then
	get_stock # while there is a network
	export HTTP_NS=1
	lib_unshare true 2>/dev/null || {
		echo "skip http - no network namespace can be made here"
		exit 0
	}
	lib_unshare bash "$0"
	exit $?
fi
bpboot=$BUILD/src/cli/bpboot probe=$BUILD/tests/tools/parts-probe
root=$SCRATCH/root pids=()
trap '[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null' EXIT
ip link set lo mtu 1500 up
mkdir -p "$root/parts"
chmod 755 "$SCRATCH" "$root"
listens() { ss -Hltn "sport = :$1" | grep -q .; }
start() { # PORT COMMAND...
	local port=$1
	shift
	"$@" >>"$SCRATCH/servers.log" 2>&1 &
	pids+=($!)
	wait_for 5 listens "$port"
}

# --- nginx ---

make_file() { head -c "$2" /dev/urandom >"$root/$1"; }
make_file big 3000000
make_file odd 1
: >"$root/empty"
make_file "with blank" 100
make_file image 4194304
{ # the image in parts, as they are
	printf 'bpboot-index 1\nname image\ncounter 1\narch x86_64\nformat ext2\nsize 4194304\ndigest %064d\ninit /i\n' 0
	split -b 131072 -a 3 "$root/image" "$root/parts/new."
	for f in "$root"/parts/new.*; do
		h=$(b2sum -l 256 "$f" | cut -d' ' -f1)
		mv "$f" "$root/parts/$h"
		echo "part $h 131072 131072"
	done
	echo end
} >"$root/image.index"
chmod -R a+rX "$root"
start_nginx() {
	cat >"$SCRATCH/nginx.conf" <<-EOT
		daemon off; master_process off; pid $SCRATCH/nginx.pid; error_log $SCRATCH/nginx.log;
		events { worker_connections 256; }
		http { client_body_temp_path $SCRATCH/n1; proxy_temp_path $SCRATCH/n2;
			fastcgi_temp_path $SCRATCH/n3; uwsgi_temp_path $SCRATCH/n4; scgi_temp_path $SCRATCH/n5;
			log_format c '\$connection \$request \$status'; access_log $SCRATCH/access.log c;
			server { listen 127.0.0.1:8080; root $root; location /old/ { rewrite ^/old/(.*) /\$1 redirect; }
				location /no/ { return 403; } } }
	EOT
	start 8080 env LD_LIBRARY_PATH="$stock/usr/lib/x86_64-linux-gnu" "$stock/usr/sbin/nginx" -e "$SCRATCH/nginx.log" \
		-c "$SCRATCH/nginx.conf"
}
fetch() { # NAME URL-PATH: the file must come as it is
	rm -f "$SCRATCH/got"
	timeout 30 "$bpboot" fetch --output "$SCRATCH/got" "http://127.0.0.1:8080/$2" && cmp "$SCRATCH/got" "$root/$1"
}
parts() { # OPTION...: the image by parts, from the URLs in $urls
	rm -f "$SCRATCH/got"
	# shellcheck disable=SC2086
	timeout 60 "$probe" --output "$SCRATCH/got" "$@" ${urls:-http://127.0.0.1:8080/image.index} &&
		cmp "$SCRATCH/got" "$root/image"
}
stock=$BUILD/stock
if [ -x "$stock/usr/sbin/nginx" ]; then
	start_nginx || not_ok "nginx starts" "$(tail -n 3 "$SCRATCH/servers.log" "$SCRATCH/nginx.log")"
	for f in big odd empty; do
		t "nginx: $f file" fetch $f $f
	done
	t "nginx: a name with a blank" fetch "with blank" with%20blank
	t "nginx: a redirection is followed" fetch big old/big
	t_says "nginx: a missing file is said so" 1 "has no file 'nix' (status 404 Not Found)" \
		"$bpboot" fetch --output "$SCRATCH/nix" http://127.0.0.1:8080/nix
	t "nginx: nothing is left behind then" test ! -e "$SCRATCH/nix"
	t_says "nginx: a refused file is said so" 1 "does not give 'no/x' (status 403 Forbidden)" \
		"$bpboot" fetch --output "$SCRATCH/nix" http://127.0.0.1:8080/no/x
	: >"$SCRATCH/access.log"
	t "nginx: image by parts" parts
	few_connections() { # 32 parts by 8 sessions and as many for late ones, with connections kept
		local n
		n=$(grep 'GET /parts/' "$SCRATCH/access.log" | cut -d' ' -f1 | sort -u | wc -l)
		echo "$n connections"
		[ "$n" -le 16 ] && [ "$(grep -c "GET /parts/" "$SCRATCH/access.log")" -ge 32 ]
	}
	t "nginx: parts share connections" wait_for 3 few_connections
	t "nginx: image by parts, 32 sessions" parts --sessions 32
	urls="http://127.0.0.1:8080/image.index http://127.0.0.1:8081/image.index" t "a dead second server does not matter" parts
	part=$(grep -m1 ^part "$root/image.index" | cut -d' ' -f2)
	cp "$root/parts/$part" "$SCRATCH/keep"
	printf 'xx' | dd of="$root/parts/$part" bs=1 seek=5000 conv=notrunc status=none
	t_says "nginx: a part that is wrong is never taken, and named" 1 "its content does not match its hash" \
		"$probe" http://127.0.0.1:8080/image.index
	mkdir -p "$root/second/parts" && cp "$root/image.index" "$root/second" && cp "$root"/parts/* "$root/second/parts" &&
		cp "$SCRATCH/keep" "$root/second/parts/$part" && chmod -R a+rX "$root/second"
	urls="http://127.0.0.1:8080/image.index http://127.0.0.1:8080/second/image.index" \
		t "a part that is wrong on one server comes from the other" parts
	cp "$SCRATCH/keep" "$root/parts/$part"
	cat "$SCRATCH/keep" "$SCRATCH/keep" >"$root/parts/$part"
	t_says "nginx: a part that is too long is named" 1 "is too long" "$probe" http://127.0.0.1:8080/image.index
	cp "$SCRATCH/keep" "$root/parts/$part"
	stop_last
else
	echo "skip nginx - its package cannot be downloaded"
fi
t_says "no server at all is said so" 1 "the HTTP server 127.0.0.1 port 8080 cannot be reached: Connection refused" \
	"$bpboot" fetch --output "$SCRATCH/nix" http://127.0.0.1:8080/big
t_says "a server that stays away ends the patience" 1 "failed ECONNREFUSED" \
	"$probe" --patience 500 http://127.0.0.1:8080/image.index

# --- a hostile server ---

start 7004 "$BUILD/tests/tools/http-hostile" 127.0.0.1:7004
for ((i = 0; i < 251; i++)); do printf "\\$(printf %03o "$i")"; done >"$SCRATCH/unit"
for ((i = 0; i < 800; i++)); do cat "$SCRATCH/unit"; done >"$SCRATCH/pattern"

# comes QUIRK BYTES: the right bytes in spite of it
comes() {
	rm -f "$SCRATCH/got"
	timeout 20 "$bpboot" fetch --output "$SCRATCH/got" "http://127.0.0.1:7004/$1/$2" &&
		head -c "$2" "$SCRATCH/pattern" | cmp - "$SCRATCH/got"
}
# breaks QUIRK BYTES TEXT: refused with these words, and nothing written
breaks() {
	rm -f "$SCRATCH/got"
	t_says "hostile: $1 is refused" 1 "$3" timeout 20 "$bpboot" fetch --timeout 2 --output "$SCRATCH/got" \
		"http://127.0.0.1:7004/$1/$2"
	[ ! -e "$SCRATCH/got" ] || not_ok "hostile: $1 leaves nothing" "a file was left"
}
t "hostile: well-behaved" comes good 200000
t "hostile: empty file" comes good 0
t "hostile: a connection that breaks is resumed" comes breaks 200000
t "hostile: resumed without ranges" comes breaks-no-ranges 200000
t "hostile: a redirection within the server" comes moved 1000
t "hostile: a kept connection that was closed" comes one-each 1000
drips() { # slower than a timeout of a second in all, never silent for one
	rm -f "$SCRATCH/got"
	timeout 20 "$bpboot" fetch --timeout 1 --output "$SCRATCH/got" http://127.0.0.1:7004/drips/5000 &&
		head -c 5000 "$SCRATCH/pattern" | cmp - "$SCRATCH/got"
}
t "hostile: a slow server is not a silent one" drips
breaks short 100000 "closes the connection in 'short/100000' after 50000 of 100000 bytes"
breaks changes 100000 "it changed while it was fetched"
breaks wrong-range 100000 "another part of the file than was asked for"
breaks long 1000 "sends more than it said"
breaks no-length 1000 "does not say how long the file is"
breaks chunked 1000 "chunked or compressed"
breaks gzip 1000 "chunked or compressed"
breaks two-lengths 1000 "malformed"
breaks endless-head 1000 "too long"
breaks garbage 1000 "malformed"
breaks huge 1000 "after 1000 of 9223372036854775807 bytes"
breaks partial-unasked 1000 "a part of the file when all was asked for"
breaks ring 1 "more than 3 times"
breaks elsewhere 1 "redirects to 'file:///etc/passwd', which is not followed"
breaks silent 1000 "fell silent for 2 s"
breaks says-nothing 1 "closes the connection without an answer"
breaks error-503 1 "status 503 Busy"
done_testing
