#!/bin/sh
# failed-bpboot.sh - every interface that came up was tried, and there is no root: dracut's emergency path, with our reason
#
# Sourced whenever dracut's queue of jobs is empty. Leaving the emergency shell tries again.

if [ -s /run/bpboot/failed ] && [ ! -e /run/bpboot/boot ]; then
	bpboot_why=$(cat /run/bpboot/failed)
	rm -f /run/bpboot/failed
	emergency_shell "bpboot: $bpboot_why"
	for bpboot_if in /sys/class/net/*; do
		bpboot_if=${bpboot_if##*/}
		[ ! -e "/tmp/net.$bpboot_if.did-setup" ] || /sbin/netroot "$bpboot_if"
	done
fi
