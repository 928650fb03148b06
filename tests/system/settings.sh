#!/bin/bash
# settings.sh - what bpctl sets: who may run on a node, states, attributes; refusals; kept over a restart of bpmaster
. "$(dirname "$0")/lib.sh"

space_begin
start_master() {
	space_master --unknown accept --node 1,52:54:00:00:00:01 --node 2,52:54:00:00:00:02 --node 3,52:54:00:00:00:03
}
boot_slave() { # NUMBER BOOT
	boot_file "$1" "" "$2" && start_slave "$1"
}
connected() { # NUMBER
	"$bin/bpstat" --json "$1" | tr -d '\n ' | grep -q '"connected":true'
}
attributes() { "$bin/bpstat" --attributes "$@"; }
user() { # COMMAND...: as an ordinary user
	setpriv --reuid 12345 --regid 23456 --groups 34567 "$@" </dev/null
}

chmod 755 "$SCRATCH"
start_master
for n in 1 2; do start_slave $n; done
for n in 1 2; do t "node $n registers" wait_for 20 state_is $n up; done

# Permissions and refusals.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	t "everyone may run on a node at first" user "$bin/bpsh" 1 true
	"$bin/bpctl" -S 1 -m 100 -u 12345 -g 54321
	t "a node's user may run there" user "$bin/bpsh" 1 true
	"$bin/bpctl" -S 1 -m 011
	t_says "a node's user whom the mode leaves out may not, and is told who may" 1 \
		"user 12345 may not run on node 1; who may: root, its group, others (mode 011, user 12345, group 54321)" \
		user "$bin/bpsh" 1 true
	"$bin/bpctl" -S 1 -m 010 -u 0 -g 34567
	t "a node's group may run there" user "$bin/bpsh" 1 true
	"$bin/bpctl" -S 1 -m 110 -g 54321
	t_says "others may not, and are told who may" 1 "who may: root, its user, its group (mode 110, user 0, group 54321)" \
		user "$bin/bpsh" 1 true
	for change in "-s x" "-m 111" "-u 12345" "-g 1" "-a x=y" "-R" "-H" "-P"; do
		t_says "an ordinary user may not use bpctl $change, and is told who may" 1 \
			"only root and the user that bpmaster runs as may do this" user "$bin/bpctl" -S 1 $change
	done
else
	echo "skip permissions of ordinary users - needs root and setpriv"
	"$bin/bpctl" -S 1 -m 110 -g 54321
fi
t_says "bpstat shows mode, user and group, by name where there is one" 0 "---x--x---" "$bin/bpstat" 1
t_says "a group without a name is a number" 0 "54321" "$bin/bpstat" 1
t_says "a user with a name is shown by it" 0 "root" "$bin/bpstat" 1

# Attributes.
t "attributes are set" "$bin/bpctl" -S 1-3 -a rack=r12
t "a value may hold blanks and quotes" "$bin/bpctl" -S 2 -a 'owner=the "physics" dept \ 4'
t "attributes are shown" test "$(attributes 1-2 | tr '\n' ';')" = '1: rack=r12;2: owner=the "physics" dept \ 4;2: rack=r12;'
t "an attribute is replaced" "$bin/bpctl" -S 3 -a rack=r13
t "an attribute is taken away" "$bin/bpctl" -S 1 -a rack
t "it is gone" test -z "$(attributes 1)"
t_says "one that is not there cannot be taken away" 1 "node 1: attribute 'rack': expected NAME=VALUE" "$bin/bpctl" -S 1 -a rack
t_says "a wrong name is refused" 1 "expected NAME=VALUE" "$bin/bpctl" -S 1 -a 'a b=c'
for i in $(seq 32); do "$bin/bpctl" -S 1 -a "n$i=$i" || break; done
t_says "there is a limit" 1 "at most 32 attributes" "$bin/bpctl" -S 1 -a one=more
for i in $(seq 32); do "$bin/bpctl" -S 1 -a "n$i" || break; done

# States, over a lost connection and restarts.
"$bin/bpctl" -S 1 -s drained
"$bin/bpctl" -S 3 -s broken
t "a state that was set is shown" state_is 1 drained

stop "$master" -KILL
start_master
t "a node that is not connected keeps the state that was set, over a kill of bpmaster" state_is 3 broken
t "a node that comes back has the state that was set" wait_for 20 state_is 1 drained
t "others are up" wait_for 20 state_is 2 up
t "permissions are kept" bash -c "'$bin/bpstat' --json 1 | grep -q '\"mode\": 72' && '$bin/bpstat' --json 1 | grep -q '\"group\": 54321'"
t "attributes are kept" test "$(attributes 2-3 | tr '\n' ';')" = '2: owner=the "physics" dept \ 4;2: rack=r12;3: rack=r13;'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	t_says "and are obeyed" 1 "may not run on node 1" user "$bin/bpsh" 1 true
fi
stop "${slave[1]}" -KILL
t "a node that is lost is down" wait_for 20 state_is 1 down
boot_slave 1 10000001
t "in the same boot it comes back in the state that was set" wait_for 20 state_is 1 drained
stop "${slave[1]}" -KILL
t "it is lost again" wait_for 20 state_is 1 down
boot_slave 1 20000001
t "after another boot it is up" wait_for 20 state_is 1 up
start_slave 3
t "a node that was down when its state was set is up when it comes" wait_for 20 state_is 3 up
"$bin/bpctl" -S 2 -s down
stop "$master"
start_master
t "node 2 is connected again" wait_for 20 connected 2
t "down is kept too" state_is 2 down
t_says "nothing is run there" 1 "node 2 is down" "$bin/bpsh" 2 true
"$bin/bpctl" -S 2 -s up
t "up takes it away" "$bin/bpsh" 2 true </dev/null

# Machines that are not listed keep theirs, by MAC.
start_slave 9
t "an unknown machine gets the free number" wait_for 20 state_is 0 up
"$bin/bpctl" -S 0 -a who=ninth
stop "${slave[9]}"
stop "$master"
start_master
t "it is not shown before it comes" bash -c "! '$bin/bpstat' -n | grep -qx 0"
"$bin/bpctl" -S 2 -a other=change
stop "$master"
start_master
start_slave 9
t "it comes back with what was noted, also when others were changed meanwhile" wait_for 20 bash -c \
	"'$bin/bpstat' --attributes 0 | grep -qx '0: who=ninth'"

# A file that bpmaster has not written.
stop "$master"
master=
refuses() { # NAME TEXT
	t_says "$1" 1 "$2" timeout 20 "$bin/bpmaster" --foreground --address 127.0.0.1 --port $port --log-port $log_port \
		--state "$SCRATCH/state" --key "$SCRATCH/keys/master.key" --node 1,52:54:00:00:00:01
}
chmod 666 "$SCRATCH/state/settings"
refuses "a settings file that others may write is not believed" "not safe in '$SCRATCH/state/settings'"
chmod 644 "$SCRATCH/state/settings"
chmod 777 "$SCRATCH/state"
refuses "nor one in a directory where others may write" "not safe in '$SCRATCH/state'"
chmod 755 "$SCRATCH/state"
sed -i '1s/mode=/mood=/' "$SCRATCH/state/settings"
ln -s state "$SCRATCH/link"
t_says "a state directory may be a symbolic link" 1 "$SCRATCH/link/settings:1: not a line" timeout 20 "$bin/bpmaster" \
	--foreground --address 127.0.0.1 --port $port --log-port $log_port --state "$SCRATCH/link" \
	--key "$SCRATCH/keys/master.key" --node 1,52:54:00:00:00:01
refuses "a settings file that cannot be read keeps bpmaster from starting, and the line is named" \
	"$SCRATCH/state/settings:1: not a line that bpmaster has written"
exit $lib_failed
