# at_shell.py - an interactive bash on a terminal, for tests of job control: say() types, hear() waits for what it writes.
#
# Imported: PYTHONPATH=tests/tools python3 -B.
import os, pty, re, select, subprocess, sys, time

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


def watched(n, seconds=30):
    """Wait until n commands of the shell are ghosts that a watcher traces: before that a stop is their own."""

    def tracer(child):
        try:
            return next(int(line.split()[1]) for line in open(f"/proc/{child}/status") if line.startswith("TracerPid:"))
        except OSError:
            return 0

    end = time.time() + seconds
    while True:
        children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True).stdout.decode().split()
        if sum(tracer(child) > 0 for child in children) >= n:
            return
        if time.time() > end:
            print("watched are not", n, "of", children, flush=True)
            sys.exit(1)
        time.sleep(0.05)
