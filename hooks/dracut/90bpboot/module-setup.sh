#!/bin/bash
# module-setup.sh - what root=bpboot:URL needs, into an initramfs of dracut (docs/distribution-initrds.md)
#
# dracut sources this and calls the functions. In an initramfs only when asked for: dracut --add bpboot, or
# add_dracutmodules+=" bpboot " in /etc/dracut.conf.d.

check() {
	local program

	for program in /usr/libexec/bpboot/bpboot-root /usr/local/libexec/bpboot/bpboot-root; do
		[[ ! -x ${dracutsysrootdir-}$program ]] || return 255
	done
	derror "bpboot: no /usr/libexec/bpboot/bpboot-root"
	return 1
}

depends() {
	echo base network
}

installkernel() {
	# The ram disk and ext2 (served by ext4), both also for bpboot.zram; the other formats; and what dhclient asks through.
	hostonly='' instmods brd ext4 zram lz4 loop squashfs erofs overlay af_packet
}

install() {
	local KEYS="/etc/bpboot/sign.pub /etc/bpboot/keys/*.pub" key found='' program

	# shellcheck disable=SC1091
	[[ ! -r ${dracutsysrootdir-}/etc/bpboot/initrd.conf ]] || . "${dracutsysrootdir-}/etc/bpboot/initrd.conf"
	for program in /usr/libexec/bpboot/bpboot-root /usr/local/libexec/bpboot/bpboot-root; do
		[[ ! -x ${dracutsysrootdir-}$program ]] || break
	done
	inst_simple "$program" /usr/libexec/bpboot/bpboot-root
	for key in $KEYS; do
		[[ -r ${dracutsysrootdir-}$key ]] || continue
		inst_simple "$key" "/etc/bpboot/${key##*/}" && found=1
	done
	[[ $found ]] || dwarn "bpboot: no key ($KEYS): this initramfs refuses every image; see 'bpboot keygen' and" \
		"/etc/bpboot/initrd.conf"
	[[ ! -r ${dracutsysrootdir-}/etc/bpboot/min-counter ]] || inst_simple /etc/bpboot/min-counter

	# shellcheck disable=SC2154
	inst_hook cmdline 90 "$moddir/parse-bpboot.sh"
	inst_hook initqueue/settled 99 "$moddir/failed-bpboot.sh"
	inst_script "$moddir/bpbootroot.sh" /sbin/bpbootroot
	if dracut_module_included systemd; then
		# shellcheck disable=SC2154
		inst_script "$moddir/bpboot-generator.sh" "$systemdutildir/system-generators/bpboot-generator"
	fi
	dracut_need_initqueue
}
