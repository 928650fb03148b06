#!/bin/bash
# uefi.sh - the chain from firmware to root: a signed unified kernel image, booted over HTTP by UEFI firmware alone with
# Secure Boot on, to a command on the node; and refused after one flipped byte
#
# The firmware is OVMF, DHCP and HTTP are what `bpboot config` writes for dnsmasq and nginx; the test keys that Debian enrolled in its
# variables (PkKek-1-snakeoil) sign. Two machines side by side: one is sent the image, one the image with a bit flipped.
. tests/system/lib.sh
PATH=$PATH:/usr/sbin:/sbin
BUILD=$(readlink -f "$BUILD")
bpboot=$BUILD/src/cli/bpboot stock=$BUILD/stock
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/vm/boot
ovmf=/usr/share/OVMF stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
cert=/usr/share/ovmf/PkKek-1-snakeoil.pem

if [ ! -d "${KERNEL_CLOUD-}/lib/modules" ] || lib_missing qemu-system-x86_64 dnsmasq sbsign sbverify openssl objcopy || [ ! -f $ovmf/OVMF_CODE_4M.secboot.fd ] || [ ! -f $stub ] || ! get_stock; then
	echo "skip UEFI - needs KERNEL_CLOUD, qemu-system-x86_64, dnsmasq, ovmf, sbsigntool, systemd-boot-efi, openssl, binutils, nginx"
	exit 0
fi
lib_inside "$@"
FLIPPED_MAC=52:54:00:77:00:02
vm_bridge 2 || not_ok "a network of its own" "cannot be made"

# --- the image ---

openssl rsa -passin pass:snakeoil -in /usr/share/ovmf/PkKek-1-snakeoil.key -out "$VM/db.key" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout "$VM/other.key" -x509 -days 30 -subj /CN=other/ -out "$VM/other.crt" 2>/dev/null
t "kernel, initrd and image are there" vm_files
cmdline="console=ttyS0 no_timer_check bpboot.retry=1"
uki() { "$bpboot" uki --cmdline "$cmdline" "$@"; }
t "a unified kernel image is signed" uki --key "$VM/db.key" --cert $cert
efi=$VM/boot/bpboot.efi
t "sbverify takes it" sbverify --cert $cert "$efi"
section() { objcopy -O binary --only-section="$1" "$efi" "$VM/section" && cmp "$VM/section" "$2"; }
printf '%s' "$cmdline" >"$VM/cmdline"
t "its .linux is the kernel" section .linux "$VM/boot/vmlinuz"
t "its .initrd is the initrd" section .initrd "$VM/boot/initrd.img"
t "its .cmdline is the command line" section .cmdline "$VM/cmdline"
t "one is made unsigned" uki --no-sign -q -o "$VM/one.efi"
t "and another" uki --no-sign -q -o "$VM/two.efi"
t "of the same bytes" cmp "$VM/one.efi" "$VM/two.efi"
bare() {
	sbattach --remove "$1" >/dev/null 2>&1 && objcopy -O binary --only-section=.text "$1" "$VM/ours.text" &&
		objcopy -O binary --only-section=.text $stub "$VM/stub.text" && [ -s "$VM/stub.text" ] && cmp "$VM/ours.text" "$VM/stub.text"
}
cp "$efi" "$VM/bare.efi"
t "under the signature is the stub" bare "$VM/bare.efi"
t_says "a key that is not the certificate's is refused" 1 "does not belong to the certificate" uki -o "$VM/no.efi" --key "$VM/other.key" --cert $cert
t_says "what is no key is refused" 1 "cannot sign with key '$VM/cmdline'" uki -o "$VM/no.efi" --key "$VM/cmdline" --cert $cert
t_says "what is no kernel is refused" 1 "no kernel that UEFI starts" uki -o "$VM/no.efi" --no-sign --kernel "$VM/cmdline"
t_says "what is no stub is refused" 1 "'$VM/cmdline': not a PE image" uki -o "$VM/no.efi" --no-sign --stub "$VM/cmdline"
t_says "a signed stub is refused" 1 "it is signed" uki -o "$VM/no.efi" --no-sign --stub "$efi" --kernel "$VM/boot/vmlinuz"
t_says "neither key nor --no-sign is used wrongly" 2 "expected --key and --cert" uki
t "nothing was written by those" test ! -e "$VM/no.efi"

# One bit of the initrd, in the middle of the file that is signed.
flipped=$VM/boot/flipped.efi
cp "$efi" "$flipped"
place=$(($(objdump -h "$efi" | awk '$2 == ".initrd" { print "0x" $6 }') + 5000))
byte=$(od -An -tu1 -j $place -N 1 "$efi")
printf "\\$(printf %o $((byte ^ 1)))" | dd of="$flipped" bs=1 seek=$place conv=notrunc 2>/dev/null
t "one bit is flipped" eval '[ "$(cmp -l "$efi" "$flipped" | wc -l)" = 1 ] && ! sbverify --cert $cert "$flipped"'

# --- the front end: DHCP that knows HTTP boot, nginx, bpmaster ---

cat >"$VM/cluster.conf" <<EOT
[cluster]
interface = br0
network = 10.77.0.0/24
address = $VM_SERVER
boot = $VM/boot
image = node
loader = uki
servers = http://$VM_SERVER
unknown = accept
[dhcp]
range = 10.77.0.10-10.77.0.20
[master]
state = $VM/state
EOT
"$bpboot" config nginx --cluster "$VM/cluster.conf" >"$VM/site.conf" && mkdir "$VM/nginx"
cat >"$VM/nginx.conf" <<EOT
daemon off; master_process off; pid $VM/nginx/pid; error_log $VM/nginx/error.log;
events {}
http {
	access_log $VM/nginx/access.log; client_body_temp_path $VM/nginx; proxy_temp_path $VM/nginx;
	fastcgi_temp_path $VM/nginx; uwsgi_temp_path $VM/nginx; scgi_temp_path $VM/nginx;
	include $VM/site.conf;
}
EOT
LD_LIBRARY_PATH=$stock/usr/lib/x86_64-linux-gnu "$stock/usr/sbin/nginx" -p "$VM/nginx/" -e stderr -c "$VM/nginx.conf" \
	</dev/null >"$VM/nginx.out" 2>&1 &
vm_pids+=($!)
"$BUILD/src/cli/bpmaster" --foreground --address $VM_SERVER --state "$VM/state" --socket "$VM/master.sock" \
	--key "$BPBOOT_KEYS/master.key" --unknown accept </dev/null >"$VM/master.log" 2>&1 &
vm_pids+=($!)
t "dnsmasq's configuration is written" eval '"$bpboot" config dnsmasq --cluster "$VM/cluster.conf" >"$VM/dnsmasq.conf"'
printf '%s\n' "dhcp-host=$FLIPPED_MAC,set:flipped" "dhcp-boot=tag:flipped,tag:http-x64,http://$VM_SERVER/flipped.efi" >>"$VM/dnsmasq.conf"
dnsmasq --keep-in-foreground --conf-file="$VM/dnsmasq.conf" --user=root --pid-file= --log-facility="$VM/dnsmasq.log" </dev/null >"$VM/dnsmasq.out" 2>&1 &
vm_pids+=($!)
t "nginx serves the boot directory" wait_for 20 "$bpboot" fetch --output "$VM/got.index" http://$VM_SERVER/node.index

# --- the machines: no disk, no option ROM, firmware that tries HTTP alone ---

machine() { # TAP
	local vars=$VM/vars.$1

	: >"$VM/consoles/$VM_MAC.log"
	cp $ovmf/OVMF_VARS_4M.snakeoil.fd "$vars"
	# shellcheck disable=SC2046
	qemu-system-x86_64 -accel tcg -machine q35,smm=on -nodefaults -display none -no-reboot -m 768 \
		-global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1 \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.secboot.fd \
		-drive if=pflash,unit=1,format=raw,file="$vars" \
		-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n \
		-device virtio-rng-pci $(vm_nic virtio-net-pci "$1") -serial "$(vm_serial)" </dev/null >"$VM/qemu.$1.log" 2>&1 &
	vm_pids+=($!)
}
boots() {
	vm_console "the firmware boots by HTTP" 240 'Start HTTP Boot over IPv4'
	vm_console "Secure Boot is on" 240 'UEFI Secure Boot is enabled'
	vm_console "init fetches the image by HTTP, and enters it" 240 'root ok: executing'
	t "the kernel has the signed command line and no other" grep -aqE "Kernel command line: $cmdline\s*$" "$VM/consoles/$VM_MAC.log"
	vm_runs "signed" 0
}
refused() {
	vm_console "one flipped bit: the firmware refuses it" 240 'failed to load .*(Access Denied|Security Violation)'
	t "it was fetched" grep -q 'GET /flipped.efi' "$VM/nginx/access.log"
	t "and no kernel was started" eval '! grep -aqE "EFI stub|Linux version" "$VM/consoles/$VM_MAC.log"'
}
machine tap0
vm_of $FLIPPED_MAC machine tap1
boots
vm_of $FLIPPED_MAC refused
done_testing
