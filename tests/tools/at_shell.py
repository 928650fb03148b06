# at_shell.py - an interactive bash on a terminal, for tests of job control: say() types, hear() waits for what it writes.
#
# Imported: PYTHONPATH=tests/tools python3 -B.
import os, pty, re, select, sys, time

pid, fd = pty.fork()
if pid == 0:
    os.environ["PS1"] = "ask> "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
heard = b""


def hear(pattern, seconds=30):
    global heard
    end = time.time() + seconds
    while not re.search(pattern, heard):
        if time.time() > end:
            print("waited for", pattern, "in", heard[-600:], flush=True)
            sys.exit(1)
        if select.select([fd], [], [], 0.1)[0]:
            heard += os.read(fd, 4096)
    heard = heard[re.search(pattern, heard).end() :]


def say(text):
    os.write(fd, text)
