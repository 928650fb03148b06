#!/bin/bash
# lab.sh - configuration that dnsmasq accepts, and virtual clusters that come, run side by side and go without a trace
#
# The nodes boot a busybox initramfs made here, with the same event lines that init says: what is tested is the lab.
# alone
. tests/system/lib.sh

bpboot=$BUILD/src/cli/bpboot
export XDG_RUNTIME_DIR=$SCRATCH
: "${KERNEL_CLOUD:?run it through ./check}"

finish() {
	local name

	for name in one two gone shell plain; do
		"$bpboot" lab down --name $name >/dev/null 2>&1
	done
}
trap finish EXIT

# Processes of a lab: all have its directory on their command lines.
processes() { # NAME
	pgrep -f "$SCRATCH/bpboot-lab-[0-9]*-$1/" || pgrep -f "bpboot lab up .*--name $1 "
}
no_processes() { ! processes "$1" >/dev/null; }

## configuration
mkdir -p "$SCRATCH/boot" "$SCRATCH/keys"
cat >"$SCRATCH/cluster.conf" <<'EOT'
[cluster]
name = test
interface = lo
network = 10.1.0.0/16
address = 10.1.0.1
boot = boot
nodes = nodes
unknown = accept
cmdline = console=ttyS0
	panic=5
[dhcp]
range = 10.1.200.1-10.1.200.99
lease = 10m
EOT
cat >"$SCRATCH/nodes" <<'EOT'
# rack 1
0 52:54:00:12:34:56 10.1.1.0
1 52:54:00:12:34:57 10.1.1.1 big login
2 52:54:00:12:34:58
EOT
config_is_accepted() {
	"$bpboot" config dnsmasq --cluster "$SCRATCH/cluster.conf" >"$SCRATCH/dnsmasq.conf" &&
		dnsmasq --test --conf-file="$SCRATCH/dnsmasq.conf"
}
t "dnsmasq accepts the configuration" config_is_accepted
says() { grep -qxF -- "$2" "$1"; }
t "a node has its address and name by MAC" says "$SCRATCH/dnsmasq.conf" \
	"dhcp-host=52:54:00:12:34:57,set:image-big,10.1.1.1,login"
t "a node's init is told its own image" says "$SCRATCH/dnsmasq.conf" \
	"dhcp-option=tag:bpboot,tag:image-big,option:root-path,tftp://10.1.0.1/big.index"
t_says "iPXE is told the card that it booted from" 0 'BOOTIF=01-${netX/mac:hexhyp} console=ttyS0 panic=5' \
	"$bpboot" config ipxe --cluster "$SCRATCH/cluster.conf"
odd_paths() {
	local odd="$SCRATCH/a #b, \"c\" \\d" out

	mkdir -p "$odd/boot" "$odd/state"
	sed "s|^nodes.*|nodes = nodes|; /^\\[dhcp/i [master]\nstate = state" "$SCRATCH/cluster.conf" >"$odd/cluster.conf"
	cp "$SCRATCH/nodes" "$odd/nodes"
	"$bpboot" config dnsmasq --cluster "$odd/cluster.conf" >"$odd/dnsmasq.conf" || return 1
	# It starts with the lease file and the TFTP root where they were meant to be, or says which it does not find.
	lib_unshare sh -c 'ip link set lo up; ip address add 10.1.0.1/16 dev lo
		sed "/^except-interface/d" "$1/dnsmasq.conf" >"$1/d.conf"
		exec timeout 1 dnsmasq --no-daemon --user=root --pid-file= --conf-file="$1/d.conf"' sh "$odd" 2>&1
	[ -f "$odd/state/dnsmasq.leases" ]
}
t "a path with blanks, quotes, commas and '#' reaches dnsmasq as it is" odd_paths
echo "3 52:54:00:12:34:56" >>"$SCRATCH/nodes"
t_says "a node table with a MAC twice is refused with file and line" 1 "nodes:5: MAC is the same as in line 2" \
	"$bpboot" config dnsmasq --cluster "$SCRATCH/cluster.conf"

## a boot directory
make_initrd() {
	local root=$SCRATCH/initrd

	mkdir -p "$root/bin" "$root/dev" "$root/proc"
	cp /bin/busybox "$root/bin/"
	cat >"$root/init" <<'EOT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs d /dev
/bin/busybox mount -t proc p /proc
exec </dev/console >/dev/console 2>&1
read up _ </proc/uptime
echo "bpboot: ${up}0 start ok: busybox"
echo "bpboot: ${up}1 root ok: executing a shell"
PS1='prompt> ' exec /bin/busybox setsid -c /bin/busybox sh -i
EOT
	chmod +x "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$SCRATCH/boot/initrd.img"
	cp "$KERNEL_CLOUD"/boot/vmlinuz-* "$SCRATCH/boot/vmlinuz"
}
make_initrd

# --keys without a master key: no bpmaster, and a node is up when its init is executed.
up() { # NAME OPTION...
	local name=$1
	shift
	"$bpboot" lab up --name "$name" --boot "$SCRATCH/boot" --keys "$SCRATCH/keys" --accel tcg "$@" 2>&1
}

## two labs at once
up one --nodes 1 >"$SCRATCH/one.out" &
one=$!
up two --nodes 1 --firmware direct >"$SCRATCH/two.out"
two_status=$?
wait $one
one_status=$?
if [ $two_status = 0 ] && grep -q "1 of 1 nodes up" "$SCRATCH/two.out"; then
	ok "a lab comes up with the kernel loaded directly"
else
	not_ok "a lab comes up with the kernel loaded directly" "$(cat "$SCRATCH/two.out")"
fi
if [ $one_status = 0 ] && grep -q "kernel" "$SCRATCH/one.out"; then
	ok "a lab comes up by PXE firmware beside another with the same addresses"
else
	not_ok "a lab comes up by PXE firmware beside another with the same addresses" "$(cat "$SCRATCH/one.out")"
fi
t_says "a name in use is refused" 1 "runs already" up one --nodes 1
t_says "status shows the stage of each node" 0 "root" "$bpboot" lab status --name one
t_says "status of a lab that is not there fails" 1 "no lab named 'none' runs" "$bpboot" lab status --name none
t_says "env points to the lab's bpmaster" 0 "BPBOOT_SOCKET='$SCRATCH/" "$bpboot" lab env --name one
t_says "exec passes the command's status on" 7 "$SCRATCH" "$bpboot" lab exec --name one -- \
	sh -c 'echo $BPBOOT_SOCKET; exit 7'
t_says "log tells a boot from the console alone" 0 "executed the root's init" "$bpboot" log --lab one 0
t_says "log takes the name of a node" 0 "node 0, n0," "$bpboot" log --lab one n0

console_answers() {
	printf 'echo answer $((6 * 7))\n' | "$bpboot" lab console --name "$1" 0 | tr -d '\r' | grep -x "answer 42"
}
t "the console is a prompt on the node" console_answers one
t_says "the console of a node that is not there is refused" 1 "has no node 5" "$bpboot" lab console --name one 5

## down
t "down ends a lab" "$bpboot" lab down --name one
t "nothing of it runs" no_processes one
no_dir() { ! ls -d "$SCRATCH"/bpboot-lab-*-"$1" 2>/dev/null; }
t "its directory is gone" no_dir one
t "the other lab still runs" "$bpboot" lab status --name two

## kill -9
pid=$(cut -d' ' -f1 "$SCRATCH"/bpboot-lab-*-two/pid)
kill -KILL "$pid"
t "kill -9 of the supervisor ends all its processes" wait_for 5 no_processes two
t_says "a killed lab does not count as running" 1 "no lab named 'two' runs" "$bpboot" lab status --name two
t_says "its name can be used again at once" 0 "1 of 1 nodes up" up two --nodes 1 --firmware direct

## run, and interrupts
t_says "run has the command's status and environment" 9 "$SCRATCH/bpboot-lab" "$bpboot" lab run --name gone --boot \
	"$SCRATCH/boot" --keys "$SCRATCH/keys" --accel tcg --nodes 1 --firmware direct -- \
	sh -c 'echo $BPBOOT_SOCKET; exit 9'
t "after run nothing is left" no_dir gone
interrupted_up() {
	local pid

	env --default-signal=INT "$bpboot" lab up --name gone --boot "$SCRATCH/boot" --keys "$SCRATCH/keys" \
		--accel tcg --nodes 1 >"$SCRATCH/gone.out" 2>&1 &
	pid=$!
	wait_for 10 grep -q firmware "$SCRATCH/gone.out" || return 1
	kill -INT $pid
	wait $pid
	[ $? = 130 ] && no_dir gone && no_processes gone
}
t "an interrupted start leaves nothing" interrupted_up
t_says "an up that takes too long fails and says where it stopped" 1 "node 0 is not up: firmware" \
	up gone --nodes 1 --timeout 1

## the real thing: bash is the first process, the console its prompt
shell_is_first() {
	export BPBOOT_DIR=$SCRATCH/real BPBOOT_KEYS=$SCRATCH/realkeys

	mkdir -p "$SCRATCH/real" &&
		"$bpboot" keygen --dir "$SCRATCH/realkeys" &&
		"$bpboot" image --quiet examples/shell.image &&
		"$bpboot" initrd --quiet --kernel "$KERNEL_CLOUD" --modules virtual &&
		"$bpboot" lab up --name shell --nodes 1 --image shell --accel tcg &&
		wait_for 60 prompt_is_first
}
prompt_is_first() { # a busy machine is silent for a second before bash is there
	printf 'echo I am $$\n' | "$bpboot" lab console --name shell 0 | tr -d '\r' | grep -x "I am 1"
}
t "with init /bin/bash the console is a prompt of process 1" shell_is_first
t_says "log shows the boot by network and console" 0 "executed the root's init" "$bpboot" log --lab shell 0
t "down ends nodes that have no bpslave" "$bpboot" lab down --name shell

## a plain user
if [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1; then
	as_nobody() {
		local home=$SCRATCH/nobody

		mkdir -p "$home" && cp "$bpboot" "$home/" && cp -r "$SCRATCH/boot" "$SCRATCH/keys" "$home/" &&
			chown -R nobody "$home" && chmod 755 "$SCRATCH" "$home" &&
			setpriv --reuid nobody --regid nogroup --clear-groups env XDG_RUNTIME_DIR="$home" \
				"$home/bpboot" lab run --name plain --boot "$home/boot" --keys "$home/keys" --accel tcg \
				--nodes 1 -- true
	}
	if setpriv --reuid nobody --regid nogroup --clear-groups unshare -U -r -n true 2>/dev/null; then
		t "a plain user has a lab of his own" as_nobody
	else
		echo "skip a plain user has a lab of his own - no user namespaces here"
	fi
fi
done_testing
