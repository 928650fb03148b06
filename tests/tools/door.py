# door.py - bpmaster's door (docs/protocol.md), for tests that knock at it with messages of their own making.
#
# Imported: PYTHONPATH=tests/tools python3 -B.
import array, fcntl, hashlib, os, re, socket, struct

OPEN, LIST, RUN, DONE, STARTED, FAILED, EXIT, KILL, WANTED, BLOB = 10, 11, 12, 15, 20, 21, 25, 35, 41, 42
HASHED = 65536  # bytes of a file that are hashed together
SEALS = 2 | 4 | 8  # it shrinks, grows and is written no more

with open(os.path.join(os.path.dirname(__file__), "../../src/wire/message.h")) as header:
    VERSION = int(re.search(r"#define MESSAGE_VERSION\s+(\d+)", header.read()).group(1))


class CutOff(Exception):
    pass


def u32(n):
    return struct.pack(">I", n)


def frame(body):
    return u32(len(body)) + body


HELLO = frame(bytes([OPEN]) + struct.pack(">H", VERSION))


class Door:
    """A connection that bpmaster has taken."""

    def __init__(self, path, timeout=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.socket.sendall(HELLO)
        answer = self.hear()
        assert answer[:5] == bytes([DONE]) + u32(0), answer

    def exactly(self, n):
        got = b""
        while len(got) < n:
            more = self.socket.recv(n - len(got))
            if not more:
                raise CutOff
            got += more
        return got

    def hear(self):
        return self.exactly(struct.unpack(">I", self.exactly(4))[0])

    def say(self, body):
        self.socket.sendall(frame(body))

    def run(self, spec, node=0, job=0, pid=0):
        self.say(bytes([RUN]) + u32(job) + u32(pid) + os.urandom(16) + struct.pack(">HI", 1, node) + spec)

    def give(self, data, job=0, seals=SEALS, bytes_of_file=None):
        """The first file of a job, as a memory file; with bytes_of_file one that has no pages."""
        fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
        if bytes_of_file is None:
            os.write(fd, data)
        else:
            os.ftruncate(fd, bytes_of_file)
        if seals:
            fcntl.fcntl(fd, 1033, seals)  # F_ADD_SEALS
        body = bytes([BLOB]) + u32(job) + struct.pack(">H", 0) + u32(0)
        self.socket.sendmsg([frame(body)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        os.close(fd)


def content_hash(data):
    def h(b):
        return hashlib.blake2b(b, digest_size=32).digest()

    return h(b"".join(h(data[i : i + HASHED]) for i in range(0, len(data), HASHED)))


def spec(arguments, files=b"", flags=0):
    """What is to run, in /, with no environment; files is what file() gives, or nothing."""
    return (
        struct.pack(">HHIHHB", flags, 0o22, 4096, 0, 0, 0)
        + b"/\0\0\0\0"
        + struct.pack(">H", len(arguments))
        + b"".join(a + b"\0" for a in arguments)
        + struct.pack(">HH", 0, 1 if files else 0)
        + files
    )


def file(digest, size, private=False):
    return struct.pack(">BBQ", 0, private, size) + digest + b"/no/such/program\0"


def words(message):
    """What an answer says, for the log of a test."""
    kind = message[0]
    if kind == DONE:
        return "done %d %s" % (struct.unpack(">I", message[1:5])[0], message[5:-1].decode())
    if kind == FAILED:
        return "failed %d %s" % (struct.unpack(">I", message[5:9])[0], message[10:-1].decode())
    if kind == STARTED:
        return "started"
    return "message %d" % kind
