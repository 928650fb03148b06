#!/bin/bash
# restart.sh - what happens to ghosts while bpmaster is away, bpmaster ended on purpose, starts that it interrupts
#
# The nodes and most helpers are those of survive.sh, which runs the cases below.

settled() { wait_for 30 all_up || not_ok "nodes come back" "$("$bin/bpstat" -s 0-3 2>&1 | tr '\n' ' ')"; }
restarted() { # OPTION...: a master in place of one that was killed
	start_master --orphan-limit 3600 "$@"
	settled
}
# Processes of a node are seen from here by their arguments; bpsh has them too, behind a name of its own.
remote() { # TEXT: the pid of the process with these arguments that is no ghost
	local p
	for p in $(pgrep -f -- "$1"); do
		case $(readlink "/proc/$p/exe") in */bpsh | */bpghosts | */bpghost | */bash | "") ;; *) echo "$p" && return ;; esac
	done
	return 1
}
gone() { ! remote "$1"; }
state_of() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status"; }
is_in() { # PID STATES
	case $2 in *"$(state_of "$1")"*) return 0 ;; esac
	return 1
}

# --- ghosts that are killed, ended or stopped while bpmaster is away ---
case_ghosts() {
	local killed ended stopped early several waits
	"$bin/bpsh" 0 sleep 411.1 </dev/null >"$SCRATCH/killed" 2>&1 &
	killed=$!
	"$bin/bpsh" 1 sh -c 'trap "echo told; exit 5" TERM; echo on; while :; do sleep 0.1; done' </dev/null >"$SCRATCH/ended" 2>&1 &
	ended=$!
	"$bin/bpsh" 2 sleep 411.2 </dev/null >"$SCRATCH/stopped" 2>&1 &
	stopped=$!
	"$bin/bpsh" 3 sleep 411.3 </dev/null >"$SCRATCH/early" 2>&1 &
	early=$!
	"$bin/bpsh" 0-3 sleep 411.4 </dev/null >"$SCRATCH/several" 2>&1 &
	several=$!
	"$bin/bpsh" 0 sleep 411.5 </dev/null >"$SCRATCH/waits" 2>&1 &
	waits=$!
	for i in 1 2 3 4 5; do wait_for 30 remote "sleep 411.$i" || not_ok "process $i runs" "$(ps ax | grep 'sleep 411' | head -3)"; done
	wait_for 30 grep -q on "$SCRATCH/ended"
	for i in $stopped $early $waits; do wait_for 20 pgrep -P "$i" -x bpsh-watch || not_ok "a ghost is watched" "$i"; done
	kill -STOP $early $waits
	wait_for 20 is_in "$(remote 'sleep 411[.]3')" T || not_ok "a stop reaches the process" ""
	wait_for 20 is_in "$(remote 'sleep 411[.]5')" T || not_ok "a stop reaches the process" ""
	kill_master
	kill -KILL $killed $several
	kill -TERM $ended
	kill -STOP $stopped
	kill -CONT $early
	wait $killed $several 2>/dev/null
	t "with bpmaster away a process goes on without its ghost" remote 'sleep 411[.]1'
	restarted
	t "and ends as soon as bpmaster is back" wait_for 20 gone 'sleep 411[.]1'
	t "so do those of a job on several nodes" wait_for 20 gone 'sleep 411[.]4'
	wait $ended
	t "a signal of that time comes then: status $?, $(tr '\n' ' ' <"$SCRATCH/ended")" grep -qx told "$SCRATCH/ended"
	t "so does a stop" wait_for 20 is_in "$(remote 'sleep 411[.]2')" T
	t "and a SIGCONT to what was stopped before" wait_for 20 is_in "$(remote 'sleep 411[.]3')" SR
	t "whose ghost runs, too" wait_for 20 is_in $early SR
	t "what was stopped all the time stays so" is_in "$(remote 'sleep 411[.]5')" T
	kill -CONT $stopped $waits
	t "SIGCONT afterwards is told" wait_for 20 is_in "$(remote 'sleep 411[.]2')" SR
	t "also there" wait_for 20 is_in "$(remote 'sleep 411[.]5')" SR
	kill -STOP $stopped
	t "and the next stop" wait_for 20 is_in "$(remote 'sleep 411[.]2')" T
	kill -KILL $stopped
	kill -TERM $early $waits
	wait $early
	t "signals end them: $?" test $? != 0
	wait $waits $stopped 2>/dev/null
	t "none is left" wait_for 20 gone 'sleep 411'
}

[ $# -gt 0 ] || set -- ghosts
. tests/system/survive.sh
