#!/bin/bash
# file-servers.sh - tftpd-hpa, atftpd and nginx take the configuration that is written for them, and serve the boot directory
#
# The servers lie unpacked in $BUILD/stock and run with the options that their packages' units take from
# these files, in a network namespace. (atftpd's unit is started by its socket, for which an address stands here.)
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
stock=$BUILD/stock bpboot=$BUILD/src/cli/bpboot

if ! get_stock 2>"$SCRATCH/stock.log"; then
	echo "skip file servers - their packages cannot be had: $(tail -n 1 "$SCRATCH/stock.log")"
	exit 0
fi
if [ -z "${FILES_NS-}" ]; then
	export FILES_NS=1
	[ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null && exec unshare -n bash "$0"
	echo "skip file servers - root and a network namespace are needed"
	exit 0
fi
ip link set lo up && ip address add 10.1.0.1/16 dev lo || exit 1
server=
finish() { [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null; }
trap finish EXIT

mkdir -p "$SCRATCH/boot/parts" && chmod 755 "$SCRATCH" "$SCRATCH/boot"
head -c 700001 /dev/urandom >"$SCRATCH/boot/parts/a"
echo secret >"$SCRATCH/boot/compute.stamp"
cat >"$SCRATCH/cluster.conf" <<'EOT'
[cluster]
name = test
interface = lo
network = 10.1.0.0/16
address = 10.1.0.1
boot = boot
EOT
config() { "$bpboot" config "$1" --cluster "$SCRATCH/cluster.conf" >"$SCRATCH/$1.conf"; }
serve() { # COMMAND...: until stop
	LD_LIBRARY_PATH=$stock/usr/lib/x86_64-linux-gnu:$stock/lib/x86_64-linux-gnu "$@" </dev/null >"$SCRATCH/server.log" 2>&1 &
	server=$!
}
stop() {
	finish
	server=
}
fetches() { # URL
	wait_for 5 "$bpboot" fetch --output "$SCRATCH/got" "$1/parts/a" && cmp "$SCRATCH/got" "$SCRATCH/boot/parts/a" && return
	cat "$SCRATCH/server.log"
	return 1
}
missing() { ! "$bpboot" fetch --output "$SCRATCH/got" "$1" 2>/dev/null; }

t "tftpd-hpa: written" config tftpd-hpa
(. "$SCRATCH/tftpd-hpa.conf" && printf '%s\n' "$TFTP_DIRECTORY" "$TFTP_ADDRESS" "$TFTP_OPTIONS") >"$SCRATCH/words"
{ read -r dir && read -r address && read -r options; } <"$SCRATCH/words"
# shellcheck disable=SC2086
serve "$stock/usr/sbin/in.tftpd" --foreground --user root --address "$address" $options "$dir"
t "tftpd-hpa: serves a part" fetches tftp://10.1.0.1
stop

t "atftpd: written" config atftpd
options=$(. "$SCRATCH/atftpd.conf" && printf '%s' "$OPTIONS")
# shellcheck disable=SC2086
serve "$stock/usr/sbin/atftpd" --daemon --no-fork --bind-address 10.1.0.1 --port 69 --user root --group root --logfile - $options
t "atftpd: serves a part" fetches tftp://10.1.0.1
stop

t "nginx: written" config nginx
mkdir -p "$SCRATCH/nginx" && cat >"$SCRATCH/whole.conf" <<EOT
user root;
daemon off;
pid $SCRATCH/nginx/pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path $SCRATCH/nginx; proxy_temp_path $SCRATCH/nginx; fastcgi_temp_path $SCRATCH/nginx;
	uwsgi_temp_path $SCRATCH/nginx; scgi_temp_path $SCRATCH/nginx;
	include $SCRATCH/nginx.conf;
}
EOT
nginx=("$stock/usr/sbin/nginx" -p "$SCRATCH/nginx/" -e stderr -c "$SCRATCH/whole.conf")
nginx_accepts() { LD_LIBRARY_PATH=$stock/usr/lib/x86_64-linux-gnu "${nginx[@]}" -t; }
t "nginx: nginx -t accepts it" nginx_accepts
serve "${nginx[@]}"
t "nginx: serves a part" fetches http://10.1.0.1
ranges() {
	python3 - "$SCRATCH/boot/parts/a" <<-'EOT'
		import http.client, sys
		data = open(sys.argv[1], "rb").read()
		for want, first, end in ("bytes=0-0", 0, 1), ("bytes=300000-300999", 300000, 301000), ("bytes=700000-", 700000, 700001):
		    c = http.client.HTTPConnection("10.1.0.1", timeout=20)
		    c.request("GET", "/parts/a", headers={"Range": want})
		    r = c.getresponse()
		    body = r.read()
		    assert r.status == 206 and body == data[first:end], (want, r.status, len(body))
	EOT
}
t "nginx: serves ranges" ranges
t "nginx: what is not for nodes is not there" missing http://10.1.0.1/compute.stamp
stop

sed -i 's|^boot = .*|boot = a b|' "$SCRATCH/cluster.conf"
for kind in tftpd-hpa atftpd nginx; do
	t_says "$kind: a path that it would misread is refused" 1 "takes no path with ' '" config $kind
done
done_testing
