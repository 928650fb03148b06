#!/usr/bin/env python3
"""dhcp-offers.py - what a DHCP server tells each kind of client that boots

usage: dhcp-offers.py INTERFACE SECONDS MAC KIND...

Asks as each KIND in turn, with that MAC, whatever the interface's own one is, and prints a line for each: KIND, address,
next-server, boot file, option 60, host name, root-path; "-" for what is not said, and "KIND none" when nobody answers
within SECONDS. A proxy's answer without a file is asked again at port 4011, as firmware does.
"""
import os
import socket
import struct
import sys
import time

PXE = "PXEClient:Arch:%05d:UNDI:003000"
HTTP = "HTTPClient:Arch:%05d:UNDI:003001"
KINDS = {  # architecture, vendor class, iPXE
    "bios": (0, PXE, False),
    "x64-7": (7, PXE, False),
    "x64-9": (9, PXE, False),
    "arm64": (11, PXE, False),
    "http-x64": (16, HTTP, False),
    "http-arm64": (19, HTTP, False),
    "ipxe-bios": (0, PXE, True),
    "ipxe-x64": (7, PXE, True),
    "init": (None, "bpboot", False),
}


def option(code, value):
    return bytes([code, len(value)]) + value


def message(kind, mac, xid, kind_of_message, address=b"\0\0\0\0", more=b""):
    arch, vendor, ipxe = KINDS[kind]
    text = vendor % arch if "%" in vendor else vendor
    data = struct.pack(">BBBBIHH", 1, 1, 6, 0, xid, 4, 0x8000) + address + bytes(12) + mac + bytes(10 + 192)
    data += b"\x63\x82\x53\x63" + option(53, bytes([kind_of_message]))
    data += option(55, bytes([1, 3, 6, 12, 15, 17, 43, 60, 66, 67, 128, 175])) + option(57, struct.pack(">H", 1472))
    data += option(60, text.encode())
    if arch is not None:
        data += option(93, struct.pack(">H", arch)) + option(94, b"\1\3\0") + option(97, b"\0" + bytes(10) + mac)
    if ipxe:
        data += option(77, b"iPXE") + option(175, b"\xb1\5\1\x1a\xf4\x10\x41\x13\1\1\x19\1\1")
    return (data + more + b"\xff").ljust(300, b"\0")


def options(data):
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        n = data[at + 1]
        found[data[at]] = found.get(data[at], b"") + data[at + 2 : at + 2 + n]
        at += 2 + n
    return found


def text(value):
    return value.split(b"\0")[0].decode("latin-1").replace(" ", "_") or "-"


def menu_item(vendor):
    """What firmware asks a boot server for: the first item of the menu in option 43 (PXE 2.1, tags 9 and 71)."""
    at = 0
    while at + 2 <= len(vendor) and vendor[at] != 255:
        if vendor[at] == 9:
            return option(43, option(71, vendor[at + 2 : at + 4] + b"\0\0") + b"\xff")
        at += 2 + vendor[at + 1]
    return b""


def receive(sock, xid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            data = sock.recv(4096)
        except TimeoutError:
            break
        if len(data) > 240 and data[0] == 2 and struct.unpack(">I", data[4:8])[0] == xid:
            return data
    return None


def main():
    interface, seconds = sys.argv[1], float(sys.argv[2])
    mac = bytes.fromhex(sys.argv[3].replace(":", ""))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    sock.bind(("", 68))
    for kind in sys.argv[4:]:
        xid = struct.unpack(">I", os.urandom(4))[0]
        answer, tries = None, max(1, int(seconds))
        for _ in range(tries):
            sock.sendto(message(kind, mac, xid, 1), ("255.255.255.255", 67))
            answer = receive(sock, xid, seconds / tries)
            if answer:
                break
        if not answer:
            print(kind, "none", flush=True)
            continue
        own = os.environ.get("OFFERS_ADDRESS")  # ours, for what a proxy is asked at port 4011
        has = options(answer)
        if own and answer[108] == 0 and 67 not in has and 54 in has:
            for _ in range(tries):
                request = message(kind, mac, xid, 3, socket.inet_aton(own), menu_item(has.get(43, b"")))
                sock.sendto(request, (socket.inet_ntoa(has[54]), 4011))
                second = receive(sock, xid, seconds / tries)
                if second:
                    answer, has = second, options(second)
                    break
        address = socket.inet_ntoa(answer[16:20])
        print(
            kind,
            "-" if address == "0.0.0.0" else address,
            socket.inet_ntoa(answer[20:24]),
            text(answer[108:236]) if answer[108] else text(has.get(67, b"")),
            text(has.get(60, b"")),
            text(has.get(12, b"")),
            text(has.get(17, b"")),
            flush=True,
        )


main()
