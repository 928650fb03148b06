#!/bin/sh
# parse-bpboot.sh - root=bpboot:URL: the root comes by the network, and /sbin/bpbootroot brings it
#
# Sourced in dracut's cmdline stage. Without a URL (root=bpboot:) DHCP says where the image is.

# shellcheck disable=SC1091
command -v getarg >/dev/null || . /lib/dracut-lib.sh

: "${root:=$(getarg root=)}"
case $root in
bpboot | bpboot:*)
	# netroot.sh takes the part before the colon, adds "root", and calls that for each interface that is up.
	root=${root#bpboot}
	# shellcheck disable=SC2034
	netroot=bpboot:${root#:}
	root=bpboot
	# shellcheck disable=SC2034
	rootok=1
	# shellcheck disable=SC2016,SC2154
	echo '[ -e "$NEWROOT/proc" ]' >"$hookdir/initqueue/finished/bpboot.sh"
	;;
esac
