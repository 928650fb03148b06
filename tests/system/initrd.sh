#!/bin/bash
# initrd.sh - the initramfs: what is in it, in which order modules load, the same bytes each time, and how large
#
# Compared with stock tools: cpio and zstdcat unpack it, depmod and modprobe judge the closures, minisign made a key.
. tests/system/lib.sh

bp=$BUILD/src/cli/bpboot
export BPBOOT_KEYS=$SCRATCH/keys BPBOOT_DIR=$SCRATCH/boot BPBOOT_LIBEXEC=$SCRATCH/libexec
"$bp" keygen >/dev/null || exit 1

# Any static program will do for most of it; a sanitizer build has no init.
init=$BUILD/src/init/init
[ -x "$init" ] || init=/bin/busybox
mkdir -p "$BPBOOT_LIBEXEC"
cp "$init" "$BPBOOT_LIBEXEC/init"

unpack() { # FILE DIR
	mkdir -p "$2" && (cd "$2" && zstdcat -q <"$1" | cpio -idm --quiet 2>/dev/null)
}

# --- what is in it ---
kernel=${KERNEL_CLOUD-}
version=$(ls "$kernel/lib/modules" 2>/dev/null)
if [ -z "$version" ]; then
	skip_why="no kernel package (KERNEL_CLOUD)"
	echo "skip the initramfs of the cloud kernel - $skip_why"
	exit 0
fi
before=$(find "$kernel" -type f -printf '%p %s %T@\n' | sort | sha256sum)
t "initrd builds the cloud kernel's virtual set" "$bp" initrd --kernel "$kernel" --modules virtual
img=$BPBOOT_DIR/initrd.img
tree=$SCRATCH/tree
t "stock zstd and cpio unpack it" unpack "$img" "$tree"
t "/init is the program" cmp "$init" "$tree/init"
t "the kernel lies beside it" cmp "$kernel/boot/vmlinuz-$version" "$BPBOOT_DIR/vmlinuz"
t "the public key is in" cmp "$BPBOOT_KEYS/sign.pub" "$tree/etc/bpboot/sign.pub"
t "device nodes are in" test "$(stat -c '%F %t %T' "$tree/dev/console" "$tree/dev/null" "$tree/dev/kmsg" | tr '\n' ',')" = \
	"character special file 5 1,character special file 1 3,character special file 1 b,"
t "everything belongs to root" test -z "$(zstdcat -q <"$img" | cpio -itv --quiet | awk '$3 != "root" || $4 != "root"')"
t "modes do not let anyone but root write" test -z "$(find "$tree" ! -type l -perm /022)"
t "the index names the kernel" grep -qx "kernel $version" "$tree/lib/bpboot/modules.index"
t "the virtio network driver is in" grep -qx 'alias virtio:d00000001v\* virtio_net' "$tree/lib/bpboot/modules.index"
t "modules are those of the package, byte for byte" cmp "$tree/lib/bpboot/modules/virtio_net.ko" "$kernel/lib/modules/$version/kernel/drivers/net/virtio_net.ko"
t "nothing is written where the kernel is" test "$before" = "$(find "$kernel" -type f -printf '%p %s %T@\n' | sort | sha256sum)"
t "min-counter and shell are not in unless asked for" test ! -e "$tree/etc/bpboot/min-counter" -a ! -e "$tree/bin/sh"

# --- options ---
if file -L /bin/busybox 2>/dev/null | grep -q 'statically' || [ -n "$(dpkg -l busybox-static 2>/dev/null | grep ^ii)" ]; then
	cp "$BPBOOT_KEYS/sign.pub" "$SCRATCH/two.pub"
	t "initrd takes keys, a counter and a shell" "$bp" initrd -q --kernel "$kernel" --modules brd --shell --min-counter 41 \
		--key "$BPBOOT_KEYS/sign.pub" --key "$SCRATCH/two.pub" --output "$SCRATCH/shell.img"
	unpack "$SCRATCH/shell.img" "$SCRATCH/shell"
	t "the shell is in" cmp /bin/busybox "$SCRATCH/shell/bin/sh"
	t "the counter is in" test "$(cat "$SCRATCH/shell/etc/bpboot/min-counter")" = 41
	t "both keys are in" test -s "$SCRATCH/shell/etc/bpboot/sign2.pub"
else
	echo "skip the shell is in - no static busybox"
fi
for kind in gzip xz none; do
	"$bp" initrd -q --kernel "$kernel" --modules virtual --compress $kind --output "$SCRATCH/$kind.img"
done
t "gzip holds the same archive as zstd" cmp <(zstdcat -q <"$img") <(gzip -dc "$SCRATCH/gzip.img")
t "none is the same archive" cmp <(zstdcat -q <"$img") "$SCRATCH/none.img"
t "xz holds the same archive as zstd" cmp <(zstdcat -q <"$img") <(xz -dc "$SCRATCH/xz.img")
t "xz has the check that the kernel knows" test "$(xz --robot --list "$SCRATCH/xz.img" | awk '$1 == "file" { print $7 }')" = CRC32
t "gzip carries no name and no time" test "$(od -An -tx1 -j 3 -N 5 "$SCRATCH/gzip.img" | tr -d ' ')" = 0000000000
window=$(zstd -lv "$img" 2>/dev/null | sed -nE 's/^Window Size: .*\(([0-9]+) B\)/\1/p')
t "the kernel needs at most 8 MiB to unpack it (window $window)" test "${window:-0}" -le 8388608 -a "${window:-0}" -gt 0
t_says "an unknown module is refused" 1 "no module 'no_such'" "$bp" initrd --kernel "$kernel" --modules virtual,no_such -o "$SCRATCH/x"
t_says "an unknown kernel is refused" 1 "no kernel '9.9'" "$bp" initrd --kernel 9.9 -o "$SCRATCH/x"
t_says "a directory without a kernel is refused" 1 "is no kernel" "$bp" initrd --kernel "$SCRATCH/keys/" -o "$SCRATCH/x"
t_says "a missing public key is refused" 1 "bpboot keygen" "$bp" initrd --kernel "$kernel" --key "$SCRATCH/none.pub" -o "$SCRATCH/x"
t_says "a dynamic init is refused" 1 "linked dynamically" "$bp" initrd --kernel "$kernel" --init /bin/bash -o "$SCRATCH/x"
t_says "a compression that is none is refused" 2 "expected zstd, xz, gzip or none" "$bp" initrd --compress lzo -o "$SCRATCH/x"
[ ! -e "$SCRATCH/x" ]
t "a refusal leaves no file" test $? = 0
t_says "where it cannot write is said" 1 "/proc/nowhere" "$bp" initrd -q --kernel "$kernel" --modules brd -o /proc/nowhere/x

# --- the same bytes ---
cp -a "$kernel" "$SCRATCH/elsewhere" && find "$SCRATCH/elsewhere" -exec touch -h -d 2001-01-01 {} +
(cd "$SCRATCH" && umask 077 && TZ=Asia/Tokyo "$bp" initrd -q --kernel elsewhere --modules virtual --output again.img)
t "another directory, umask and time zone make the same bytes" cmp "$img" "$SCRATCH/again.img"
(cd "$SCRATCH" && taskset -c 0 "$bp" initrd -q --kernel elsewhere --modules virtual --output one.img 2>/dev/null) &&
	t "the number of processors does not show" cmp "$img" "$SCRATCH/one.img"
SOURCE_DATE_EPOCH=86400 "$bp" initrd -q --kernel "$kernel" --modules virtual --output "$SCRATCH/dated.img"
unpack "$SCRATCH/dated.img" "$SCRATCH/dated"
t "SOURCE_DATE_EPOCH is the time of every file" test "$(find "$SCRATCH/dated" -type f -printf '%T@\n' | sort -u)" = 86400.0000000000
t "SOURCE_DATE_EPOCH that is no number is refused" test -n "$(SOURCE_DATE_EPOCH=now "$bp" initrd -q --kernel "$kernel" -o "$SCRATCH/x" 2>&1 | grep 'expected seconds')"
rm -rf "$SCRATCH/elsewhere"

# --- closures, against depmod and modprobe ---
# compare_kernel NAME PACKAGE SET: each module line of the index holds what modprobe would load, in a legal order.
compare_kernel() {
	local root=$SCRATCH/depmod v bad="" drivers more
	v=$(ls "$2/lib/modules")
	rm -rf "$root" "$SCRATCH/full" && mkdir -p "$root/lib/modules/$v"
	ln -s "$2/lib/modules/$v/kernel" "$root/lib/modules/$v/kernel"
	cp "$2/lib/modules/$v"/modules.* "$root/lib/modules/$v/"
	mkdir -p "$root/conf" # the configuration of this machine is not the nodes'
	depmod -b "$root" "$v" || { not_ok "$1" "depmod failed"; return; }
	cp "$root/lib/modules/$v/modules.softdep" "$root/conf/softdep.conf"
	"$bp" initrd -q --kernel "$2" --modules "$3" --level 1 --output "$SCRATCH/full.img" || { not_ok "$1" "initrd failed"; return; }
	unpack "$SCRATCH/full.img" "$SCRATCH/full"
	drivers=$(grep -c '^module' "$SCRATCH/full/lib/bpboot/modules.index")
	: >"$SCRATCH/theirs"
	while read -r _ name files; do
		# Bare names, sorted; PHY drivers stand in our line besides.
		modprobe -C "$root/conf" -d "$root" -S "$v" -D "$name" 2>/dev/null | sed -nE 's|^insmod .*/([^/]*)\.ko.*|\1|p' | tr - _ | awk '!seen[$0]++' >"$SCRATCH/their"
		for want in $(cat "$SCRATCH/their"); do
			case " $files " in *" $want "*) ;; *) bad="$bad $name:lacks:$want" ;; esac
		done
		for have in $files; do
			grep -qx "$have" "$SCRATCH/their" && continue
			[ -n "$(find "$2/lib/modules/$v/kernel/drivers/net/phy" "$2/lib/modules/$v/kernel/drivers/net/macsec.ko" -name "${have//_/[-_]}.ko" 2>/dev/null)" ] || echo "$name $have" >>"$SCRATCH/theirs"
		done
		[ "${files##* }" = "$name" ] || bad="$bad $name:not-last"
	done < <(grep '^module' "$SCRATCH/full/lib/bpboot/modules.index")
	# In every line what a module depends on stands before it.
	bad="$bad$(awk -v dep="$root/lib/modules/$v/modules.dep" '
		function base(p) { sub(/.*\//, "", p); sub(/\.ko.*/, "", p); gsub(/-/, "_", p); return p }
		BEGIN { while ((getline line < dep) > 0) { n = split(line, w, /[: ]+/); for (i = 2; i <= n; i++) if (w[i] != "") needs[base(w[1])] = needs[base(w[1])] " " base(w[i]) } }
		/^module/ { delete at; for (i = 3; i <= NF; i++) { k = split(needs[$i], d, " "); for (j = 1; j <= k; j++) if (!(d[j] in at)) printf " %s:%s-before-%s", $2, $i, d[j]; at[$i] = i } }' \
		"$SCRATCH/full/lib/bpboot/modules.index")"
	more=$(head -c 300 "$SCRATCH/theirs" | tr '\n' ',')
	if [ -z "$bad$more" ]; then
		ok "$1 ($drivers drivers)"
	else
		not_ok "$1" "$bad; modprobe would not load: $more"
	fi
	for f in $(grep '^module' "$SCRATCH/full/lib/bpboot/modules.index" | cut -d' ' -f3-); do
		[ -e "$SCRATCH/full/lib/bpboot/modules/$f.ko" ] || bad="$bad $f"
	done
	t "$1: every file that the index names is in$bad" test -z "$bad"
}
compare_kernel "the cloud kernel's closures are modprobe's" "$kernel" net
cloud_net=$(ls "$SCRATCH/full/lib/bpboot/modules" | sed 's/\.ko$//' | sort)
if [ -d "${KERNEL_FULL:-/nowhere}/lib/modules" ]; then
	compare_kernel "the full kernel's closures are modprobe's" "$KERNEL_FULL" net
	full=$(ls "$KERNEL_FULL/lib/modules")
	mkdir -p "$SCRATCH/fw/rtl_nic" && echo firmware >"$SCRATCH/fw/rtl_nic/rtl8168g-2.fw"
	t_says "firmware that is missing is listed" 0 "rtl_nic/rtl8168h-2.fw" "$bp" initrd --kernel "$KERNEL_FULL" \
		--modules r8169 --firmware "$SCRATCH/fw" --output "$SCRATCH/fw.img"
	mkdir "$SCRATCH/fwtree"
	unpack "$SCRATCH/fw.img" "$SCRATCH/fwtree"
	t "firmware that is there is put in" cmp "$SCRATCH/fw/rtl_nic/rtl8168g-2.fw" "$SCRATCH/fwtree/lib/firmware/rtl_nic/rtl8168g-2.fw"
	missing=$(cd "$KERNEL_FULL/lib/modules/$full/kernel/drivers/net/ethernet" && find . -name '*.ko' -printf '%f\n' | sed 's/\.ko$//' | tr - _ |
		while read -r name; do
			# What has no alias of hardware is a library that comes with its users.
			grep -q "^module $name " "$SCRATCH/full/lib/bpboot/modules.index" || echo "$name"
		done)
	t "net holds every driver of drivers/net/ethernet of the full kernel $missing" test -z "$missing"
else
	echo "skip the full kernel's closures are modprobe's - no kernel package (KERNEL_FULL)"
fi
missing=$(cd "$kernel/lib/modules/$version/kernel/drivers/net/ethernet" && find . -name '*.ko' -printf '%f\n' | sed 's/\.ko$//' | tr - _ | sort | comm -23 - <(echo "$cloud_net"))
t "net holds every driver of drivers/net/ethernet of the cloud kernel $missing" test -z "$missing"

# --- how large ---
# Budgets with room to grow; the goals are 1,300,000 for init, 900,000 and 1,800,000 for the initramfs. That of the full
# kernel's net set is in initrd-boot.sh.
init_budget=800000 virtual_budget=800000 net_budget=1700000
if [ "$init" != /bin/busybox ]; then
	"$bp" initrd -q --kernel "$kernel" --modules net --output "$SCRATCH/net.img"
	t "init is within its budget of $init_budget bytes ($(stat -c %s "$init"))" test "$(stat -c %s "$init")" -le $init_budget
	t "virtual is within its budget of $virtual_budget bytes ($(stat -c %s "$img"))" test "$(stat -c %s "$img")" -le $virtual_budget
	t "net is within its budget of $net_budget bytes ($(stat -c %s "$SCRATCH/net.img"))" test "$(stat -c %s "$SCRATCH/net.img")" -le $net_budget

	t_says "init starts, and refuses to be anything but PID 1" 2 "runs as PID 1 of an initramfs" "$init"

	# The linker's map names each object file of a library, and who asked for it.
	map=$BUILD/src/init/init.map
	fat='\((vfw?printf-internal|printf_fp|fileops|wfileops|genops|C-ctype|setlocale|dcigettext|gconv_simple|dl-open|dl-load|unwind-dw2)\.o\)$'
	t "the linker's map of init is there" grep -q '(malloc.o)$' "$map"
	t "init links no stdio, no locales, no dynamic loader" test -z "$(grep -A1 -E "^/.*$fat" "$map")"
else
	echo "skip init is within its budget - this build has no static init"
fi
done_testing
