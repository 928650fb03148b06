#!/usr/bin/env python3
"""at-terminal.py KEYS OUTPUT COMMAND...: run a command on a terminal of its own

What is appended to the file KEYS is typed, what the command writes goes to the file OUTPUT. Ends with the command's status.
"""
import os
import pty
import select
import sys

keys, output, command = sys.argv[1], sys.argv[2], sys.argv[3:]
open(keys, "ab").close()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
typed = open(keys, "rb", buffering=0)
with open(output, "wb", buffering=0) as out:
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.05)
        try:
            if ready:
                out.write(os.read(terminal, 4096))
        except OSError:  # the command has ended
            break
        os.write(terminal, typed.read(4096) or b"")
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
