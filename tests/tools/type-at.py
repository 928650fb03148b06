#!/usr/bin/python3
"""type-at.py - run a command at a terminal of our own, and type

usage: type-at.py ROWSxCOLUMNS COMMAND... <SCRIPT

Lines of SCRIPT: "expect TEXT" waits until TEXT comes, behind what was expected before; "send TEXT" types it (with \\r, \\x03
and so on); "resize ROWSxCOLUMNS"; "signal NAME" to the command; "hangup" closes the terminal; "run COMMAND" in a shell; "raw"
and "cooked" wait until the terminal is so; "end" waits for the command's end. What came is printed; then "status N", and "restored" or "changed" for the
terminal's modes beside those from before. Exits with 1 when something expected did not come within 20 s.
"""
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time

DEADLINE = 20


def size_of(text):
    rows, columns = text.split("x")
    return struct.pack("HHHH", int(rows), int(columns), 0, 0)


class Terminal:
    def __init__(self, size, command):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size_of(size))
        self.before = termios.tcgetattr(self.slave)
        self.got, self.at, self.status = b"", 0, None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.closerange(3, 100)
            os.execvp(command[0], command)

    def poll(self):
        if self.master >= 0 and select.select([self.master], [], [], 0.05)[0]:
            try:
                self.got += os.read(self.master, 65536)
            except OSError:
                pass
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)

    def wait(self, what, done):
        deadline = time.monotonic() + DEADLINE
        while not done():
            self.poll()
            if time.monotonic() > deadline:
                self.end("not seen: " + what, 1)

    def raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def end(self, words, status):
        sys.stdout.write(self.got.decode(errors="replace"))
        print("\n" + words)
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
        sys.stdout.flush()
        os._exit(status)

    def expect(self, text):
        def there():
            found = self.got.find(text, self.at)
            if found < 0:
                return False
            self.at = found + len(text)
            return True

        self.wait(repr(text), there)

    def run(self, line):
        word, _, rest = line.rstrip("\n").partition(" ")
        text = rest.encode().decode("unicode_escape").encode("latin-1")
        if word == "expect":
            self.expect(text)
        elif word == "send":
            os.write(self.master, text)
        elif word == "resize":
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, size_of(rest))
        elif word == "signal":
            os.kill(self.pid, getattr(signal, "SIG" + rest))
        elif word == "run":
            subprocess.run(rest, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        elif word == "hangup":
            os.close(self.slave)
            os.close(self.master)
            self.master = -1
        elif word in ("raw", "cooked"):
            self.wait(word, lambda: self.raw() == (word == "raw"))
        elif word == "end":
            self.wait("the command's end", lambda: self.status is not None)
        elif word:
            raise SystemExit("what is '%s'?" % word)


terminal = Terminal(sys.argv[1], sys.argv[2:])
for line in sys.stdin:
    terminal.run(line)
if terminal.master >= 0:
    terminal.poll()
    same = termios.tcgetattr(terminal.slave) == terminal.before
    terminal.end("status %s\n%s" % (terminal.status, "restored" if same else "changed"), 0)
terminal.end("status %s" % terminal.status, 0)
