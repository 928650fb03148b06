#!/bin/bash
# first-cluster.sh - the README's first real cluster: its very lines, on a machine of its own with one node
#
# /etc, /srv, /run and /var/lib are the test's own. What is not as on a real front end: the kernel is not the running one,
# systemctl is a dnsmasq started as Debian's service does, and the node is a QEMU machine on the interface.
. tests/system/lib.sh

readme_block() { # PATTERN: the block of the README whose first line matches
	awk -v p="$1" '/^```/ { inside = !inside; first = inside; next } inside { if (first) show = $0 ~ p; first = 0; if (show) print }' README.md
}

# --- inside ---
inside() {
	local d

	mkdir -p "$SCRATCH/etc" && cp -a /etc/. "$SCRATCH/etc" && mount --bind "$SCRATCH/etc" /etc || return 1
	for d in /srv /run /var/lib; do
		mount -t tmpfs -o mode=755 tmpfs $d || return 1
	done
	rm -rf /etc/bpboot && mkdir -p /etc/dnsmasq.d && rm -f /etc/dnsmasq.d/*
	ip link set lo up && ip tuntap add eth1 mode tap && ip address add 10.1.0.1/24 dev eth1 &&
		ip address add fd77::1/64 dev eth1 nodad && ip link set eth1 up || return 1
	PATH=$BUILD/src/cli:$PATH
	export EDITOR=edit

	readme_block '^bpboot keygen' >"$SCRATCH/commands"
	t "the README has five commands" test "$(wc -l <"$SCRATCH/commands")" = 5
	. "$SCRATCH/commands" >"$SCRATCH/commands.out" 2>&1
	if [ $? = 0 ]; then
		ok "the README's five commands succeed"
	else
		not_ok "the README's five commands succeed" "$(tail -n 5 "$SCRATCH/commands.out")"
	fi
	t "install says what it wrote" grep -q '^/etc/dnsmasq.d/bpboot.conf: DHCP and TFTP for 2 nodes on eth1' "$SCRATCH/commands.out"
	t_says "bpstat waits for both nodes" 0 "0,1                  down" bpstat
	t "the front end's files are for root alone where they are secret" secrets_are_kept
	power_on 0c:c4:7a:00:00:10
	t "a node boots" wait_for 120 node_is_up
	t_says "bpsh runs a command on it" 0 "Linux n0" bpsh 0 uname -a
	t_says "bpboot log tells how it booted" 0 "registered with bpmaster" bpboot log 0
	memory_runs_out
	bpctl -P -S 0 >/dev/null
	t "it powers off when told to" wait_for 20 machine_ended
}
bpboot() { # as installed, but for the kernel
	[ "$*" != initrd ] || set -- initrd --kernel "$KERNEL_CLOUD"
	command bpboot "$@"
}
edit() {
	readme_block '^# /etc/bpboot/cluster.conf' >"$1"
	echo cmdline=no_timer_check >>"$1" # see lib.sh
	readme_block '^# /etc/bpboot/nodes' >"$2"
}
# As Debian's service runs it; and with the lines that answer for an IPv6 router, which spare 16 s.
systemctl() {
	sed -i '/^#enable-ra/s/^#//; /^#dhcp-range=::,/s/^#//; /^#ra-param/s/^#//' /etc/dnsmasq.d/bpboot.conf
	dnsmasq --pid-file= --conf-file=/dev/null --conf-dir=/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new \
		--log-facility="$SCRATCH/dnsmasq.log"
}
secrets_are_kept() {
	local f

	for f in /etc/bpboot/*.key; do
		[ "$(stat -c %a "$f")" = 600 ] || stat -c '%a %n' "$f"
	done | grep . && return 1
	return 0
}
power_on() { # MAC
	qemu-system-x86_64 -accel tcg -nodefaults -display none -no-reboot -m 256M \
		-netdev tap,id=n,ifname=eth1,script=no,downscript=no -device virtio-net-pci,netdev=n,mac="$1" \
		>"$SCRATCH/qemu.log" 2>&1 </dev/null &
	machine=$!
}
node_is_up() { bpstat | grep -q '^0 .* up '; }
machine_ended() { ! kill -0 $machine; }

# A program takes all of the node's memory, once it has little and once its files have the rest: it ends, and nothing else does.
memory_runs_out() {
	local beside score why="node 0: ended by signal 9 (Killed), for want of memory"

	cd / || return 1 # which the node has, too
	score=$(bpsh 0 cat /proc/self/oom_score_adj /proc/1/oom_score_adj | tr '\n' ' ')
	t "the kernel may end programs for want of memory, not what holds them (${score% })" test "$score" = "0 -1000 "
	t_says "which no user may change for his own" 1 "Permission denied" bpsh 0 setpriv --reuid 65534 --regid 65534 --clear-groups \
		sh -c 'echo -1000 >/proc/self/oom_score_adj'
	cp /bin/true "$SCRATCH/large" && truncate -s 40M "$SCRATCH/large"
	t "a program of 40 MB has room on the node" timeout 60 bpsh 0 "$SCRATCH/large"
	mkfifo "$SCRATCH/hold1" "$SCRATCH/hold2"
	bpsh 0 sh -c 'echo on; read x; exit 6' <"$SCRATCH/hold1" >"$SCRATCH/beside1" 2>&1 &
	beside=($!)
	exec 6>"$SCRATCH/hold1"
	bpsh --ghosts=all 0 sh -c 'sh -c "echo on; read x; exit 7"; exit $?' <"$SCRATCH/hold2" >"$SCRATCH/beside2" 2>&1 &
	beside+=($!)
	exec 7>"$SCRATCH/hold2"
	wait_for 60 grep -q on "$SCRATCH/beside1" && wait_for 60 grep -q on "$SCRATCH/beside2"
	t_says "a program that takes all memory is ended, and bpsh says why" 137 "$why" timeout 120 bpsh 0 tail /dev/zero
	t_says "the next start works" 0 "next" timeout 60 bpsh 0 echo next
	t_says "a full memory disk is said to who fills it" 1 "No space left on device" timeout 120 bpsh 0 sh -c 'cat /dev/zero >/dev/shm/full'
	t_says "beside it there is less memory to take" 137 "$why" timeout 120 bpsh 0 tail /dev/zero
	t_says "and the next start works, too" 0 "next" timeout 60 bpsh 0 seq -f next%.0f 1
	echo >&6
	echo >&7
	wait "${beside[0]}"
	t "a program beside all that goes on" test $? = 6
	wait "${beside[1]}"
	t "and so does one of which each process has a ghost" test $? = 7
	exec 6>&- 7>&-
}

if [ "${1-}" = inside ]; then
	inside
	done_testing
fi
if [ "$(id -u)" != 0 ]; then
	echo "skip the README's first cluster - needs root"
	exit 0
fi
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD
unshare --net --mount --pid --mount-proc --fork --kill-child -- bash "$0" inside
