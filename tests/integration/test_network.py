# SPDX-License-Identifier: BSD-2-Clause
"""The network's tricks: carriers and links that flap, hands that take addresses away and change them, a hundred addresses,
notifications that are lost, and other hosts with the same address."""

import contextlib
import json
import re
import signal
import socket
import struct
import time

import netns
import pytest
from cluster import Instance
from netns import ip, now, wait_until
from observer import Prober

VIP, VIP6 = "10.77.0.50", "fd77::50"
BOTH = [Instance(vips=(VIP, VIP6))]


def prober_of(c):
    return next(child for child in c.children if isinstance(child, Prober))


def announced(c, vip, host, since):
    """Announcements by a host after a time, at the client."""
    return [a for a in prober_of(c).answers(vip) if a["kind"] == "announce" and a["t"] > since and a["host"] == host]


def wait_announced(c, host, since, vips=(VIP, VIP6), timeout=5):
    for vip in vips:
        wait_until(lambda: announced(c, vip, host, since), timeout, lambda: f"{host} announces {vip}\n{c.describe()}")


def transitions(c, name):
    """(from, to, reason) of each change of state in a host's log."""
    return re.findall(r"mymaster: (\w+) -> (\w+) reason=([\w-]+)", c.hosts[name].log())


def copies(c, name):
    """Every copy of the VIPs: (address/prefix, interface, scope, other end, "endless" or not, "preferred" or not)."""
    found = []
    for link in json.loads(netns.run(c.hosts[name].ns, "ip", "-j", "addr")):
        for a in link["addr_info"]:
            if a["local"] in (VIP, VIP6):
                found.append((f"{a['local']}/{a['prefixlen']}", link["ifname"], a["scope"], a.get("address", ""),
                              "endless" if a["valid_life_time"] == 2 ** 32 - 1 else "ends",
                              "source" if a["family"] == "inet6" and a["preferred_life_time"] else ""))
    return sorted(found)


OURS = [(f"{VIP}/32", "eth0", "host", "", "ends", ""), (f"{VIP6}/128", "eth0", "global", "", "ends", "")]


# ---- carriers and links ----

def pull(c, name, out):
    """The other end of a host's eth0 goes down or up: a carrier lost or found."""
    ip(f"link set {name} {'down' if out else 'up'}", ns=c.switch)


def down(c, name, out):
    """Administratively, from inside: the kernel takes the IPv6 addresses away."""
    c.link(name, not out)


@pytest.mark.parametrize("take_away", [pull, down])
def test_a_short_loss_of_the_holders_link_ends_with_its_addresses_back_and_announced(make_cluster, take_away):
    c = make_cluster(instances=BOTH, down_after=5000)
    take_away(c, "h1", True)
    wait_until(lambda: transitions(c, "h1")[-1][1:] == ("fault", "link-down"), 5, "the loss is noticed")
    time.sleep(0.3)
    up = now()
    take_away(c, "h1", False)
    c.wait_holder("h1", timeout=5)
    wait_announced(c, "h1", up)
    wait_until(lambda: copies(c, "h1") == OURS, 3, lambda: f"{copies(c, 'h1')}")
    for vip in (VIP, VIP6):
        assert c.observer.moves(vip) == ["h1", "h1"], "nobody else took"
        wait_until(lambda: any(a["t"] > up and a["kind"] == "answer" and a["host"] == "h1" for a in prober_of(c).answers(vip)),
                   5, f"{vip} answers again")


@pytest.mark.parametrize("take_away", [pull, down])
def test_a_link_that_flaps_at_once_ends_with_the_addresses_back_and_announced(make_cluster, take_away):
    """The kernel may tell both changes in one breath, or a carrier's none; it has taken the IPv6 address all the same."""
    c = make_cluster(instances=BOTH, down_after=5000)
    for _ in range(10):
        up = now()
        take_away(c, "h1", True)
        take_away(c, "h1", False)
        c.wait_holder("h1", timeout=5)
    if take_away is down:
        wait_announced(c, "h1", up)
    wait_until(lambda: copies(c, "h1") == OURS, 3, lambda: f"{copies(c, 'h1')}")
    for vip in (VIP, VIP6):
        assert set(c.observer.moves(vip)) == {"h1"}, "nobody else took"
    wait_until(lambda: c.instance("h1")["state"] == "master", 5, "master again")


@pytest.mark.parametrize("take_away", [pull, down])
def test_a_long_loss_of_the_holders_link_moves_the_addresses(make_cluster, take_away):
    c = make_cluster(instances=BOTH)
    take_away(c, "h1", True)
    new = c.wait_settled(but=["h1"])
    i = c.instance("h1")
    assert (i["state"], i["reason"], i["holding"]) == ("fault", "link-down", False)
    assert copies(c, "h1") == []
    take_away(c, "h1", False)
    c.wait_peers()
    wait_until(lambda: c.instance("h1")["state"] == "backup", 10, "h1 is backup")
    assert (c.holders(VIP), c.holders(VIP6)) == ({new}, {new})
    assert (c.observer.moves(VIP), c.observer.moves(VIP6)) == (["h1", new], ["h1", new])


@pytest.mark.parametrize("take_away", [pull, down])
def test_a_backup_whose_link_is_lost_can_take_afterwards(make_cluster, take_away):
    c = make_cluster(hosts=2, sentinels=["h1", "h2", "client"], instances=BOTH, down_after=5000)
    take_away(c, "h2", True)
    wait_until(lambda: c.instance("h2")["state"] == "fault", 5, "h2 is in fault")
    take_away(c, "h2", False)
    c.wait_peers()
    assert c.observer.moves(VIP) == ["h1"], "the holder was not disturbed"
    c.wait_replicas("h1")
    c.wait_sentinels()
    since = now()
    c.sentinel_failover(via="client")
    c.wait_holder("h2")
    wait_announced(c, "h2", since)


def test_a_new_mac_is_announced_for_both_families_by_the_holder_alone(make_cluster):
    c = make_cluster(instances=BOTH)
    new = {"h1": "02:77:00:00:01:01", "h2": "02:77:00:00:01:02"}
    prober_of(c).know({mac: name for name, mac in new.items()})
    since = now()
    ip(f"link set eth0 address {new['h2']}", ns=c.hosts["h2"].ns)
    ip(f"link set eth0 address {new['h1']}", ns=c.hosts["h1"].ns)
    wait_announced(c, "h1", since)
    time.sleep(1.5)
    for vip in (VIP, VIP6):
        told = [a for a in announced(c, vip, "h1", since) if a["mac"] == new["h1"]]
        assert len(told) >= 2, f"a burst, not one frame: {told}"
        assert not announced(c, vip, "h2", 0.0), "a backup says nothing"
        assert c.observer.moves(vip) == ["h1"]
    assert transitions(c, "h1")[-1][1] == "master"


# ---- hands on the addresses ----

def assert_only_put_back(c, before):
    """Nothing but the addresses has moved: no state changed anywhere, nobody else took."""
    for name in c.nodes:
        assert transitions(c, name) == before[name]
    for vip in c.all_vips():
        assert set(c.observer.moves(vip)) == {"h1"}


def test_an_address_deleted_a_hundred_times_is_put_back_a_hundred_times(make_cluster, record):
    c = make_cluster(instances=BOTH)
    before = {n: transitions(c, n) for n in c.nodes}
    for i in range(100):
        vip = (VIP, VIP6)[i % 2]
        n = len(c.observer.moves(vip))
        c.delete_vip("h1", vip)
        wait_until(lambda: len(c.observer.moves(vip)) == n + 1 and c.holders(vip) == {"h1"}, 5,
                   lambda: f"{vip} is put back for the {i + 1}th time\n{c.describe()}", every=0.002)
    for vip in (VIP, VIP6):
        holds = c.observer.holds(vip)
        gaps = [b.start - a.end for a, b in zip(holds, holds[1:])]
        assert len(gaps) == 50
        record(f"deleted by hand: gap of {vip}", sorted(gaps)[25] * 1000)
        assert max(gaps) < 0.5, f"at once: {max(gaps)}"
    assert_only_put_back(c, before)
    assert copies(c, "h1") == OURS


def test_an_address_deleted_without_a_pause_is_there_in_the_end(make_cluster):
    c = make_cluster(instances=BOTH)
    before = {n: transitions(c, n) for n in c.nodes}
    lines = [f"addr del {VIP}/32 dev eth0", f"addr del {VIP6}/128 dev eth0"] * 500
    ip(*lines, ns=c.hosts["h1"].ns, check=False)
    wait_until(lambda: copies(c, "h1") == OURS, 3, lambda: f"{copies(c, 'h1')}\n{c.describe()}")
    time.sleep(1)
    assert_only_put_back(c, before)
    assert copies(c, "h1") == OURS


OWN = ["addr replace 10.77.0.11/24 dev eth0", "addr replace fd77::11/64 dev eth0 nodad"]


@pytest.mark.parametrize("lines", [
    ["addr flush dev eth0", *OWN],
    ["addr flush dev eth0 scope host", "addr flush dev eth0 scope global deprecated", *OWN],
    ["addr flush dev eth0 permanent", *OWN],
    [f"addr change {VIP}/32 dev eth0 valid_lft forever preferred_lft forever",
     f"addr change {VIP6}/128 dev eth0 valid_lft forever preferred_lft forever"],
    [f"addr change {VIP}/32 dev eth0 valid_lft 1 preferred_lft 1", f"addr change {VIP6}/128 dev eth0 valid_lft 1 preferred_lft 1"],
    [f"addr replace {VIP}/24 dev eth0", f"addr replace {VIP6}/64 dev eth0 nodad"],
    [f"addr del {VIP}/32 dev eth0", f"addr add {VIP}/24 dev eth0",
     f"addr del {VIP6}/128 dev eth0", f"addr add {VIP6}/64 dev eth0"],
    [f"addr del {VIP}/32 dev eth0", f"addr add {VIP}/32 dev eth0 scope global label eth0:vip",
     f"addr del {VIP6}/128 dev eth0", f"addr add {VIP6}/128 dev eth0 home"],
    [f"addr del {VIP}/32 dev eth0", f"addr add {VIP}/32 dev eth0 scope link metric 50 noprefixroute",
     f"addr del {VIP6}/128 dev eth0", f"addr add {VIP6}/128 dev eth0 metric 50 noprefixroute"],
    [f"addr del {VIP}/32 dev eth0", f"addr add {VIP}/32 dev lo", f"addr del {VIP6}/128 dev eth0", f"addr add {VIP6}/128 dev lo"],
], ids=["flush", "flush-by-scope", "flush-permanent", "endless", "short", "second-prefix", "other-prefix", "scope-and-label",
        "metric", "other-interface"])
def test_what_network_managers_do_to_the_addresses_is_undone(make_cluster, lines):
    c = make_cluster(instances=BOTH, lease=3.0)
    before = {n: transitions(c, n) for n in c.nodes}
    for i in range(4):
        # Otherwise an address is back before the next line comes; so it is in the odd rounds.
        if i % 2 == 0:
            c.signal("h1", signal.SIGSTOP)
        ip(*lines, ns=c.hosts["h1"].ns, check=i % 2 == 0)
        c.signal("h1", signal.SIGCONT)
        wait_until(lambda: copies(c, "h1") == OURS, 5, lambda: f"as it was: {copies(c, 'h1')}\n{c.describe()}")
        time.sleep(0.3)
    time.sleep(1.5)
    assert copies(c, "h1") == OURS
    assert c.instance("h1")["state"] == "master"
    assert_only_put_back(c, before)


# ---- many addresses ----

MANY = [f"10.77.1.{i}" for i in range(50)] + [f"fd77::1:{i:x}" for i in range(50)]


def all_or_none(c, name, vips):
    """A host's holds come and go as one: they overlap, and a second hold begins after the first has ended for all."""
    rounds = {}
    for vip in vips:
        for i, h in enumerate(h for h in c.observer.holds(vip) if h.host == name):
            rounds.setdefault(i, []).append(h)
    for holds in rounds.values():
        assert len(holds) == len(vips)
        first_end = min(h.end or float("inf") for h in holds)
        assert max(h.start for h in holds) < first_end, "all of them, before the first one goes"
    return rounds


def test_a_hundred_addresses_move_all_or_none(make_cluster, record):
    c = make_cluster(instances=[Instance(vips=MANY)])
    for _ in range(2):
        old = c.holders(MANY[0]).copy().pop()
        c.wait_sentinels()
        since = now()
        c.sentinel_failover(via="h2")
        new = c.wait_settled(but=[old])
        gone, come = ([h for v in MANY for h in c.observer.holds(v) if h.host == n] for n in (old, new))
        last_end = max(h.end for h in gone if h.end)
        starts = sorted(h.start for h in come if h.start > since)
        assert len(starts) == len(MANY) and last_end < starts[0], "none before all are gone"
        record("a hundred addresses: first to last", (starts[-1] - starts[0]) * 1000)
        for vip in (MANY[0], MANY[49], MANY[50], MANY[99]):
            wait_until(lambda: announced(c, vip, new, since), 5, f"{new} announces {vip}")
    for name in c.nodes:
        all_or_none(c, name, MANY)


def test_a_hundred_addresses_of_which_the_kernel_refuses_some_are_not_held_at_all(make_cluster):
    c = make_cluster(hosts=2, sentinels=["h1", "h2", "client"], instances=[Instance(vips=MANY)])
    knob = "/proc/sys/net/ipv6/conf/eth0/disable_ipv6"
    netns.run(c.hosts["h2"].ns, "sh", "-c", f"echo 1 >{knob}")
    c.sentinel_failover(via="client")
    wait_until(lambda: (c.instance("h2")["state"], c.instance("h2")["reason"]) == ("fault", "address-refused"), 15,
               lambda: c.describe())
    time.sleep(2.5)  # some attempts
    assert c.instance("h2")["holding"] is False
    left = netns.run(c.hosts["h2"].ns, "ip", "-j", "addr")
    assert not any(v in left for v in MANY), "none of them stays"
    assert not any(a["kind"] == "announce" and a["host"] == "h2" for v in MANY[:2] for a in prober_of(c).answers(v))
    netns.run(c.hosts["h2"].ns, "sh", "-c", f"echo 0 >{knob}")
    c.wait_holder("h2")


# ---- lost notifications ----

RTM_NEWADDR, RTM_DELADDR = 20, 21


def address_message(kind, flags, index, address, prefix=32):
    body = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, index)
    body += struct.pack("=HH", 8, 2) + address + struct.pack("=HH", 8, 1) + address
    return struct.pack("=IHHII", 16 + len(body), kind, 1 | flags, 0, 0) + body


def send_batches(sock, messages, size=100):
    for i in range(0, len(messages), size):
        sock.send(b"".join(messages[i:i + size]))
        with contextlib.suppress(BlockingIOError):  # errors, should there be any
            while True:
                assert not sock.recv(65536, socket.MSG_DONTWAIT)


def lose_notifications(c, name, change):
    """Floods a host with changes of addresses, quicker than svipd can read them, and makes one more change near the end.

    change(index of eth0) -> a message. The many addresses make every look at all of them slow. A short stop makes
    sure that the buffer is full; then svipd reads while more is being lost, which the kernel doesn't tell again.
    """
    ns = c.hosts[name].ns
    ip(*(f"link add many{i} up type bridge" for i in range(9)), ns=ns)
    index = {x["ifname"]: x["ifindex"] for x in json.loads(netns.run(ns, "ip", "-j", "link"))}
    with netns.inside(ns):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)

    def add(link, number):
        return address_message(RTM_NEWADDR, 0x400 | 0x100, index[f"many{link}"], struct.pack("!I", number))

    with sock:
        send_batches(sock, [add(i % 8, 0x0a500000 + i) for i in range(8000)])
        time.sleep(2)
        flood = []
        for i in range(12000):
            flood += [add(8, 0x0a600000 + i), address_message(RTM_DELADDR, 0, index["many8"], struct.pack("!I", 0x0a600000 + i))]
        c.signal(name, signal.SIGSTOP)
        end = now() + 1
        for i in range(0, 16000, 1000):
            if now() < end:
                send_batches(sock, flood[i:i + 1000])
        c.signal(name, signal.SIGCONT)
        send_batches(sock, flood[16000:22000] + [change(index["eth0"])] + flood[22000:])
    wait_until(lambda: "netlink: notifications were lost, reading everything again" in c.hosts[name].log(), 5,
               "notifications are lost")


def test_an_address_deleted_among_lost_notifications_is_put_back(make_cluster, record):
    c = make_cluster(lease=3.0)
    before = {n: transitions(c, n) for n in c.nodes}
    lose_notifications(c, "h1", lambda eth0: address_message(RTM_DELADDR, 0, eth0, socket.inet_aton(VIP)))
    wait_until(lambda: c.holders() == {"h1"} and len(c.observer.moves(VIP)) > 1, 5, lambda: c.describe())
    holds = c.observer.holds(VIP)
    gap = max(b.start - a.end for a, b in zip(holds, holds[1:]))
    record("deleted among lost notifications: gap of the address", gap * 1000)
    assert gap < c.lease + 1, "a renewal puts it back at the latest"
    time.sleep(1)
    assert c.holders() == {"h1"}
    assert_only_put_back(c, before)


def test_a_copy_added_among_lost_notifications_is_removed(make_cluster):
    c = make_cluster(lease=3.0)
    before = {n: transitions(c, n) for n in c.nodes}
    lose_notifications(c, "h1", lambda eth0: address_message(RTM_NEWADDR, 0x400, eth0, socket.inet_aton(VIP), 24))
    wait_until(lambda: copies(c, "h1") == OURS[:1], 5, lambda: f"{copies(c, 'h1')}")
    assert_only_put_back(c, before)


def test_a_link_that_goes_down_among_lost_notifications_is_noticed(make_cluster):
    c = make_cluster(lease=3.0)
    # struct ifinfomsg: IFF_UP taken away
    lose_notifications(c, "h1", lambda eth0: struct.pack("=IHHIIBxHiII", 32, 16, 1, 0, 0, socket.AF_UNSPEC, 0, eth0, 0, 1))
    wait_until(lambda: ("fault", "link-down") in [t[1:] for t in transitions(c, "h1")], 5, lambda: c.describe())
    new = c.wait_settled(but=["h1"])
    c.link("h1", True)
    c.wait_peers()
    assert c.holders() == {new}


def test_a_mac_that_changes_among_lost_notifications_is_announced(make_cluster):
    c = make_cluster(lease=3.0)
    mac = "02:77:00:00:01:01"
    prober_of(c).know({mac: "h1"})
    since = now()
    # struct ifinfomsg and IFLA_ADDRESS
    lose_notifications(c, "h1", lambda eth0: struct.pack("=IHHIIBxHiII", 44, 16, 1, 0, 0, socket.AF_UNSPEC, 0, eth0, 0, 0)
                       + struct.pack("=HH", 10, 1) + bytes.fromhex(mac.replace(":", "")) + bytes(2))
    wait_until(lambda: any(a["mac"] == mac for a in announced(c, VIP, "h1", since)), 5, "the new MAC is announced")
    assert c.observer.moves(VIP) == ["h1"]


# ---- other hosts with the same address ----

def test_a_stranger_with_the_addresses_is_seen_within_a_second_counted_shown_and_answered(make_cluster, record):
    c = make_cluster(extra=["stranger"], instances=BOTH)
    mac = c.hosts["stranger"].mac
    for vip in (VIP, VIP6):
        c.observer.excuse("stranger", vip, "a stranger")
        since = now()
        before = c.instance("h1")["conflicts"]
        c.add_vip("stranger", vip)
        i = wait_until(lambda: (x := c.instance("h1"))["conflicts"] > before and x, 5, f"{vip}: a conflict is counted", every=0.01)
        record(f"a stranger with {vip}: until it is seen", (now() - since) * 1000)
        assert now() - since < 3, "asked once a second"
        assert i["conflict"] == f"{vip} at {mac}"
        wait_until(lambda: announced(c, vip, "h1", since), 2, f"{vip} is announced again")
        text = c.svipctl("h1", "status").stdout
        assert "another host answered for an address" in text and f"{vip} at {mac}" in " ".join(text.split())
        c.delete_vip("stranger", vip)
    log = c.hosts["h1"].log()
    assert f"mymaster: another host answers for {VIP} at {mac}" in log
    assert set(c.observer.moves(VIP)) == {"h1", "stranger"} and transitions(c, "h1")[-1][1] == "master"
    time.sleep(1.5)
    count = c.instance("h1")["conflicts"]
    time.sleep(2.5)
    assert c.instance("h1")["conflicts"] == count, "no more of them once it has gone"


def claim_arp(mac, vip):
    """A gratuitous ARP request."""
    m = bytes.fromhex(mac.replace(":", ""))
    a = socket.inet_aton(vip)
    return b"\xff" * 6 + m + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + m + a + bytes(6) + a


def claims(c, name, seconds, per_second, mac=None, vip=VIP):
    """Sends foreign claims from a host."""
    with netns.inside(c.hosts[name].ns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with sock:
        sock.bind(("eth0", 0))
        end = now() + seconds
        while now() < end:
            sock.send(claim_arp(mac or c.hosts[name].mac, vip))
            time.sleep(1 / per_second)


def test_a_flood_of_foreign_claims_is_counted_but_answered_at_most_once_a_second(make_cluster):
    c = make_cluster(extra=["stranger"], probe=False)
    i = c.instance("h1")
    claims(c, "stranger", 5, 500, "02:66:00:00:00:01")
    j = c.instance("h1")
    assert j["conflicts"] - i["conflicts"] > 500, "each frame counts"
    assert j["conflict"] == f"{VIP} at 02:66:00:00:00:01"
    # A burst is a request and a reply at 0, 0.1 and 0.3 s, and a question to each of three neighbours twice; the next begins a
    # second later at the earliest.
    assert 6 <= j["announcements"] - i["announcements"] <= (6 + 2 * 3) * 7
    assert c.hosts["h1"].log().count("another host answers for") <= 2
    assert j["state"] == "master" and c.observer.moves(VIP) == ["h1"]


def second_interface(c, name, mac):
    """A second interface of a host on the same network."""
    ip(f"link add {name}b type veth peer name eth1 address {mac} netns {c.hosts[name].ns}", f"link set {name}b master br0 up",
       ns=c.switch)
    ip("link set eth1 up", ns=c.hosts[name].ns)


def test_the_address_on_another_interface_of_a_backup_is_removed_and_the_holder_stays(cluster):
    c = cluster
    second_interface(c, "h2", "02:77:00:00:02:02")
    prober_of(c).know({"02:77:00:00:02:02": "h2"})
    for line in (f"addr add {VIP}/24 dev eth1", f"addr add {VIP}/32 dev lo"):
        c.observer.excuse("h2", VIP, "by hand")
        n = len(c.observer.holds(VIP))
        ip(line, ns=c.hosts["h2"].ns)
        wait_until(lambda: len(c.observer.holds(VIP)) > n and c.holders() == {"h1"}, 3, lambda: c.describe())
    assert all(h.end - h.start < 0.5 for h in c.observer.holds(VIP) if h.excuse)
    assert [h.host for h in c.observer.holds(VIP) if not h.excuse] == ["h1"]


def test_the_address_on_another_interface_of_a_host_without_svipd_is_a_conflict(cluster):
    c = cluster
    second_interface(c, "h2", "02:77:00:00:02:02")
    prober_of(c).know({"02:77:00:00:02:02": "h2"})
    assert c.stop_svipd("h2") == 0
    c.observer.excuse("h2", VIP, "by hand")
    ip(f"addr add {VIP}/32 dev eth1", ns=c.hosts["h2"].ns)
    # With two interfaces on one network either answers.
    wait_until(lambda: c.instance("h1")["conflict"] in (f"{VIP} at 02:77:00:00:02:02", f"{VIP} at {c.hosts['h2'].mac}"), 5,
               lambda: c.instance("h1")["conflict"])
    c.observer.excuse("h2", VIP, "left over")
    c.start_svipd("h2")
    wait_until(lambda: c.holders() == {"h1"}, 5, lambda: c.describe())


def test_a_second_interface_of_the_holder_on_the_same_network_is_no_conflict(cluster):
    """It answers for every address of its host (arp_ignore = 0)."""
    c = cluster
    second_interface(c, "h1", "02:77:00:00:02:01")
    prober_of(c).know({"02:77:00:00:02:01": "h1"})
    time.sleep(3.5)
    i = c.instance("h1")
    assert (i["conflicts"], i["conflict"]) == (0, None)
    assert "another host answers" not in c.hosts["h1"].log()


# ---- on-conflict = yield-and-fault ----

YIELD = {"on-conflict": '"yield-and-fault"'}


def wait_yielded(c, name, timeout=10):
    wait_until(lambda: (c.instance(name)["state"], c.instance(name)["reason"]) == ("fault", "conflict"), timeout,
               lambda: f"{name} has yielded\n{c.describe()}")


def test_a_holder_yields_to_a_stranger_and_comes_back_after_a_long_silence(make_cluster, record):
    c = make_cluster(extra=["stranger"], instances=BOTH, settings=YIELD)
    mac = c.hosts["stranger"].mac
    c.observer.excuse("stranger", VIP, "a stranger")
    since = now()
    c.add_vip("stranger")
    wait_yielded(c, "h1")
    held = c.observer.holds(VIP)[0]
    record("a stranger: until the holder has yielded", (held.end - since) * 1000)
    assert held.end - since > 2, "not for a stray frame"
    assert (c.holders(VIP), c.holders(VIP6)) == ({"stranger"}, set()), "all addresses of the instance go"
    assert announced(c, VIP, "h1", since), "it has defended the address at first"
    i = c.instance("h1")
    assert i["conflict"] == f"{VIP} at {mac}" and not i["holding"]
    assert f"another host answers for {VIP} at {mac}" in i["why"] and "on-conflict" in i["why"]
    assert mac in c.svipctl("h1", "why", "mymaster").stdout
    time.sleep(3)
    assert c.instance("h1")["conflicts"] > i["conflicts"], "it goes on asking"
    assert c.named() == "h1" and c.holders(VIP) == {"stranger"}, "nobody else takes"
    silent = now()
    c.delete_vip("stranger")
    c.wait_holder("h1", timeout=40)
    back = c.observer.holds(VIP)[-1].start
    record("the stranger has gone: until the holder is back", (back - silent) * 1000)
    assert back - silent > 28
    wait_announced(c, "h1", back - 0.1)
    assert [h.host for h in c.observer.holds(VIP)] == ["h1", "stranger", "h1"]
    assert ("master", "fault", "conflict") in transitions(c, "h1")


def test_stray_claims_are_not_yielded_to(make_cluster):
    c = make_cluster(extra=["stranger"], probe=False, settings=YIELD)
    for _ in range(2):
        claims(c, "stranger", 1.2, 50, "02:66:00:00:00:01")
        time.sleep(6)
    assert c.instance("h1")["conflicts"] > 20
    assert c.observer.moves(VIP) == ["h1"]
    assert transitions(c, "h1")[-1][1] == "master"


def test_a_reload_that_says_defend_ends_a_yield(make_cluster):
    c = make_cluster(extra=["stranger"], settings=YIELD)
    c.observer.excuse("stranger", VIP, "a stranger")
    c.add_vip("stranger")
    wait_yielded(c, "h1")
    for name in c.nodes:
        c.write_config(name, c.config(on_conflict='"defend"'))
        done = c.svipctl(name, "reload")
        assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: c.holders() == {"h1", "stranger"}, 5, lambda: f"h1 holds again\n{c.describe()}")
    time.sleep(6)
    assert c.holders() == {"h1", "stranger"}


def test_a_failover_after_the_stranger_has_gone_ends_a_yield(make_cluster):
    c = make_cluster(extra=["stranger"], settings=YIELD)
    c.observer.excuse("stranger", VIP, "a stranger")
    c.add_vip("stranger")
    wait_yielded(c, "h1")
    c.delete_vip("stranger")
    c.wait_sentinels()
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    wait_until(lambda: c.instance("h1")["state"] == "backup", 5, lambda: c.describe())
    assert c.observer.moves(VIP) == ["h1", "stranger", new]


def test_an_interface_made_again_while_yielded_is_watched(make_cluster):
    c = make_cluster(extra=["stranger"], settings={**YIELD, "unicast": "off"}, down_after=5000)
    c.observer.excuse("stranger", VIP, "a stranger")
    c.add_vip("stranger")
    wait_yielded(c, "h1")
    c.link("h1", False)
    wait_until(lambda: c.instance("h1")["reason"] == "link-down", 5, lambda: c.describe())
    c.link("h1", True)
    wait_yielded(c, "h1")
    before = c.instance("h1")["conflicts"]
    wait_until(lambda: c.instance("h1")["conflicts"] > before + 1, 5, "it asks again")
    assert c.holders() == {"stranger"}
