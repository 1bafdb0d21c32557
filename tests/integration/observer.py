# SPDX-License-Identifier: BSD-2-Clause
"""Witnesses outside of svipd: who held which virtual address when, who answers for it, what a client feels.

Observer        every host's address notifications, in the kernel's own order; finds two holders
Prober          asks for the addresses by ARP and neighbour solicitation; finds two answerers
Writer          writes through the address; knows the outage and what was acknowledged
SentinelPoller  who each Sentinel names, every 2 ms

All times are seconds of CLOCK_BOOTTIME. Each runs in a process of its own; results are read with methods.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import time
from dataclasses import dataclass

import netns
from netns import Child, now
from resp import Resp, RespError, encode

SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
NETLINK_LISTEN_ALL_NSID = 8
NETLINK_NETFILTER = 12
NFNLGRP_NFTABLES = 7
NFT_NEWTABLE, NFT_DELTABLE, NFT_NEWSETELEM, NFT_DELSETELEM, NFT_NEWGEN = (10 << 8 | n for n in (0, 2, 12, 14, 15))
NFPROTO_INET = 1
RTM_NEWADDR, RTM_DELADDR = 20, 21
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO = 1, 2, 6
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35


class Recorded:
    """In the place of a Child: what it has recorded."""

    def __init__(self, records):
        self.records = records

    def fetch(self):
        return self.records


@dataclass
class Hold:
    """One host has one address from start to end (None: still)."""

    vip: str
    host: str
    start: float
    end: float | None = None
    excuse: str | None = None

    def __str__(self):
        end = "…" if self.end is None else f"{self.end:.6f}"
        return f"{self.host} has {self.vip} {self.start:.6f} … {end}"


class Observer:
    """Watches all hosts' addresses by one rtnetlink socket that listens to all their namespaces.

    One queue of one socket: adds and deletes of different hosts are seen in the order in which the kernel has
    made them, however late this process wakes up. So two holders are found from the order alone; the times
    (at receipt) are for people; lag_ms() compares them with the kernel's own stamps.

    A second socket watches svipd's packet filter: an address that is there but whose element has run out answers nobody, so
    its hold has ended. The end is the receipt of the element's last word plus its time-out, never too early.
    """

    def __init__(self, ns, hosts, vips):
        """ns: a namespace in which every host's has an nsid; hosts: nsid -> name; vips: addresses as text."""
        self._off = []      # (host, when)
        self._on = []
        self._excuses = []  # (host, vip, from, reason)
        wanted = {}
        for vip in vips:
            family = socket.AF_INET6 if ":" in vip else socket.AF_INET
            wanted[socket.inet_pton(family, vip)] = vip
        self._child = Child(ns, lambda child: _watch_addresses(child, hosts, wanted), realtime=True)

    @classmethod
    def of(cls, records, off=()):
        """The same checks of what an observer has recorded before. off: (host, when) of each power_off()."""
        self = cls.__new__(cls)
        self._off, self._on, self._excuses, self._child = list(off), [], [], Recorded(records)
        return self

    def records(self):
        """All so far as they came, the packet filter's included. For of()."""
        return self._child.fetch()

    def events(self):
        """All so far: dicts with t, host, vip, what ("add", "del", "less", "renew")."""
        return [e for e in self._child.fetch() if e["what"] not in ("fence", "table")]

    def holds(self, vip=None):
        """All holds so far, in the order of their start."""
        return self._replay()[0] if vip is None else [h for h in self._replay()[0] if h.vip == vip]

    def holders(self, vip):
        """The hosts that hold the address now."""
        return {h.host for h in self.holds(vip) if h.end is None}

    def moves(self, vip):
        """The hosts that held the address, one after the other."""
        return [h.host for h in self.holds(vip)]

    def renewals(self, vip):
        return sum(e["what"] == "renew" and e["vip"] == vip for e in self.events())

    def power_off(self, host, when):
        self._off.append((host, when))

    def offs(self):
        """(host, when) of each power_off()."""
        return self._off

    def power_on(self, host, when):
        self._on.append((host, when))

    def excuse(self, host, vip, reason):
        """The next hold of this host is not svipd's fault. The test itself must look at how long it was."""
        self._excuses.append((host, vip, now(), reason))

    def violations(self):
        """Two holders of one address, as texts."""
        return self._replay()[1]

    def check(self):
        found = self.violations()
        if found:
            raise AssertionError("two holders:\n" + "\n".join(found))

    def lag_ms(self):
        """How much later than the quickest the slowest notification was seen, by the kernel's 10 ms stamps."""
        lags = [e["lag_ms"] for e in self.events() if "lag_ms" in e]
        return max(lags) - min(lags) if lags else 0.0

    def _replay(self):
        holds, now_held, found = [], {}, []
        open_until, tables = {}, {}  # of the packet filter; no table: open
        excuses = list(self._excuses)
        marks = sorted(self._off, key=lambda m: m[1])

        def end(hold, when):
            hold.end = when
            del now_held[hold.vip, hold.host]

        def power(until):
            while marks and marks[0][1] <= until:
                host, when = marks.pop(0)
                for hold in [h for h in now_held.values() if h.host == host]:
                    end(hold, when)

        def begin(key, when):
            hold = Hold(*key, when)
            for x in excuses:
                if x[0] == hold.host and x[1] == hold.vip and x[2] <= hold.start:
                    hold.excuse = x[3]
                    excuses.remove(x)
                    break
            now_held[key] = hold
            holds.append(hold)
            meet(hold, when)

        def is_open(key, when):
            return open_until.get(key, tables.get(key[1], float("inf"))) >= when

        def meet(hold, when):
            if not is_open((hold.vip, hold.host), when):
                return
            others = [h for h in now_held.values() if h.vip == hold.vip and h is not hold and not h.excuse
                      and not hold.excuse and is_open((h.vip, h.host), when)]
            found.extend((hold, other) for other in others)

        for e in self._child.fetch():
            if e["what"] == "lost":
                found.append("the observer has lost notifications")
                continue
            power(e["t"])
            if e["what"] == "table":
                tables[e["host"]] = 0.0 if e["there"] else float("inf")
                for key in [k for k in open_until if k[1] == e["host"] and not e["there"]]:
                    del open_until[key]
                continue
            key = e["vip"], e["host"]
            if e["what"] == "fence":
                was_open = is_open(key, e["t"])
                if key in now_held and open_until.get(key, 0.0) and not was_open and e["until"] > e["t"]:
                    end(now_held[key], open_until[key])  # it had run out: what follows is another hold
                    open_until[key] = e["until"]
                    begin(key, e["t"])
                    continue
                open_until[key] = e["until"]
                if key in now_held and not was_open:
                    meet(now_held[key], e["t"])
            elif e["what"] == "del":
                if key in now_held:
                    end(now_held[key], min(e["t"], max(open_until.get(key, e["t"]), now_held[key].start)))
            elif e["what"] == "add" and key not in now_held:
                begin(key, e["t"])
        for key, hold in list(now_held.items()):
            if hold.start < open_until.get(key, float("inf")) < now():
                end(hold, open_until[key])
        power(float("inf"))
        texts = []
        for item in found:
            if isinstance(item, str):
                texts.append(item)
                continue
            ends = [h.end for h in item if h.end is not None]
            length = f"{(min(ends) - item[0].start) * 1000:.3f} ms" if ends else "still"
            texts.append(f"two holders ({length}): {item[1]}, but {item[0]}")
        return holds, texts

    def kill(self):
        self._child.kill()


def _watch_addresses(child, hosts, wanted):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.bind((0, 0))
    sock.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
    for group in (5, 9):  # RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR
        sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    sock.setblocking(False)
    child.watch(sock)
    fences = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    fences.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    fences.bind((0, 0))
    fences.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
    fences.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
    fences.setblocking(False)
    child.watch(fences)
    gone = {}
    copies = {}  # a host may have an address more than once: it holds until the last copy has gone
    while (ready := child.wait()) is not None:
        if fences.fileno() in ready:
            _note_fences(child, fences, hosts, wanted, gone)
        if sock.fileno() not in ready:
            continue
        data, host = _read_host(child, sock, hosts)
        if data is None:
            continue
        t = now()
        ticks = time.monotonic() * 100
        for kind, address, copy, stamp in _addresses(data):
            vip = wanted.get(address)
            if host is None or vip is None:
                continue
            there = copies.setdefault((host, vip), set())
            before = len(there)
            (there.discard if kind == RTM_DELADDR else there.add)(copy)
            if kind == RTM_DELADDR:
                what = "less" if there else "del"
            else:
                what = "renew" if before else "add"
            record = {"t": t, "host": host, "vip": vip, "what": what}
            if kind == RTM_NEWADDR and stamp is not None:
                record["lag_ms"] = round((ticks - stamp) * 10, 1)
            child.records.append(record)


def _read_host(child, sock, hosts):
    """(datagram, the host it comes from), or (None, None)."""
    try:
        data, ancillary, _, _ = sock.recvmsg(1 << 16, 64)
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            child.records.append({"t": now(), "what": "lost"})
        return None, None
    nsid = next((struct.unpack("i", d[:4])[0] for level, kind, d in ancillary
                 if level == SOL_NETLINK and kind == NETLINK_LISTEN_ALL_NSID), -1)
    return data, hosts.get(nsid)


def _attributes(data):
    """type -> [payload] of netlink attributes."""
    found, at = {}, 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found.setdefault(kind & 0x3fff, []).append(data[at + 4:at + length])
        at += (length + 3) & ~3
    return found


def _note_fences(child, sock, hosts, wanted, gone):
    """What svipd's inet table lets through, and until when; and the table itself.

    gone: host -> addresses deleted in the transaction under way. A renewal deletes and adds, in several datagrams when there
    are many addresses; only the new generation ends it.
    """
    while True:
        data, host = _read_host(child, sock, hosts)
        if data is None:
            return
        t, at = now(), 0
        while at + 20 <= len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            if size < 20:
                break
            body, family = data[at + 20:at + size], data[at + 16]
            at += (size + 3) & ~3
            if host is not None and kind == NFT_NEWGEN:
                child.records.extend({"t": t, "host": host, "vip": vip, "what": "fence", "until": t} for vip in gone.pop(host, ()))
            if host is None or family != NFPROTO_INET or kind not in (NFT_NEWTABLE, NFT_DELTABLE, NFT_NEWSETELEM,
                                                                      NFT_DELSETELEM):
                continue
            attrs = _attributes(body)
            if not attrs.get(1, [b""])[0].startswith(b"svipd-") or attrs[1][0].startswith(b"svipd-check"):
                continue
            if kind in (NFT_NEWTABLE, NFT_DELTABLE):
                child.records.append({"t": t, "host": host, "what": "table", "there": kind == NFT_NEWTABLE})
                continue
            if not attrs.get(2, [b""])[0].startswith(b"alive"):
                continue
            for element in _attributes(attrs.get(3, [b""])[0]).get(1, []):
                parts = _attributes(element)
                key = _attributes(parts.get(1, [b""])[0]).get(1, [b""])[0]
                left = struct.unpack("!Q", (parts.get(5) or parts.get(4) or [bytes(8)])[0])[0] / 1000
                if key not in wanted:
                    continue
                if kind == NFT_DELSETELEM:
                    gone.setdefault(host, set()).add(wanted[key])
                    continue
                gone.get(host, set()).discard(wanted[key])
                child.records.append({"t": t, "host": host, "vip": wanted[key], "what": "fence", "until": t + left})


def _addresses(data):
    """(type, address, (interface, prefix length, the other end), tstamp) of each address message in a datagram."""
    at = 0
    while at + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        if size < 16:
            return
        if kind in (RTM_NEWADDR, RTM_DELADDR):
            address = local = stamp = None
            prefix, index = struct.unpack_from("=xBxxI", data, at + 16)
            a = at + 16 + 8
            while a + 4 <= at + size:
                length, attr = struct.unpack_from("=HH", data, a)
                if length < 4:
                    break
                body = data[a + 4:a + length]
                if attr == IFA_ADDRESS:
                    address = body
                elif attr == IFA_LOCAL:
                    local = body
                elif attr == IFA_CACHEINFO:
                    stamp = struct.unpack_from("=IIII", body)[3]
                a += (length + 3) & ~3
            yield kind, local or address, (index, prefix, address), stamp
        at += (size + 3) & ~3


# ---- who answers for an address ----

class Prober:
    """Asks for each address every `period` seconds from the client's namespace and notes who answers and who
    announces, by the capture times of the client's kernel."""

    def __init__(self, client, vips, macs, period=0.02):
        """client: a Host; macs: MAC -> host's name."""
        self._macs = macs
        self._child = Child(client.ns, lambda child: _probe(child, client, vips, period), realtime=True)

    @classmethod
    def of(cls, records, macs):
        """The same checks of what a prober has recorded before."""
        self = cls.__new__(cls)
        self._macs, self._child = macs, Recorded(records)
        return self

    def records(self):
        """All so far as they came. For of()."""
        return self._child.fetch()

    def know(self, macs):
        """More MACs of hosts: MAC -> host's name."""
        self._macs = {**self._macs, **macs}

    def answers(self, vip=None):
        """All answers so far: dicts with t, vip, host (or MAC), kind ("answer", "announce"), probe (number)."""
        found = self._child.fetch()
        return [dict(r, host=self._macs.get(r["mac"], r["mac"])) for r in found if vip in (None, r["vip"])]

    def violations(self, observer, slack=0.05, late=lambda host, t: 0.0):
        """Two hosts that answer the same question, and answers of a host that didn't hold the address.

        late(host, t): for how long a frame may have been under way, in seconds. What two hosts said isn't compared then.
        """
        found, first = [], {}
        holds = {}
        for h in observer.holds():
            holds.setdefault((h.vip, h.host), []).append(h)
        for r in self.answers():
            mine = holds.get((r["vip"], r["host"]), [])
            delay = late(r["host"], r["t"])
            hold = next((h for h in mine if h.start - slack <= r["t"] <= (h.end or float("inf")) + slack + delay), None)
            if hold is None:
                found.append(f"{r['host']} {r['kind']}s for {r['vip']} at {r['t']:.6f} without holding it")
            elif not hold.excuse and r["kind"] == "answer" and not delay:
                other = first.setdefault((r["vip"], r["probe"]), r)
                if other["host"] != r["host"]:
                    found.append(f"{other['host']} and {r['host']} both answer for {r['vip']} at {r['t']:.6f}")
        return found[:20]

    def kill(self):
        self._child.kill()


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _arp_request(mac, address, vip):
    return (b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
            + mac + socket.inet_aton(address) + bytes(6) + socket.inet_aton(vip))


def _solicitation(mac, address, vip):
    source, target = (socket.inet_pton(socket.AF_INET6, a) for a in (address, vip))
    group = bytes.fromhex("ff0200000000000000000001ff") + target[-3:]
    body = bytes([135, 0, 0, 0, 0, 0, 0, 0]) + target + b"\x01\x01" + mac
    total = _checksum(source + group + struct.pack("!II", len(body), 58) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    return (b"\x33\x33" + group[-4:] + mac + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
            + source + group + body)


def _heard(frame, own):
    """(address, MAC, kind) when the frame says where an address is, else None."""
    if frame[6:12] == own:
        return None
    if frame[12:14] == b"\x08\x06" and len(frame) >= 42:
        op, sender, spa, tpa = frame[21], frame[22:28], frame[28:32], frame[38:42]
        if op == 2 and frame[:6] == own:
            return socket.inet_ntoa(spa), sender.hex(":"), "answer"
        if op == 2 or spa == tpa:
            return socket.inet_ntoa(spa), sender.hex(":"), "announce"
    if frame[12:14] == b"\x86\xdd" and len(frame) >= 78 and frame[20] == 58 and frame[54] == 136:
        kind = "answer" if frame[58] & 0x40 else "announce"
        return socket.inet_ntop(socket.AF_INET6, frame[62:78]), frame[6:12].hex(":"), kind
    return None


def _probe(child, client, vips, period):

    mac = bytes.fromhex(client.mac.replace(":", ""))
    socks = {}
    kinds = {0x86dd if ":" in v else 0x0806 for v in vips}
    for kind in kinds:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind(("eth0", kind))
        sock.setblocking(False)
        child.watch(sock)
        socks[sock.fileno()] = sock
    any_sock = next(iter(socks.values()))
    questions = [_solicitation(mac, client.ip6, v) if ":" in v else _arp_request(mac, client.ip4, v) for v in vips]
    number, due = 0, now()
    while (ready := child.wait(due - now())) is not None:
        for fd in ready:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, ancillary, _, _ = socks[fd].recvmsg(2048, 64)
                    said = _heard(frame, mac)
                    if said and said[0] in vips:
                        stamp = next(struct.unpack("qq", d[:16]) for level, kind, d in ancillary
                                     if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
                        t = stamp[0] + stamp[1] / 1e9 - time.time() + now()
                        child.records.append({"t": round(t, 6), "vip": said[0], "mac": said[1], "kind": said[2],
                                              "probe": number})
        if now() >= due:
            number += 1
            for question in questions:
                with contextlib.suppress(OSError):
                    any_sock.send(question)
            due = max(due + period, now())


# ---- what a client feels ----

class Writer:
    """Writes through the virtual address, one acknowledged SET after the other, `rate` times a second.

    Each key is written once ("w:TAG:NUMBER"), so afterwards it is known what was lost.
    """

    def __init__(self, ns, vip, port=6379, rate=200, timeout=0.1):
        self.tag = os.urandom(4).hex()
        self.started = now()
        self._child = Child(ns, lambda child: _write(child, vip, port, 1 / rate, timeout, self.tag))

    def acks(self):
        """(number, asked, answered) of every acknowledged write."""
        return [r for r in self._child.fetch() if len(r) == 3]

    def wait_writing(self, timeout=15):
        """Waits for a write that was asked after this call and is acknowledged; returns when it was."""
        start = now()
        return netns.wait_until(lambda: next((a[2] for a in reversed(self.acks()) if a[1] > start), None), timeout,
                                "a write through the virtual address is acknowledged")

    def outage(self, since=0.0, until=None):
        """(seconds, from, to): the longest gap between acknowledged writes that ends after `since`."""
        times = [a[2] for a in self.acks()] + [until or now()]
        gaps = [(b - a, a, b) for a, b in zip(times, times[1:]) if b > since]
        return max(gaps, default=(0.0, since, since))

    def missing(self, connection, since=0.0):
        """The numbers of the writes acknowledged after `since` that are not there, asked of a Redis."""
        numbers, found = [a[0] for a in self.acks() if a[2] > since], []
        for i in range(0, len(numbers), 500):
            some = numbers[i:i + 500]
            found += [n for n, value in zip(some, connection.call("MGET", *(f"w:{self.tag}:{n}" for n in some))) if value is None]
        return found

    def lost(self, connection, since=0.0):
        """How many writes acknowledged after `since` are not there, asked of a Redis."""
        return len(self.missing(connection, since))

    def kill(self):
        self._child.kill()


def _write(child, vip, port, period, timeout, tag):
    link, number, due = None, 0, now()
    while child.wait(due - now()) is not None:
        if now() < due:
            continue
        due = max(due + period, now())
        number += 1
        try:
            link = link or Resp(vip, port, timeout=timeout)
            asked = now()
            if link.call("SET", f"w:{tag}:{number}", number) == "OK":
                child.records.append((number, asked, now()))
        except (OSError, ValueError, RespError):
            if link:
                link.close()
            link = None


class Subscriber:
    """A client that is subscribed through the virtual address and otherwise silent; knows when it was cut off."""

    def __init__(self, ns, vip, port=6379):
        self._child = Child(ns, lambda child: _subscribe(child, vip, port))

    def ended(self):
        """When the connection ended, or None."""
        return next((r["t"] for r in self._child.fetch() if r["what"] == "end"), None)

    def subscribed(self):
        return any(r["what"] == "begin" for r in self._child.fetch())

    def kill(self):
        self._child.kill()


def _subscribe(child, vip, port):
    link = Resp(vip, port)
    link.call("SUBSCRIBE", "quiet")
    child.records.append({"what": "begin", "t": now()})
    child.watch(link.sock)
    while (ready := child.wait()) is not None:
        if ready:
            try:
                alive = bool(link.sock.recv(4096))
            except OSError:
                alive = False
            if not alive:
                child.records.append({"what": "end", "t": now()})
                child.forget(link.sock)


class SentinelPoller:
    """Asks each Sentinel for the master every `period` seconds, each from inside its own host. Independent of svipd."""

    def __init__(self, hosts, name, port=26379, period=0.002, silence=float("inf"), every=float("inf")):
        """hosts: name -> Host of each Sentinel; name: of the master. An answer that is like the last one is noted, too,
        when it is the first for `silence` seconds, and once in `every` seconds."""
        self._total = len(hosts)
        self._child = Child(None, lambda child: _poll_sentinels(child, hosts, name, port, period, silence, every), realtime=True)

    def changes(self):
        """Dicts with sentinel, address, asked, heard, and before: when its last answer was asked (None: the first).
        A Sentinel's answer differs from its last one (or see __init__)."""
        return self._child.fetch()

    def majority_since(self, address, after=0.0):
        """When a majority of all Sentinels was first heard to name this address, after a time; None: never."""
        says = {}
        for c in self.changes():
            says[c["sentinel"]] = c["address"]
            if list(says.values()).count(address) > self._total // 2 and c["heard"] >= after:
                return c["heard"]
        return None

    def kill(self):
        self._child.kill()


def _poll_sentinels(child, hosts, name, port, period, silence, every):
    question = encode("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    links, last, asked, buffers, retry = {}, {}, {}, {}, {}
    before, noted = {}, {}

    def drop(host):
        child.forget(links[host])
        links.pop(host).close()
        asked.pop(host, None)
        retry[host] = now() + 0.05

    due = now()
    while (ready := child.wait(due - now())) is not None:
        for host in [h for h, s in links.items() if s.fileno() in ready]:
            try:
                data = links[host].recv(4096)
            except OSError:
                data = b""
            if not data:
                drop(host)
                continue
            buffers[host] += data
            parts = buffers[host].split(b"\r\n")
            if len(parts) >= 6 and parts[0] == b"*2":
                buffers[host] = b""
                address = parts[2].decode()
                t = now()
                if last.get(host) != address or t - before.get(host, t) > silence or t - noted.get(host, t) > every:
                    last[host], noted[host] = address, t
                    child.records.append({"sentinel": host, "address": address, "asked": asked[host], "heard": t,
                                          "before": before.get(host)})
                before[host] = asked.pop(host)
        if now() < due:
            continue
        due = max(due + period, now())
        for host, h in hosts.items():
            try:
                if host not in links and now() >= retry.get(host, 0):
                    with netns.inside(h.ns):
                        sock = socket.create_connection(("127.0.0.1", port), 0.05)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.setblocking(False)
                    child.watch(sock, select.POLLIN)
                    links[host], buffers[host] = sock, b""
                if host in links and host not in asked:
                    asked[host] = now()
                    links[host].send(question)
            except OSError:
                if host in links:
                    drop(host)
                else:
                    retry[host] = now() + 0.05
