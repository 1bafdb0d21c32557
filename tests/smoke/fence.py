#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The packet filter's lease on a real kernel, between network namespaces. Needs root, ip, nft.

usage: fence.py FENCE      (the program of tests/smoke/fence.c)
Makes its own namespaces, touches nothing else, removes them at the end. TAP on stdout.
"""
import contextlib
import ctypes
import errno
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time

FENCE = os.path.abspath(sys.argv[1])
A, B, C = (f"svipfence{os.getpid()}{c}" for c in "abc")
MAC = {A: "02:00:00:00:09:01", B: "02:00:00:00:09:02"}
V4, V6 = {A: "10.9.0.1", B: "10.9.0.2"}, {A: "fd09::1", B: "fd09::2"}
VIP4, VIP6, FAR = "10.9.0.50", "fd09::50", "10.9.2.50"
KINDS = ("arp", "icmp", "tcp", "nd", "icmp6", "tcp6")
LATE_MS = 20  # what doc/SAFETY.md promises
TABLE = "svipd-cache"
PORT = 6379
ENOENT, ETIME, EAGAIN = -errno.ENOENT, -errno.ETIME, -errno.EAGAIN
libc = ctypes.CDLL(None, use_errno=True)
count = failed = 0


def run(*cmd, ns=None, check=True):
    cmd = (["ip", "netns", "exec", ns] if ns else []) + list(cmd)
    return subprocess.run(cmd, check=check, capture_output=True, text=True).stdout


def nft(text, check=True):
    return run("nft", *text.split(), ns=A, check=check)


def now_ms():
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


def verdict(name, good, seen=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for line in str(seen).strip().splitlines()[-12:]:
        print("#  ", line)
    sys.stdout.flush()


class Driver:
    """fence.c in namespace A."""

    def __init__(self, cluster="cache"):
        self.p = subprocess.Popen(["ip", "netns", "exec", A, FENCE, cluster], text=True, bufsize=1,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.torn, self.log, self.lines = [], [], queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(line) for line in self.p.stdout], daemon=True).start()
        threading.Thread(target=lambda: self.log.extend(self.p.stderr), daemon=True).start()
        assert self.answer("init") == [0]

    def answer(self, what, seconds=20):
        """The numbers after the word; what is torn meanwhile is noted."""
        while True:
            word, *numbers = self.lines.get(timeout=seconds).split()
            if word == what:
                return [int(x) for x in numbers]
            self.torn.append(int(numbers[0]))

    def do(self, text):
        self.p.stdin.write(text + "\n")
        return self.answer(text.split()[0])

    def wait_torn(self, n, seconds=3):
        end = time.monotonic() + seconds
        while len(self.torn) < n and time.monotonic() < end:
            time.sleep(0.02)
            self.do("late 0 0")  # whatever has happened comes before the answer
        return len(self.torn) >= n

    def fini(self, leave=False):
        self.do(f"fini {int(leave)}")
        self.p.wait(5)
        self.p.stdin.close()

    def kill(self):
        self.p.kill()
        self.p.wait()


# ---- the other side's questions ----


@contextlib.contextmanager
def inside(ns):
    """This thread's new sockets belong to that namespace."""
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{ns}") as there:
        assert libc.setns(there.fileno(), 0x40000000) == 0
        try:
            yield
        finally:
            libc.setns(home.fileno(), 0x40000000)


def pack4(a):
    return socket.inet_pton(socket.AF_INET, a)


def pack6(a):
    return socket.inet_pton(socket.AF_INET6, a)


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


class Asker:
    """Asks from B, with caches that know the way. ask(kind) sends; heard() is the kinds that were answered."""

    def __init__(self, vip4=VIP4, vip6=VIP6):
        self.vip4, self.vip6 = vip4, vip6
        run("ip", "neigh", "replace", vip4, "lladdr", MAC[A], "dev", "vb", "nud", "permanent", ns=B)
        run("ip", "neigh", "replace", vip6, "lladdr", MAC[A], "dev", "vb", "nud", "permanent", ns=B)
        with inside(B):
            self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.raw.bind(("vb", 3))
            self.icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            self.icmp6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        for s in (self.raw, self.icmp, self.icmp6):
            s.setblocking(False)

    def close(self):
        for s in (self.raw, self.icmp, self.icmp6):
            s.close()

    def ask(self, kind):
        me = mac_bytes(MAC[B])
        if kind == "arp":
            self.raw.send(b"\xff" * 6 + me + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + me + pack4(V4[B]) +
                          b"\0" * 6 + pack4(self.vip4))
        elif kind == "nd":
            vip = pack6(self.vip6)
            to = pack6("ff02::1:ff00:0")[:13] + vip[13:]
            body = struct.pack("!BBHI", 135, 0, 0, 0) + vip + b"\1\1" + me
            pseudo = pack6(V6[B]) + to + struct.pack("!II", len(body), 58)
            body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
            self.raw.send(b"\x33\x33" + to[12:] + me + struct.pack("!HIHBB", 0x86dd, 0x60000000, len(body), 58, 255) +
                          pack6(V6[B]) + to + body)
        elif kind == "icmp":
            head = struct.pack("!BBHHH", 8, 0, 0, 77, 1)
            self.icmp.sendto(head[:2] + struct.pack("!H", checksum(head)) + head[4:], (self.vip4, 0))
        elif kind == "icmp6":
            self.icmp6.sendto(struct.pack("!BBHHH", 128, 0, 0, 77, 1), (self.vip6, 0))
        else:
            family, vip = (socket.AF_INET, self.vip4) if kind == "tcp" else (socket.AF_INET6, self.vip6)
            with inside(B), socket.socket(family) as s:  # the SYN is enough: an answer to it is seen below
                s.setblocking(False)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.connect_ex((vip, PORT))
                time.sleep(0.002)

    def heard(self):
        """Kinds answered or announced from the address since the last call."""
        kinds = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                f = self.raw.recv(2048)
                if f[6:12] == mac_bytes(MAC[B]):
                    continue
                proto = f[12:14]
                if proto == b"\x08\x06" and f[28:32] == pack4(self.vip4):
                    kinds.add("arp")
                elif proto == b"\x08\x00" and f[26:30] == pack4(self.vip4):
                    kinds.add({1: "icmp", 6: "tcp"}.get(f[23]))
                elif proto == b"\x86\xdd" and f[20] == 58 and f[54] == 136 and f[62:78] == pack6(self.vip6):
                    kinds.add("nd")
                elif proto == b"\x86\xdd" and f[22:38] == pack6(self.vip6):
                    kinds.add({58: "icmp6", 6: "tcp6"}.get(f[20]))
        return kinds

    def answered(self, wait=0.1):
        self.heard()
        for kind in KINDS:
            self.ask(kind)
        kinds, end = set(), time.monotonic() + wait
        while time.monotonic() < end and kinds < set(KINDS):
            time.sleep(0.005)
            kinds |= self.heard()
        return kinds

    def last_answers(self, seconds):
        """kind -> ms of CLOCK_BOOTTIME when its last answer was seen, asking each 2 ms or so."""
        last, end = {}, time.monotonic() + seconds
        self.heard()
        while time.monotonic() < end:
            for kind in KINDS:
                self.ask(kind)
            for kind in self.heard():
                last[kind] = now_ms()
        return last


def set_up():
    for ns in (A, B, C):
        run("ip", "netns", "add", ns)
        run("ip", "link", "set", "lo", "up", ns=ns)
    link_up()
    run("ip", "link", "add", "vc", "netns", A, "type", "veth", "peer", "va", "netns", C)
    run("ip", "addr", "add", "10.9.2.1/24", "dev", "vc", ns=A)
    run("ip", "addr", "add", "10.9.2.2/24", "dev", "va", ns=C)
    run("ip", "addr", "add", FAR + "/32", "dev", "va", ns=C)
    run("ip", "link", "set", "vc", "up", ns=A)
    run("ip", "link", "set", "va", "up", ns=C)
    run("ip", "route", "add", "10.9.0.0/24", "via", "10.9.2.1", ns=C)
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", ns=A)
    with inside(A):
        server = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000)
    return server


def link_up():
    run("ip", "link", "add", "va", "address", MAC[A], "netns", A, "type", "veth",
        "peer", "vb", "address", MAC[B], "netns", B)
    for ns, dev in ((A, "va"), (B, "vb")):
        run("ip", "addr", "add", V4[ns] + "/24", "dev", dev, ns=ns)
        run("ip", "addr", "add", V6[ns] + "/64", "dev", dev, "nodad", ns=ns)
        run("ip", "link", "set", dev, "up", ns=ns)
    run("ip", "route", "add", "10.9.2.0/24", "via", V4[A], ns=B)
    addresses_up()
    time.sleep(0.3)


def addresses_up():
    run("ip", "addr", "replace", VIP4 + "/32", "dev", "va", "scope", "host", ns=A)
    run("ip", "addr", "replace", VIP6 + "/128", "dev", "va", "nodad", "preferred_lft", "0", ns=A)


def started():
    d = Driver()
    d.do(f"add 0 va {VIP4} {VIP6}")
    d.do("make")
    return d


# ---- what is promised ----


def shut_and_open():
    asker = Asker()
    verdict("without tables every question is answered", asker.answered() == set(KINDS), asker.answered())
    d = Driver()
    d.do(f"add 0 va {VIP4} {VIP6}")
    made = d.do("make")
    verdict("tables made, with those below IP", made == [0, 1], made)
    verdict("shut: nothing is answered though the addresses are there", asker.answered(0.3) == set())
    verdict("the host's own addresses are not touched",
            " 0% packet loss" in run("ping", "-c", "1", "-W", "2", V4[A], ns=B) and
            " 0% packet loss" in run("ping", "-c", "1", "-W", "2", V6[A], ns=B))
    verdict("ends says: not open", d.do("ends 0") == [-1])
    d.do("open 0 5000")
    verdict("open: every question is answered", asker.answered(1) == set(KINDS))
    left = d.do("ends 0")[0]
    verdict("ends says when", 4000 < left <= 5001, left)
    verdict("closed: nothing is answered", d.do("close 0") == [0] and asker.answered(0.3) == set())
    verdict("closing again is no error", d.do("close 0") == [0])
    comment = nft(f"list table inet {TABLE}")
    verdict("the table says what it is for", "svipd" in comment.split("comment", 1)[-1], comment[:300])
    d.fini()
    verdict("gone afterwards", nft("list ruleset") == "")
    asker.close()


def closing():
    d, asker = started(), Asker()
    verdict("what is shut can't be closing", d.do("closing 0")[0] in (ETIME, EAGAIN))
    d.do("open 0 5000")
    verdict("closing, and once more: only connections don't begin",
            d.do("closing 0") == [0] and d.do("closing 0") == [0] and asker.answered(0.3) == set(KINDS) - {"tcp", "tcp6"})
    d.do("renew 0 5000")
    verdict("a renewal leaves it so", asker.answered(0.3) == set(KINDS) - {"tcp", "tcp6"})
    d.do("close 0")
    verdict("then closed: nothing is answered", asker.answered(0.3) == set())
    d.do("open 0 5000")
    verdict("open again: every question is answered", asker.answered(1) == set(KINDS))
    d.do("open 0 300")
    d.do("closing 0")
    time.sleep(0.4)
    verdict("it ends with what was open", "elements" not in nft(f"list set inet {TABLE} closing4"),
            nft(f"list set inet {TABLE} closing4"))
    d.fini()
    asker.close()


def expiry():
    d, asker = started(), Asker()
    late = []
    for ms in (60, 130, 250, 330, 510):
        _, until, _ = d.do(f"open 0 {ms}")
        last = asker.last_answers(ms / 1000 + 0.15)
        late += [last.get(kind, 0) - until for kind in KINDS]
    # A question's answer may wait in this test's socket: the upper bound is the promise, the lower a sanity check.
    verdict(f"an end is kept within {LATE_MS} ms by every kind of answer",
            max(late) <= LATE_MS and min(late) > -60, f"{min(late):.1f} … {max(late):.1f} ms")
    _, until, _ = d.do("open 0 120")
    rc = [d.do("renew 0 400")[0] for _ in range(3)]
    verdict("renewed while it is open", rc == [0, 0, 0] and 300 < d.do("ends 0")[0] <= 401, rc)
    time.sleep(0.45)
    verdict("renewal after the end: ENOENT, nothing has changed",
            d.do("renew 0 1000")[0] == ENOENT and d.do("ends 0") == [-1] and asker.answered(0.2) == set())
    verdict("open for a moment that is over: ETIME",
            d.do("open 0 -5")[0] == ETIME and d.do("open 0 0")[0] == ETIME and d.do("ends 0") == [-1])
    # A time-out of less than a tick is none at all before Linux 6.12.
    rc = [d.do(f"open 0 {ms}")[0] for ms in (1, 3, 9)]
    verdict("less than a tick isn't given", rc == [ETIME] * 3 and d.do("ends 0") == [-1], rc)
    d.do("open 0 5000")
    verdict("open while open: the new end counts", d.do("open 0 1000")[0] == 0 and 500 < d.do("ends 0")[0] <= 1001)
    d.do("close 0")
    nft(f"add element inet {TABLE} alive4 {{ {VIP4} }}")
    d.wait_torn(1)
    verdict("an element that another hand has added without an end goes with a close",
            d.do("close 0") == [0] and "elements" not in nft(f"list set inet {TABLE} alive4"),
            nft(f"list set inet {TABLE} alive4"))
    d.fini()
    asker.close()


def late_orders():
    d, asker = started(), Asker()
    d.do("open 0 2000")
    d.do("late 2 300")  # token, then this one
    rc, until, _ = d.do("open 0 2000")
    verdict("an order that was late is tried anew, and keeps its own end",
            rc == 0 and d.do("ends 0")[0] <= until - now_ms() + 5, rc)
    d.do("close 0")
    d.do("late 2 300")
    rc, until, _ = d.do("open 0 150")
    verdict("an order that was so late that its end is over does nothing",
            rc == ETIME and d.do("ends 0") == [-1] and asker.answered(0.2) == set(), rc)
    d.do("open 0 400")
    d.do("late 2 600")
    rc, _, _ = d.do("renew 0 5000")
    verdict("a renewal that came after the end does nothing",
            rc == ENOENT and d.do("ends 0") == [-1] and asker.answered(0.2) == set(), rc)
    d.fini()
    asker.close()


def successor():
    d, asker = started(), Asker()
    d.do("open 0 30000")
    d.kill()
    verdict("killed: what was open stays so until its end", asker.answered(1) == set(KINDS))
    d = Driver()
    d.do(f"add 0 va {VIP4} {VIP6}")
    left = d.do("ends 0")[0]
    gaps, stop = [], threading.Event()

    def ask_all_the_time():
        while not stop.is_set():
            asker.heard()
            asker.ask("icmp")
            end = time.monotonic() + 0.5
            while "icmp" not in asker.heard():
                if time.monotonic() > end:
                    gaps.append(now_ms())
                    break

    asking = threading.Thread(target=ask_all_the_time)
    asking.start()
    made = [d.do("make")[0] for _ in range(20)]
    stop.set()
    asking.join()
    verdict("a successor makes the tables under it: no answer is missing", not any(made) and not gaps, (made, gaps))
    verdict("and knows the end, and renews", left > 20000 and 20000 < d.do("ends 0")[0] <= left and
            d.do("renew 0 60000")[0] == 0 and d.do("ends 0")[0] > 50000)
    d.fini(leave=True)
    verdict("left to a successor, the tables stay", TABLE in nft("list ruleset") and asker.answered(1) == set(KINDS))
    for family in ("inet", "arp", "netdev"):
        nft(f"delete table {family} {TABLE}")
    nft(f"add table inet {TABLE}")
    nft(f"add set inet {TABLE} vips4 {{ type inet_service; }}")
    nft(f"add chain inet {TABLE} in {{ type filter hook input priority 7; }}")
    d = started()
    verdict("tables of another shape are replaced", asker.answered(0.3) == set() and
            "prerouting" in nft(f"list chain inet {TABLE} in"), nft("list ruleset"))
    d.do(f"remove 0")
    d.do("make")
    verdict("an address that is no virtual one any more is free", asker.answered(1) == set(KINDS))
    d.fini()
    asker.close()


def other_hands():
    d, asker = started(), Asker()
    d.do("open 0 60000")
    for i, what in enumerate(("flush ruleset", f"delete table arp {TABLE}", f"flush set inet {TABLE} vips4",
                              f"delete element netdev {TABLE} alive4 {{ {VIP4} }}", f"flush chain inet {TABLE} out")):
        nft(what)
        heard = d.wait_torn(i + 1)
        rc = d.do("open 0 60000")[0]
        verdict(f"nft {what.split(' {')[0]}: heard, made again, open again",
                heard and d.torn == [0] * (i + 1) and rc == 0 and asker.answered(1) == set(KINDS), (d.torn, rc))
        time.sleep(0.15)
    seen = len(d.torn)
    nft("add table inet another")
    nft("add chain inet another c { type filter hook input priority 0; }")
    nft("delete table inet another")
    for _ in range(50):
        d.do("renew 0 60000")
    d.do("make")
    time.sleep(0.2)
    verdict("other tables, and what it does itself, wake it not", not d.wait_torn(seen + 1, 0.3), d.torn)
    start = time.monotonic()
    for _ in range(100):
        nft("flush ruleset")
    time.sleep(0.3)
    took = time.monotonic() - start
    d.do("ends 0")
    seen = len(d.torn) - seen
    verdict("a fight is fought every 100 ms at most", 1 <= seen <= took / 0.1 + 3, f"{seen} in {took:.2f} s")
    verdict("and won at the end", d.do("open 0 1000")[0] == 0 and asker.answered(1) == set(KINDS))
    d.p.send_signal(19)  # SIGSTOP
    nft("flush ruleset")
    nft(f"add table inet {TABLE}")
    many = "".join(f"add element inet another s {{ {i >> 8 & 255}.{i & 255}.0.1 }}\n" for i in range(60000))
    subprocess.run(["ip", "netns", "exec", A, "nft", "-f", "-"], check=True, text=True, input="add table inet another\n"
                   "add set inet another s { type ipv4_addr; }\n" + many + f"delete table inet {TABLE}\n")
    nft("delete table inet another")
    d.p.send_signal(18)
    seen = len(d.torn)
    heard = d.wait_torn(seen + 1)
    d.do("close 0")
    verdict("notifications that were lost are mended", heard and asker.answered(0.3) == set() and
            d.do("open 0 1000")[0] == 0 and asker.answered(1) == set(KINDS), d.torn)
    d.wait_torn(len(d.torn) + 1, 0.2)
    rc = d.do("flush\nopen 0 5000"), d.answer("open")
    verdict("opened before the loss was heard of", rc[1][0] == 0 and asker.answered(1) == set(KINDS), rc)
    verdict("one line in the log for all that", sum("another program" in line for line in d.log) == 1, "".join(d.log))
    d.fini()
    asker.close()


def interface():
    d = started()
    d.do("open 0 60000")
    run("ip", "link", "del", "va", ns=A)
    time.sleep(0.3)
    made = d.do("make")
    verdict("the interface is gone: the rest is made", made[0] == 0, made)
    verdict("and renewed", d.do("renew 0 60000")[0] == 0)
    n = len(d.torn)
    time.sleep(0.5)
    verdict("the kernel's own news of that don't go on for ever", not d.wait_torn(n + 3, 0.3), d.torn)
    link_up()
    made = d.do("make")
    asker = Asker()
    verdict("it has come again: fenced as before", made == [0, 1] and d.do("open 0 60000")[0] == 0 and
            asker.answered(1) == set(KINDS) and d.do("close 0") == [0] and asker.answered(0.3) == set(), made)
    asker.heard()
    d.do(f"announce va {VIP4}")
    d.do(f"announce va {VIP6}")
    time.sleep(0.1)
    verdict("below IP, too", asker.heard() == set())
    d.fini()
    d = Driver()
    d.do(f"add 0 nowhere {VIP4} {VIP6}")
    made = d.do("make")
    verdict("no such interface yet: the rest is fenced", made[0] == 0 and asker.answered(0.3) == set(), made)
    d.fini()
    asker.close()


def frames():
    d, asker = started(), Asker()
    asker.heard()
    seen = []
    for order in ("open 0 60000", "close 0"):
        d.do(order)
        d.do(f"announce va {VIP4}")
        d.do(f"announce va {VIP6}")
        d.do(f"announce va {V4[A]}")
        time.sleep(0.1)
        seen.append(asker.heard())
    verdict("announcements and questions leave while it is open, and not one when it is shut",
            seen == [{"arp", "nd", "icmp6"}, set()], seen)
    d.fini()
    asker.close()


def others_address():
    """This node is not the holder: it must reach and find the one that is."""
    d = Driver()
    d.do(f"add 0 va {VIP4} {VIP6} {FAR}")
    d.do("make")
    verdict("traffic that is only forwarded to the holder passes",
            " 0% packet loss" in run("ping", "-c", "2", "-i", "0.2", "-W", "2", FAR, ns=B, check=False))
    run("ip", "addr", "del", VIP4 + "/32", "dev", "va", ns=A)
    run("ip", "addr", "del", VIP6 + "/128", "dev", "va", ns=A)
    run("ip", "addr", "add", VIP4 + "/32", "dev", "vb", ns=B)
    run("ip", "addr", "add", VIP6 + "/128", "dev", "vb", "nodad", ns=B)
    pings = [" 0% packet loss" in run("ping", "-c", "1", "-W", "2", vip, ns=A, check=False) for vip in (VIP4, VIP6)]
    verdict("this host reaches the holder", pings == [True, True], pings)
    for vip in (VIP4, VIP6):
        run("ip", "neigh", "replace", vip, "lladdr", "02:00:00:00:09:99", "dev", "va", "nud", "stale", ns=A)
    with inside(B), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("vb", 0x806))
        me, vip = mac_bytes(MAC[B]), pack4(VIP4)
        raw.send(b"\xff" * 6 + me + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + me + vip + b"\0" * 6 + vip)
        vip = pack6(VIP6)
        body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + vip + b"\2\1" + me
        pseudo = vip + pack6("ff02::1") + struct.pack("!II", len(body), 58)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        raw.send(b"\x33\x33\0\0\0\1" + me + struct.pack("!HIHBB", 0x86dd, 0x60000000, len(body), 58, 255) + vip +
                 pack6("ff02::1") + body)
    time.sleep(0.2)
    known = run("ip", "neigh", "show", "dev", "va", ns=A)
    verdict("this host follows the holder's announcements",
            all(any(line.startswith(vip + " ") and MAC[B] in line for line in known.splitlines())
                for vip in (VIP4, VIP6)), known)
    d.fini()
    run("ip", "addr", "del", VIP4 + "/32", "dev", "vb", ns=B)
    run("ip", "addr", "del", VIP6 + "/128", "dev", "vb", ns=B)
    run("ip", "neigh", "flush", "all", ns=A)
    addresses_up()


def many():
    def hundred(slot):
        return [f"10.8.{slot}.{i}" for i in range(1, 65)] + [f"fd08::{slot:x}:{i:x}" for i in range(1, 65)]

    d = Driver()
    for slot in range(20):
        d.do(f"add {slot} va " + " ".join(hundred(slot)))
    start = time.monotonic()
    made = d.do("make")
    took = (time.monotonic() - start) * 1000
    rc = [d.do(f"open {slot} 60000")[0] for slot in range(20)] + [d.do(f"renew {slot} 60000")[0] for slot in range(20)]
    listed = nft(f"list set netdev {TABLE} alive6").count("expires")
    verdict("20 times 128 addresses", made == [0, 1] and not any(rc) and listed == 20 * 64, f"{made} {rc} {listed} "
            f"made in {took:.0f} ms")
    nft(f"delete element inet {TABLE} alive4 {{ 10.8.11.7 }}")
    d.wait_torn(1)
    rc = [d.do(f"renew {slot} 60000")[0] for slot in (10, 11, 12)]
    verdict("one element of one instance is missing: it fails as a whole, the others don't", rc == [0, ENOENT, 0], rc)
    rc = d.do("open 11 60000")
    verdict("and can be opened again", rc[0] == 0 and d.do("ends 11")[0] > 50000, rc)
    verdict("all closed", all(d.do(f"close {slot}") == [0] for slot in range(20)) and
            "expires" not in nft("list ruleset"))
    d.fini()


def self_test():
    d = Driver()
    start = d.do("probe")
    time.sleep(0.25)
    verdict("the self-test proves that elements run out, and leaves nothing",
            start == [0, 1] and d.do("proved") == [0] and nft("list ruleset") == "", nft("list ruleset"))
    d.fini()


def costs():
    d = Driver()
    d.do(f"add 0 va {VIP4}")
    d.do(f"add 1 va {VIP6}")
    d.do("add 2 va " + " ".join(f"10.9.1.{i}" for i in range(1, 101)))
    d.do("make")
    text = []
    for slot, what in enumerate(("one IPv4", "one IPv6", "100 IPv4")):
        for order in ("open", "renew", "close"):
            rc, median, p99, worst = d.do(f"bench {order} {slot} 1000")
            text.append(f"{what} {order}: median {median} us, p99 {p99}, worst {worst}")
            assert rc == 0
    verdict("a thousand orders of each kind", True, "\n".join(text))
    d.fini()


PARTS = (shut_and_open, closing, expiry, late_orders, successor, other_hands, interface, frames, others_address, many,
         self_test, costs)


def main():
    only = sys.argv[2:]
    try:
        server = set_up()
        for part in PARTS:
            if not only or part.__name__ in only:
                part()
        server.close()
        print(f"1..{count}")
    finally:
        for ns in (A, B, C):
            run("ip", "netns", "del", ns, check=False)
    return 1 if failed else 0


sys.exit(main())
