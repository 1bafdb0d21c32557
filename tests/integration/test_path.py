# SPDX-License-Identifier: BSD-2-Clause
"""The path after the switch: how soon the network is told where an address is, and whether caches that ignore announcements
are right at once."""

import contextlib
import json
import os
import socket
import statistics
import struct
import time

import fakesentinel
import netns
import pytest
from cluster import Instance
from fakesentinel import FakeSentinel
from netns import Child, ip, now, wait_until
from observer import SO_RCVBUFFORCE, SO_TIMESTAMPNS

VIP, VIP6 = "10.77.0.50", "fd77::50"
BOTH = [Instance(vips=(VIP, VIP6))]
TAKES = int(os.environ.get("SVIP_TAKES", "12"))
HEARTBEATS, SENTINEL = 27000, 26379


# ---- what leaves and reaches a host ----

class Tap:
    """What a host's eth0 sends and gets, by the kernel's own stamps: dicts with t, kind, about (and whom, to: a MAC).

    announce   gratuitous ARP, or an unsolicited advertisement, by the host, about an address
    question   an ARP request or a neighbour solicitation by the host, from an address
    input      a Sentinel's reply or a heartbeat that has come
    """

    def __init__(self, host):
        self._child = Child(host.ns, lambda child: _tap(child, bytes.fromhex(host.mac.replace(":", ""))), realtime=True)

    def heard(self, kind, about=None, since=0.0):
        return [r for r in self._child.fetch() if r["kind"] == kind and r["t"] > since and about in (None, r["about"])]

    def kill(self):
        self._child.kill()


def _read(frame, own):
    """A record without its time, or None."""
    sent = frame[6:12] == own
    if frame[12:14] == b"\x08\x06" and sent:
        sender, target = (socket.inet_ntoa(frame[i:i + 4]) for i in (28, 38))
        kind = "announce" if frame[21] == 2 and frame[:6] == b"\xff" * 6 or sender == target else "question"
        return {"kind": kind, "about": sender, "whom": target, "to": frame[:6].hex(":")} if kind == "announce" or frame[21] == 1 else None
    if frame[12:14] == b"\x86\xdd" and sent and frame[20] == 58 and frame[54] in (135, 136):
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[i:i + 16]) for i in (22, 62))
        if frame[54] == 135:
            return {"kind": "question", "about": source, "whom": target, "to": frame[:6].hex(":")}
        return {"kind": "announce", "about": target, "whom": "", "to": ""} if not frame[58] & 0x40 else None
    if frame[12:14] == b"\x08\x00" and not sent:
        start = 14 + (frame[14] & 15) * 4
        source, target = struct.unpack_from("!HH", frame, start)
        size = struct.unpack_from("!H", frame, 16)[0] - (start - 14)
        if frame[23] == 17 and target == HEARTBEATS:
            return {"kind": "input", "about": "heartbeat"}
        if frame[23] == 6 and source == SENTINEL and size > (frame[start + 12] >> 4) * 4:
            return {"kind": "input", "about": "sentinel"}
    return None


def _tap(child, own):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind(("eth0", 3))
    sock.setblocking(False)
    child.watch(sock)
    while child.wait() is not None:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, ancillary, _, _ = sock.recvmsg(256, 64)
                record = _read(frame, own)
                if record:
                    stamp = next(struct.unpack("qq", d[:16]) for level, kind, d in ancillary
                                 if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
                    child.records.append({"t": stamp[0] + stamp[1] / 1e9 - time.time() + now(), **record})


# ---- caches ----

def cached(c, name="client"):
    """address -> (MAC, state) of the virtual addresses in a host's caches."""
    return {n["dst"]: (n.get("lladdr"), n["state"][0]) for n in json.loads(netns.run(c.hosts[name].ns, "ip", "-j", "neigh"))
            if n["dst"] in (VIP, VIP6)}


def deafen(c, name="client"):
    """A host takes no notice of announcements: gratuitous ARP of either form, unsolicited advertisements."""
    netns.run(c.hosts[name].ns, "nft", "-f", "-", text=f"""
        table arp deaf {{ chain c {{ type filter hook input priority 0; arp daddr ip {VIP} drop; }}; }}
        table ip6 deaf {{ chain c {{ type filter hook input priority 0; ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert drop; }}; }}
        """)


def ping(c, name, *targets):
    for target in targets:
        netns.run(c.hosts[name].ns, "ping", "-q", "-c", "1", "-W", "2", target)


def move(c):
    """A planned failover away from h1; returns the new holder and when it was asked for."""
    c.wait_sentinels()
    since = now()
    c.sentinel_failover(via="h2")
    return c.wait_settled(but=["h1"]), since


@pytest.mark.parametrize("state", ["reachable", "stale"])
@pytest.mark.parametrize("deaf", [True, False], ids=["deaf", "hears"])
def test_a_cache_is_right_at_once_after_a_move(make_cluster, record, state, deaf):
    c = make_cluster(instances=BOTH, probe=False)
    client = c.hosts["client"]
    if deaf:
        deafen(c)
    # Everybody knows the client, as one who has been asked by it.
    for name in ("h2", "h3"):
        ping(c, "client", c.hosts[name].ip4, c.hosts[name].ip6)
    ping(c, "client", VIP, VIP6)
    for vip in (VIP, VIP6):
        ip(f"neigh replace {vip} lladdr {c.hosts['h1'].mac} dev eth0 nud {state}", ns=client.ns)
    taps = {name: c.add(Tap(c.hosts[name])) for name in ("h2", "h3")}
    new, since = move(c)
    right = {vip: c.hosts[new].mac for vip in (VIP, VIP6)}
    wait_until(lambda: {vip: mac for vip, (mac, _) in cached(c).items()} == right, 1,
               lambda: f"the client knows {new}'s MAC: {cached(c)}")
    for vip, own in ((VIP, client.ip4), (VIP6, client.ip6)):
        first = taps[new].heard("announce", vip, since)[0]["t"]
        asked = wait_until(lambda: [q for q in taps[new].heard("question", vip, since) if q["whom"] == own], 3, "asked")
        assert {q["to"] for q in asked} == {client.mac}, "by unicast"
        assert first < asked[0]["t"], "announced first"
        record(f"first announcement to question, IPv{6 if ':' in vip else 4}", (asked[0]["t"] - first) * 1000)
    ping(c, "client", VIP, VIP6)
    # Once more with the third step of the schedule, and then never.
    time.sleep(3)
    for vip, own in ((VIP, client.ip4), (VIP6, client.ip6)):
        assert len([q for q in taps[new].heard("question", vip, since) if q["whom"] == own and q["to"] == client.mac]) == 2


def test_the_gateway_is_asked_also_when_its_mac_is_unknown(make_cluster):
    c = make_cluster(instances=BOTH, probe=False, extra=["gw"])
    gw = c.hosts["gw"]
    deafen(c, "gw")
    for name in c.nodes:
        ip(f"route add default via {gw.ip4}", f"route add default via {gw.ip6} dev eth0", ns=c.hosts[name].ns)
    ping(c, "gw", VIP, VIP6)
    for name in c.nodes:
        ip(f"neigh flush to {gw.ip4} dev eth0", f"neigh flush to {gw.ip6} dev eth0", ns=c.hosts[name].ns, check=False)
    new, _ = move(c)
    right = {vip: c.hosts[new].mac for vip in (VIP, VIP6)}
    wait_until(lambda: {vip: mac for vip, (mac, _) in cached(c, "gw").items()} == right, 1, lambda: f"{cached(c, 'gw')}")


def test_a_crowd_of_neighbours_is_asked_within_bounds_and_the_hold_goes_on(make_cluster, record):
    c = make_cluster(probe=False)
    crowd = [f"10.77.{4 + i // 150}.{i % 150 + 1}" for i in range(300)]
    for name in ("h2", "h3"):
        ip(*(f"neigh replace {a} lladdr 02:77:01:00:{i // 150:02x}:{i % 150:02x} dev eth0 nud permanent" for i, a in enumerate(crowd)),
           ns=c.hosts[name].ns)
    taps = {name: c.add(Tap(c.hosts[name])) for name in ("h2", "h3")}
    new, since = move(c)
    time.sleep(3)
    asked = taps[new].heard("question", VIP, since)
    first = taps[new].heard("announce", VIP, since)[0]["t"]
    whom = [q["whom"] for q in asked]
    assert all(whom.count(a) == 2 for a in crowd), "each twice"
    assert len(whom) <= 2 * (300 + 10), "and nobody else but the few others there are"
    assert min(q["t"] for q in asked) > first
    half = sorted(q["t"] for q in asked)[len(asked) // 2 - 1]
    record("first announcement to the last of 300 questions", (half - first) * 1000)
    other = "h2" if new == "h3" else "h3"
    assert not taps[other].heard("question", VIP), "who doesn't hold asks nobody in its name"
    assert c.instance(new)["state"] == "master"


# ---- how soon ----

class Fickle(FakeSentinel):
    """A Sentinel that names each of some addresses for a number of questions, in turn, at a new epoch each time."""

    def __init__(self, ns, name, addresses, questions):
        def answer(words, masters, subscribed):
            if [w.upper() for w in words[:2]] == ["SENTINEL", "MASTER"]:
                self.count += 1
            turn = self.count // questions
            return usual(words, {name: (addresses[turn % len(addresses)], 6379, 1 + turn)}, subscribed)

        def serve(child):
            fakesentinel._answer = answer  # in this child only
            fakesentinel._serve(child, {}, fakesentinel.PORT)
        self.count = 0
        usual = fakesentinel._answer
        self._child = Child(ns, serve)


def test_the_first_announcement_follows_the_deciding_reply_within_a_millisecond(make_cluster, record):
    """One node, so that nobody has to be waited for; one Sentinel that names it and another in turn. The deciding reply
    is the last thing that reached the host before; nothing else speaks to it."""
    c = make_cluster(start=False, probe=False, hosts=1, extra=["s1"], sentinels=["s1"], instances=BOTH, lease=0.5, log_level="info")
    crowd = [f"10.77.4.{i + 1}" for i in range(100)]
    ip(*(f"neigh replace {a} lladdr 02:77:01:00:00:{i:02x} dev eth0 nud permanent" for i, a in enumerate(crowd)),
       ns=c.hosts["h1"].ns)
    c.start_redis("h1")
    tap = c.add(Tap(c.hosts["h1"]))
    c.add(Fickle(c.hosts["s1"].ns, "mymaster", [c.address("h1"), "10.77.0.200"], 4))
    c.start_svipd("h1")
    wait_until(lambda: len(c.observer.moves(VIP)) > TAKES, 60 + 3 * TAKES, lambda: c.describe(), every=0.5)
    inputs, told = tap.heard("input"), tap.heard("announce")
    for vip in (VIP, VIP6):
        delays = []
        for before in c.observer.holds(vip)[:-1]:  # the first hold came with the start
            first = next((a["t"] for a in told if a["about"] == vip and a["t"] > before.end), None)
            decided = max((i["t"] for i in inputs if i["t"] < (first or 0)), default=None)
            if first is not None and decided is not None:
                delays.append((first - decided) * 1000)
        assert len(delays) >= TAKES - 1
        for delay in delays:
            record(f"deciding reply to first announcement, IPv{6 if ':' in vip else 4}", delay)
        assert statistics.median(delays) < 1, sorted(delays)
