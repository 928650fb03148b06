#!/bin/bash
# install.sh - bpboot install and uninstall, below a folder of the test's own
# fast
. tests/system/lib.sh

bp=$(realpath "$BUILD")/src/cli/bpboot
root=$SCRATCH/root units=$SCRATCH/root/etc/systemd/system
mkdir -p "$root"
t_says "a dry run shows the units" 0 "Description=bpboot: DHCP and TFTP" "$bp" install --root "$root" --dry-run
t "and does nothing" test -z "$(ls -A "$root")"
t_says "install says how to start the services" 0 "systemctl enable --now bpmaster bpboot-serve" "$bp" install --root "$root"
t "folders are there" test -d "$root/etc/bpboot" -a -d "$root/srv/bpboot" -a -d "$root/var/lib/bpboot" -a -d "$root/run/bpboot"
t "units name the programs that are here" grep -qx "ExecStart=$bp serve" "$units/bpboot-serve.service"
t "bpmaster is among the last to go when memory runs out" grep -qx OOMScoreAdjust=-900 "$units/bpmaster.service"
if command -v systemd-analyze >/dev/null; then
	t "systemd takes the units" systemd-analyze verify --man=no "$units/bpboot-serve.service" "$units/bpmaster.service"
fi
t_says "a second install leaves all as it is" 0 "bpmaster.service: is there" "$bp" install --root "$root"
echo "# mine" >>"$units/bpmaster.service" && echo x >"$root/srv/bpboot/vmlinuz"
t_says "install does not replace a unit that is another" 1 "is there already, and is another" "$bp" install --root "$root"
t_says "uninstall leaves what was changed" 0 "is not as bpboot install wrote it, and stays" "$bp" uninstall --root "$root"
t "what it leaves is that and what holds something" test "$(cd "$root" && find . -type f | sort | tr '\n' ' ')" = "./etc/systemd/system/bpmaster.service ./srv/bpboot/vmlinuz "
if [ "$(id -u)" != 0 ]; then
	t_says "without root it says where it may not write" 1 "cannot" "$bp" install
fi
done_testing
