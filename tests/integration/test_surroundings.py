# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that go, come and change their names, Sentinels that name nobody's address, passwords, and more hands."""

import json
import re
import time

import fakesentinel
import netns
import pytest
from fakesentinel import FakeSentinel
from netns import Child, ip, now, wait_until
from observer import Prober
from resp import RespError

VIP = "10.77.0.50"
PASSWORDS = {"sentinel": "of Sentinel's", "redis": "of Redis'"}


def copies(c, name):
    """Every copy of the VIP on a host: (interface, prefix length, other end, it has a lifetime)."""
    links = json.loads(netns.run(c.hosts[name].ns, "ip", "-j", "-4", "addr"))
    return sorted((link["ifname"], a["prefixlen"], a.get("address", ""), a["valid_life_time"] < 2 ** 32 - 1)
                  for link in links for a in link["addr_info"] if a["local"] == VIP)


OURS = [("eth0", 32, "", True)]


# ---- more hands ----

@pytest.mark.parametrize("line", [f"addr add {VIP} peer 10.99.0.1/32 dev eth0", f"addr add {VIP} peer 10.99.0.1/24 dev eth0"],
                         ids=["peer/32", "peer/24"])
def test_an_address_with_another_end_is_removed_from_the_holder_which_goes_on(cluster, line):
    ip(line, ns=cluster.hosts["h1"].ns)
    wait_until(lambda: copies(cluster, "h1") == OURS, 3,
               lambda: f"only the copy with a lifetime is left: {copies(cluster, 'h1')}")
    renewed = cluster.observer.renewals(VIP)
    wait_until(lambda: cluster.observer.renewals(VIP) > renewed, 3, "it is renewed")
    assert cluster.instance("h1")["state"] == "master"
    assert [h.host for h in cluster.observer.holds(VIP)] == ["h1"], "the hold was not disturbed"


def test_a_lifetime_taken_away_by_hand_comes_back(cluster):
    ip(f"addr change {VIP}/32 dev eth0 valid_lft forever preferred_lft forever", ns=cluster.hosts["h1"].ns)
    wait_until(lambda: copies(cluster, "h1") == OURS, 3, lambda: f"a lifetime again: {copies(cluster, 'h1')}")
    assert [h.host for h in cluster.observer.holds(VIP)] == ["h1"], "the hold was not disturbed"


def test_under_observe_what_another_program_does_with_the_address_stands(make_cluster):
    c = make_cluster(settle=False, settings={"observe": "on"})
    wait_until(lambda: c.instance("h1")["state"] == "master", 10, "h1 would hold")
    ip(f"addr add {VIP}/24 dev eth0", ns=c.hosts["h1"].ns)
    time.sleep(1.5)
    for name in ("h1", "h2"):
        c.stop_svipd(name)
        c.start_svipd(name)
    wait_until(lambda: c.instance("h1")["state"] == "master", 10, "h1 would hold again")
    c.sentinel_failover(via="h2")
    new = c.wait_named("h1")
    wait_until(lambda: c.instance(new)["state"] == "master", 10, lambda: f"{new} would hold\n{c.describe()}")
    wait_until(lambda: c.instance("h1")["state"] == "backup", 10, "h1 would not")
    time.sleep(1)
    assert c.status("h1")["observe"] is True
    assert "observe" in c.svipctl("h1", "status").stdout
    assert copies(c, "h1") == [("eth0", 24, "", False)]
    ip(f"addr del {VIP}/24 dev eth0", ns=c.hosts["h1"].ns)
    time.sleep(0.5)
    assert [(e["host"], e["what"]) for e in c.observer.events()] == [("h1", "add"), ("h1", "del")]


# ---- interfaces that go and come ----

def index(c, name):
    return json.loads(netns.run(c.hosts[name].ns, "ip", "-j", "link", "show", "eth0"))[0]["ifindex"]


def delete_link(c, name):
    ip(f"link del {name}", ns=c.switch)


def make_link(c, name, here="eth0", there=None, mac=None):
    """A new pair from a host to the bridge."""
    there = there or name
    ip(f"link add {there} type veth peer name {here} address {mac or c.hosts[name].mac} netns {c.hosts[name].ns}",
       f"link set {there} master br0 up", ns=c.switch)


def test_a_holder_whose_interface_is_made_again_at_once_holds_on_the_new_one(make_cluster):
    c = make_cluster(down_after=5000, settings={"unicast": "off"})
    before = index(c, "h1")
    for _ in range(3):
        delete_link(c, "h1")
        make_link(c, "h1")
        c.link("h1", True)
        c.wait_holder("h1")
        wait_until(lambda: copies(c, "h1") == OURS, 5, "on the new interface")
        c.wait_peers()
    assert index(c, "h1") > before
    assert set(c.observer.moves(VIP)) == {"h1"}


def test_a_holder_whose_interface_is_deleted_is_in_fault_until_it_is_back(make_cluster):
    c = make_cluster(settings={"unicast": "off"})
    before = index(c, "h1")
    delete_link(c, "h1")
    i = wait_until(lambda: (x := c.instance("h1"))["state"] == "fault" and x, 5, lambda: f"h1 is in fault\n{c.describe()}")
    assert (i["reason"], i["holding"]) == ("link-down", False)
    new = c.wait_settled(but=["h1"])
    make_link(c, "h1")
    c.link("h1", True)
    assert index(c, "h1") != before
    c.wait_peers()
    wait_until(lambda: c.instance("h1")["state"] == "backup", 10, lambda: f"h1 is backup\n{c.describe()}")
    assert c.holders() == {new}


def test_a_backup_whose_interface_is_made_again_can_take_afterwards(make_cluster):
    c = make_cluster(hosts=2, sentinels=["h1", "h2", "client"], settings={"unicast": "off"})
    delete_link(c, "h2")
    wait_until(lambda: (c.instance("h2")["state"], c.instance("h2")["reason"]) == ("fault", "link-down"), 5,
               lambda: f"h2 is in fault\n{c.describe()}")
    time.sleep(0.5)
    make_link(c, "h2")
    c.link("h2", True)
    c.wait_peers()
    wait_until(lambda: c.instance("h2")["state"] == "backup", 10, lambda: f"h2 is backup\n{c.describe()}")
    assert c.observer.moves(VIP) == ["h1"], "the holder was not disturbed"
    c.wait_replicas("h1")
    c.wait_sentinels()
    c.sentinel_failover(via="client")
    c.wait_holder("h2")


def test_an_interface_that_comes_later_is_waited_for_and_a_renamed_one_is_let_go(make_cluster):
    c = make_cluster(start=False)
    ns = c.hosts["h1"].ns
    for name in c.nodes:
        c.write_config(name, c.config().replace('interface = "eth0"', 'interface = "eth1"'))
    c.start()
    wait_until(lambda: c.instance("h1")["state"] == "fault", 5, "h1 is in fault")
    assert c.instance("h1")["reason"] == "link-down"
    assert re.search(r'svipd\.conf:\d+: warning: interface: "eth1" is not there', c.hosts["h1"].log())
    assert "eth1 is down or not there" in c.hosts["h1"].log()
    c.wait_peers()
    assert c.observer.events() == []

    make_link(c, "h1", "new0", "h1b", "02:77:00:00:01:11")
    next(child for child in c.children if isinstance(child, Prober)).know({"02:77:00:00:01:11": "h1"})
    ip("link set new0 up", ns=ns)
    time.sleep(0.5)
    assert c.observer.events() == []
    ip("link set new0 name eth1", ns=ns)
    c.wait_holder("h1")
    assert copies(c, "h1") == [("eth1", 32, "", True)]

    ip("link set eth1 name old0", ns=ns)
    wait_until(lambda: c.instance("h1")["state"] == "fault", 5, lambda: f"h1 is in fault\n{c.describe()}")
    assert c.instance("h1")["reason"] == "link-down"
    assert copies(c, "h1") == []
    ip("link set old0 name eth1", ns=ns)
    c.wait_holder("h1")


def test_a_link_that_leaves_a_bridge_has_not_gone(cluster):
    """The kernel tells it as a deleted link, too, but of the bridge's family."""
    ip("link add br9 type bridge", "link set eth0 master br9", "link set eth0 nomaster", ns=cluster.hosts["h1"].ns)
    time.sleep(1)
    assert cluster.instance("h1")["state"] == "master"
    assert cluster.observer.moves(VIP) == ["h1"], "the hold was not disturbed"


# ---- Sentinels that name nobody's address ----

class Liar(FakeSentinel):
    """A fake Sentinel with an id of its own, so that several are not taken for one."""

    def __init__(self, ns, masters, number):
        def answer(words, *more):
            asked = [w.upper() for w in words[:2]]
            return fakesentinel._bulk(f"{number:x}" * 40) if asked == ["SENTINEL", "MYID"] else usual(words, *more)

        def serve(child):
            fakesentinel._answer = answer  # in this child only
            fakesentinel._serve(child, masters, fakesentinel.PORT)
        usual = fakesentinel._answer
        self._child = Child(ns, serve)


def lie(c, masters, liars=None):
    """Sentinels that name what they are told."""
    return [c.add(Liar(c.hosts[n].ns, masters, i)) for i, n in enumerate(liars or c.sentinels)]


def start_with_liars(c, *named):
    for name in c.nodes:
        c.start_redis(name)
    c.wait_replicas("h1")
    liars = lie(c, {"mymaster": named})
    for name in c.nodes:
        c.start_svipd(name)
    return liars


@pytest.mark.parametrize("named", ["127.0.0.1", "::1"])
def test_a_loopback_address_is_nobodys(make_cluster, named):
    c = make_cluster(start=False)
    liars = start_with_liars(c, named, 6379, 1)
    c.wait_peers()
    wait_until(lambda: all(x.asked() > 10 for x in liars), 10, "the Sentinels are asked")
    time.sleep(c.bound)
    assert c.observer.events() == []
    for name in c.nodes:
        assert "a loopback address is every host's" in c.hosts[name].log()
        assert c.instance(name)["state"] != "master"
    for liar in liars:
        liar.kill()
    lie(c, {"mymaster": (c.address("h1"), 6379, 2)})
    c.wait_holder("h1")


def test_with_one_node_a_loopback_address_is_its_own(make_cluster):
    c = make_cluster(hosts=1, start=False)
    start_with_liars(c, "127.0.0.1", 6379, 1)
    c.wait_holder("h1", timeout=5)


@pytest.mark.parametrize("announced", ["redis-{}:6379", "192.0.2.1{}:7001"], ids=["names", "NAT"])
def test_a_node_knows_itself_by_what_it_is_announced_as(make_cluster, announced):
    c = make_cluster(start=False)
    for i, name in enumerate(c.nodes, 1):
        c.write_config(name, c.config(announce=f'"{announced.format(i)}"'))
    host, port = announced.format(1).split(":")
    liars = start_with_liars(c, host, int(port), 1)
    c.wait_holder("h1")
    for liar in liars:
        liar.kill()
    with c.redis("h2") as r:
        r.call("REPLICAOF", "NO", "ONE")
    lie(c, {"mymaster": (announced.format(2).split(":")[0], int(port), 2)})
    c.wait_holder("h2")
    assert c.observer.moves(VIP) == ["h1", "h2"]


def test_a_single_contradiction_ends_holding_without_a_quorum(make_cluster):
    c = make_cluster(settings={"on-quorum-loss": '"hold"'})
    for name in ("h2", "h3"):
        c.end(name, "sentinel")
    wait_until(lambda: c.instance("h1")["reason"] == "quorum-lost-held", 10, lambda: f"it says so\n{c.describe()}")
    time.sleep(c.bound)
    assert c.observer.moves(VIP) == ["h1"], "the address stays"
    assert re.search(r"<4>|warning", next(x for x in c.hosts["h1"].log().splitlines() if "on-quorum-loss = hold" in x))
    assert "quorum-lost-held" in c.svipctl("h1", "-j", "status").stdout
    c.start_sentinel("h2")
    wait_until(lambda: c.instance("h1")["reason"] != "quorum-lost-held", 15, "a quorum is back")
    c.end("h2", "sentinel")
    wait_until(lambda: c.instance("h1")["reason"] == "quorum-lost-held", 10, "and gone once more")
    said = now()
    lie(c, {"mymaster": (c.address("h2"), 6379, c.epoch() + 5)}, ["h3"])
    c.wait_holder(None, timeout=8)
    print(f"let go {c.observer.holds(VIP)[-1].end - said:.3f} s after")
    assert c.instance("h1")["reason"] != "quorum-lost-held"
    time.sleep(1)
    assert c.holders() == set()


# ---- passwords ----

def authenticating(c, connect):
    """Cluster.redis() for servers that want a password."""
    def connection(name, port=6379):
        link = connect(name, port)
        kind = "sentinel" if port == 26379 else "redis"
        try:
            link.call("AUTH", PASSWORDS[kind])
        except RespError as error:
            assert "without any password" in str(error)
        return link
    return connection


def lock(c, user):
    """Every Redis and Sentinel wants a password. With `user` svipd has one of its own that may only what it must."""
    for name in c.nodes:
        with c.redis(name) as r:
            r.call("CONFIG", "SET", "masterauth", PASSWORDS["redis"])
        with c.redis(name, 26379) as s:
            s.call("SENTINEL", "SET", "mymaster", "auth-pass", PASSWORDS["redis"])
            s.call("SENTINEL", "CONFIG", "SET", "sentinel-pass", PASSWORDS["sentinel"])
    for name in c.nodes:
        for port, kind, may in ((6379, "redis", "+role +client|pause +client|unpause"),
                                (26379, "sentinel", "+sentinel|master +sentinel|get-master-addr-by-name "
                                                    "+sentinel|sentinels +sentinel|myid +subscribe +ping allchannels")):
            with c.redis(name, port) as r:
                if user:
                    r.call("ACL", "SETUSER", user, "on", f">svipd's {kind}", *may.split())
                r.call("ACL", "SETUSER", "default", "resetpass", f">{PASSWORDS[kind]}")


@pytest.fixture
def locked(make_cluster, request):
    """A cluster with passwords; svipd doesn't run yet. Parameter: svipd's ACL user or None."""
    user = request.param
    c = make_cluster(start=False)
    c.redis = authenticating(c, c.redis)
    c.start(svipd=False)
    lock(c, user)
    c.passwords = {}
    settings = {}
    for kind in ("redis", "sentinel"):
        c.passwords[kind] = f"svipd's {kind}" if user else PASSWORDS[kind]
        settings[f"{kind}_password_file"] = f'"{c.write_key(c.passwords[kind], name=kind)}"'
        if user:
            settings[f"{kind}_user"] = f'"{user}"'
    for name in c.nodes:
        c.write_config(name, c.config(**settings))
        c.start_svipd(name)
    return c


def sentinel_states(c, name):
    return {s["state"] for s in json.loads(c.svipctl(name, "-j", "sentinels").stdout)["sentinels"]}


@pytest.mark.parametrize("locked", [None, "svipd"], indirect=True, ids=["requirepass", "ACL user"])
def test_with_passwords_a_failover_goes_as_without(locked):
    c = locked
    c.wait_holder("h1")
    c.wait_peers()
    assert [sentinel_states(c, n) for n in c.nodes] == [{"connected"}] * 3
    c.wait_sentinels()
    c.sentinel_failover(via="h2")
    c.wait_settled(but=["h1"])
    for name in c.nodes:
        log = c.hosts[name].log()
        assert not any(p in log for p in [*PASSWORDS.values(), *c.passwords.values()]), "no password is logged"
        assert "NOPERM" not in log


@pytest.mark.parametrize("locked", [None], indirect=True, ids=["requirepass"])
def test_a_wrong_password_is_shown_and_a_reload_mends_it(locked):
    c = locked
    c.wait_holder("h1")
    c.wait_peers()
    c.stop_svipd("h3")
    c.write_key("wrong", name="sentinel")
    c.write_key("wrong", name="redis")
    c.start_svipd("h3")
    wait_until(lambda: sentinel_states(c, "h3") == {"auth-refused"}, 10, lambda: f"{sentinel_states(c, 'h3')}")
    assert "WRONGPASS" in c.svipctl("h3", "-j", "sentinels").stdout
    wait_until(lambda: "WRONGPASS" in (c.instance("h3")["redis_error"] or ""), 10,
               lambda: f"Redis refuses, too: {c.instance('h3')}")
    assert c.instance("h3")["state"] != "master"
    time.sleep(1)
    for kind, password in c.passwords.items():
        c.write_key(password, name=kind)
    done = c.svipctl("h3", "reload")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_until(lambda: sentinel_states(c, "h3") == {"connected"}, 20, lambda: f"{sentinel_states(c, 'h3')}")
    wait_until(lambda: c.instance("h3")["state"] == "backup", 10, lambda: c.describe())
    wait_until(lambda: not c.instance("h3")["redis_error"], 20, lambda: f"{c.instance('h3')['redis_error']}")
    assert c.observer.moves(VIP) == ["h1"], "the holder was not disturbed"
