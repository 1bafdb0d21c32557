# SPDX-License-Identifier: BSD-2-Clause
"""The last words of an address, from outside: when was the last ARP reply, the last ICMP echo reply, the last answer on a
TCP connection, and the last new TCP connection? Each asked for every 2 ms, each with caches that know the way, so that
nothing but the host itself can be the reason for silence. Times are those of the client's kernel where it gives them."""

import contextlib
import errno
import socket
import struct
import time

from netns import Child, ip, now
from observer import SO_TIMESTAMPNS, _arp_request, _checksum, _heard

KINDS = ("arp", "icmp", "tcp", "connect")


class LastWord:
    """Asks from the client's namespace until killed; last() tells the last answer of each kind."""

    def __init__(self, client, vip, mac, port=6379, period=0.002):
        ip(f"neigh replace {vip} lladdr {mac} dev eth0 nud permanent", ns=client.ns)
        self._child = Child(client.ns, lambda child: _ask(child, client, vip, port, period), realtime=True)

    def last(self):
        """kind -> time of the last answer (None: none yet)."""
        records = self._child.fetch()
        return {kind: next((r["t"] for r in reversed(records) if r["kind"] == kind), None) for kind in KINDS}

    def kill(self):
        self._child.kill()


def _stamped(sock):
    """(data, time of receipt by the kernel's clock) of each datagram that waits."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data, ancillary, _, _ = sock.recvmsg(2048, 64)
            stamp = next(struct.unpack("qq", d[:16]) for level, kind, d in ancillary
                         if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
            yield data, stamp[0] + stamp[1] / 1e9 - time.time() + now()


def _ask(child, client, vip, port, period):
    mac = bytes.fromhex(client.mac.replace(":", ""))
    arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    arp.bind(("eth0", 0x0806))
    icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    for sock in (arp, icmp):
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setblocking(False)
        child.watch(sock)
    tcp, knocking, due, number = None, None, now(), 0

    def note(kind, t):
        child.records.append({"kind": kind, "t": round(t, 6)})

    while (ready := child.wait(due - now())) is not None:
        for frame, t in _stamped(arp) if arp.fileno() in ready else ():
            said = _heard(frame, mac)
            if said and said[0] == vip:  # an answer, or an announcement
                note("arp", t)
        for packet, t in _stamped(icmp) if icmp.fileno() in ready else ():
            if packet[20] == 0 and socket.inet_ntoa(packet[12:16]) == vip:
                note("icmp", t)
        if tcp and tcp.fileno() in ready:
            try:
                if b"PONG" in tcp.recv(4096):
                    note("tcp", now())
            except OSError:
                child.forget(tcp)
                tcp.close()
                tcp = None
        if now() < due:
            continue
        due, number = max(due + period, now()), number + 1
        with contextlib.suppress(OSError):
            arp.send(_arp_request(mac, client.ip4, vip))
        head = struct.pack("!BBHHH", 8, 0, 0, 77, number & 0xffff)
        with contextlib.suppress(OSError):
            icmp.sendto(head[:2] + struct.pack("!H", _checksum(head)) + head[4:], (vip, 0))
        try:
            if tcp is None and number % 50 == 1:
                tcp = socket.create_connection((vip, port), 0.05)
                tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                tcp.setblocking(False)
                child.watch(tcp)
            elif tcp:
                tcp.send(b"PING\r\n")
        except OSError:
            pass
        # One new connection after the other; a lost SYN is sent again after a second, so a fresh one each 20 ms.
        if knocking and knocking[0].connect_ex((vip, port)) in (0, errno.EISCONN):
            note("connect", now())
            knocking = knocking[0].close()
        elif knocking and now() - knocking[1] > 0.02:
            knocking = knocking[0].close()
        if not knocking:
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.connect_ex((vip, port))
            knocking = sock, now()
