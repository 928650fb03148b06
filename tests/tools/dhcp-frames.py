#!/usr/bin/env python3
"""dhcp-frames.py - a DHCP server on the wires of virtual machines, with VLAN tags

usage: dhcp-frames.py ADDRESS OFFER VLAN LOCAL:REMOTE...

Each LOCAL:REMOTE is a pair of UDP ports of this machine, as QEMU's `-netdev dgram` has them: a frame is a datagram. Only
frames with the tag VLAN (0: without one) are answered, with the same tag. Prints "ready", then a line for each request:
"TYPE vlan=V port=LOCAL mac=M".
"""
import select
import socket
import struct
import sys

address, offer, vlan = socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2]), int(sys.argv[3])
OWN = b"\x52\x54\0\xff\xff\1"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f">{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def frame(to, kind, payload, tag):
    head = to + OWN + (struct.pack(">HH", 0x8100, tag) if tag else b"")
    return (head + struct.pack(">H", kind) + payload).ljust(60, b"\0")


def opt(code, value):
    return bytes([code, len(value)]) + value


def answer(request, kind):
    head = b"\2" + request[1:16] + offer + address + bytes(4) + request[28:44] + bytes(192)
    data = head + b"\x63\x82\x53\x63" + opt(53, bytes([kind])) + opt(54, address) + opt(51, b"\0\0\1\0")
    data += opt(1, b"\xff\xff\xff\0") + b"\xff"
    udp = struct.pack(">HHHH", 67, 68, 8 + len(data), 0) + data
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + address + b"\xff" * 4
    return ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:] + udp


def take(data, local):
    source, kind, at, tag = data[6:12], struct.unpack(">H", data[12:14])[0], 14, 0
    if kind == 0x8100:
        tag, kind = struct.unpack(">HH", data[14:18])
        tag, at = tag & 0xFFF, 18
    packet = data[at:]
    if kind != 0x0800 or len(packet) < 28 + 240 or packet[9] != 17 or packet[22:24] != b"\0\x43":
        return None
    request = packet[28:]
    asked = request[242] if request[240] == 53 else 0
    print(f"{ {1: 'DISCOVER', 3: 'REQUEST'}.get(asked, asked)} vlan={tag} port={local} mac={source.hex(':')}", flush=True)
    if tag != vlan or asked not in (1, 3):
        return None
    return frame(b"\xff" * 6, 0x0800, answer(request, 2 if asked == 1 else 5), tag)


wires = {}
for pair in sys.argv[4:]:
    local, remote = map(int, pair.split(":"))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", local))
    wires[s] = (local, remote)
print("ready", flush=True)
while True:
    for s in select.select(list(wires), [], [])[0]:
        local, remote = wires[s]
        try:
            reply = take(s.recv(4000), local)
            if reply:
                s.sendto(reply, ("127.0.0.1", remote))
        except OSError:  # nobody there yet
            pass
