#!/usr/bin/env python3
"""dhcp-server.py - a DHCP server that does what a test tells it

usage: dhcp-server.py INTERFACE ADDRESS OFFER [NAME=VALUE...]

Answers clients on INTERFACE as the server ADDRESS with OFFER. Prints "ready", then a line for each message:
"TYPE src=A ciaddr=A requested=A server=A broadcast|unicast". NAMEs:
  lease, t1, t2      seconds (60, and not said)
  second=A           offered once OFFER was declined
  overload=1         root-path and domain in sname, host name and a name server in file
  nak=N              refuse the first N requests
  nak-after=S        refuse everything that is asked S seconds after the first lease
  deaf=S             answer nothing in the first S seconds
  deaf-after=S       answer nothing S seconds after the first lease
  deaf-unicast=1     answer no unicast
  ack-late=S         acknowledge only S seconds after it was asked
  no-ack=1           offer, and acknowledge nothing
  garbage=N          answer the first N messages' worth of asking with N packets of rubbish, then behave
  seed=N             of the rubbish
  next=A, file=TEXT, root=TEXT   boot server, boot file, root-path
"""
import random
import socket
import struct
import sys
import time

COOKIE = b"\x63\x82\x53\x63"
TYPES = {1: "DISCOVER", 3: "REQUEST", 4: "DECLINE", 7: "RELEASE", 8: "INFORM"}


def opt(code, value):
    return bytes([code, len(value)]) + value


def options_of(message):
    found, at = {}, 240
    while at + 1 < len(message) and message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        found[message[at]] = message[at + 2 : at + 2 + message[at + 1]]
        at += 2 + message[at + 1]
    return found


class Server:
    def __init__(self, interface, address, offer, set_):
        self.address, self.offer, self.set = address, offer, set_
        self.start, self.leased = time.monotonic(), None
        self.random = random.Random(int(set_.get("seed", "1")))
        self.garbage = int(set_.get("garbage", "0"))
        self.naks = int(set_.get("nak", "0"))
        self.interface = interface
        self.socket = self.open("")
        # What comes to our address comes here, so that it is known to be unicast.
        self.own = self.open(address)

    def open(self, address):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode())
        s.bind((address, 67))
        return s

    def number(self, name):
        return float(self.set[name]) if name in self.set else None

    def is_deaf(self, unicast):
        now = time.monotonic()
        after = self.number("deaf-after")
        return (
            now - self.start < (self.number("deaf") or 0)
            or (after is not None and self.leased and now - self.leased > after)
            or (unicast and "deaf-unicast" in self.set)
        )

    def answer(self, request, kind):
        lease, t1, t2 = self.set.get("lease", "60"), self.set.get("t1"), self.set.get("t2")
        address = "0.0.0.0" if kind == 6 else self.offer
        head = bytearray(b"\2" + request[1:44] + bytes(192) + COOKIE)
        head[16:20] = socket.inet_aton(address)
        head[20:24] = socket.inet_aton(self.set.get("next", self.address))
        head[24:28] = bytes(4)
        out = opt(53, bytes([kind])) + opt(54, socket.inet_aton(self.address))
        if kind != 6:
            out += opt(51, struct.pack(">I", int(lease))) + opt(1, b"\xff\xff\xff\0")
            out += opt(58, struct.pack(">I", int(t1))) if t1 else b""
            out += opt(59, struct.pack(">I", int(t2))) if t2 else b""
            out += opt(67, self.set["file"].encode()) if "file" in self.set else b""
            out += opt(17, self.set["root"].encode()) if "root" in self.set else b""
        else:
            out += opt(56, b"not yours")
        if "overload" in self.set:
            out += opt(52, b"\3")
            sname = opt(17, b"/from/sname") + opt(15, b"sname.example") + b"\xff"
            file = opt(12, b"n-file") + opt(6, socket.inet_aton("10.9.9.9"))
            head[44 : 44 + len(sname)] = sname
            head[108 : 108 + len(file)] = file
        return bytes(head) + out + b"\xff"

    def rubbish(self, request, kind):
        r = self.random
        whole = bytearray(self.answer(request, kind))
        how = r.randrange(8)
        if how == 0:  # bytes of any kind
            return r.randbytes(r.randrange(1400))
        if how == 1:  # cut
            return bytes(whole[: r.randrange(len(whole))])
        if how == 2:  # options of any kind behind a good head
            return bytes(whole[:240]) + r.randbytes(r.randrange(1000))
        if how == 3:  # overload with rubbish in the names
            whole[44:236] = r.randbytes(192)
            return bytes(whole[:240]) + opt(52, bytes([r.randrange(5)])) + bytes(whole[240:])
        if how == 4:  # long options, again and again
            return bytes(whole[:-1]) + b"".join(
                opt(r.randrange(256), r.randbytes(r.randrange(256))) for _ in range(8)
            )
        for _ in range(r.randrange(1, 12)):  # some bytes of a good one changed
            whole[r.randrange(len(whole))] = r.randrange(256)
        if how == 5:  # but not its number, so that it is looked into
            whole[4:8] = request[4:8]
        if how == 6:  # nor what makes it an answer, but with no server in it
            whole[0:44] = self.answer(request, kind)[0:44]
            whole = whole[:243] + whole[249:]
        return bytes(whole)

    def send(self, data, request, unicast_to):
        to = unicast_to if unicast_to != "0.0.0.0" else "255.255.255.255"
        for _ in range(100):
            try:
                (self.own if to != "255.255.255.255" else self.socket).sendto(data, (to, 68))
                return
            except OSError:  # no room now, or no neighbour
                time.sleep(0.001)

    def take(self, request, source, unicast):
        o = options_of(request)
        kind = o.get(53, b"\0")[0]
        ciaddr = socket.inet_ntoa(request[12:16])
        show = lambda code: socket.inet_ntoa(o[code]) if len(o.get(code, b"")) == 4 else "-"
        print(
            f"{TYPES.get(kind, kind)} src={source} ciaddr={ciaddr} requested={show(50)} server={show(54)} "
            f"{'unicast' if unicast else 'broadcast'} id={o.get(61, b'').hex()}",
            flush=True,
        )
        if kind == 4 and "second" in self.set:
            self.offer = self.set["second"]
        if kind not in (1, 3) or self.is_deaf(unicast) or (kind == 3 and "no-ack" in self.set):
            return
        if self.garbage > 0:
            for _ in range(self.garbage):
                self.send(self.rubbish(request, 2 if kind == 1 else 5), request, "0.0.0.0")
            self.garbage = 0
            print("rubbish sent", flush=True)
            return
        after = self.number("nak-after")
        wanted = show(50) if show(50) != "-" else ciaddr
        if kind == 3 and (
            self.naks > 0
            or wanted != self.offer
            or (after is not None and self.leased and time.monotonic() - self.leased > after)
        ):
            self.naks -= 1
            if after is not None and "second" in self.set:
                self.offer = self.set["second"]
                self.set.pop("nak-after")
            self.send(self.answer(request, 6), request, "0.0.0.0")
            return
        if kind == 3 and self.leased is None:
            self.leased = time.monotonic()
        if kind == 3:
            time.sleep(self.number("ack-late") or 0)
        self.send(self.answer(request, 2 if kind == 1 else 5), request, ciaddr)

    def run(self):
        import select

        print("ready", flush=True)
        while True:
            for s in select.select([self.socket, self.own], [], [])[0]:
                request, source = s.recvfrom(2000)
                if len(request) > 240 and request[0] == 1:
                    self.take(request, source[0], s is self.own)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    pairs = dict(a.split("=", 1) for a in sys.argv[4:])
    Server(*sys.argv[1:4], pairs).run()
