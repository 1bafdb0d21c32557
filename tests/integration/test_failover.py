# SPDX-License-Identifier: BSD-2-Clause
"""Starts and moves: the address is where Sentinel's majority says, and only there."""

import os
import signal
import time

import netns
import pytest
from netns import now, wait_until

VIP = "10.77.0.50"


def moved(c, record, poller, writer, since, but):
    """Waits for the move away from `but`, records its times, returns the new holder."""
    new = c.wait_settled(but=[but])
    writer.wait_writing()
    add = c.observer.holds(VIP)[-1].start
    named = poller.majority_since(c.address(new), since)
    record("event to majority", (named - since) * 1000)
    record("majority to address", (add - named) * 1000)
    record("outage of a writer", writer.outage(since)[0] * 1000)
    return new


def test_first_start_gives_the_address_to_the_master_alone(make_cluster, record):
    c = make_cluster(start=False)
    c.start(svipd=False)
    start = now()
    for name in c.nodes:
        c.start_svipd(name, wait=False)
    c.wait_holder("h1")
    record("start to address", (c.observer.holds(VIP)[0].start - start) * 1000)
    c.wait_peers()
    assert c.observer.moves(VIP) == ["h1"]
    c.writer()


def test_status_tells_what_is(cluster):
    wait_until(lambda: all(p["instances"][0]["state"] == "backup" for p in cluster.status("h1")["peers"]), 5,
               "the peers have told that they are backup")
    s = cluster.status("h1")
    assert (s["schema"], s["cluster"], s["node"], s["maintenance"]) == (1, "test", "10.77.0.11", False)
    assert s["pid"] == cluster.hosts["h1"].procs["svipd"].pid
    i = s["instances"][0]
    assert (i["name"], i["state"], i["holding"], i["interface"]) == ("mymaster", "master", True, "eth0")
    assert (i["addresses"], i["master"], i["holder"]) == (["10.77.0.50/32"], "10.77.0.11:6379", "10.77.0.11")
    assert i["reason"] in ("quorum-confirmed", "all-yielded")
    assert 0 < i["lease_left_ms"] <= 1000 and i["wait_left_ms"] == 0
    assert 2 <= i["confirmations"] <= 3 and i["majority"] == 2 and i["epoch"] == cluster.epoch()
    assert sorted(x["address"] for x in s["sentinels"]) == [f"10.77.0.1{n}:26379" for n in (1, 2, 3)]
    for x in s["sentinels"]:
        assert x["state"] == "connected"
        assert [(v["name"], v["master"], v["down"]) for v in x["views"]] == [("mymaster", "10.77.0.11:6379", False)]
    assert sorted(p["node"] for p in s["peers"]) == ["10.77.0.12", "10.77.0.13"]
    for p in s["peers"]:
        assert (p["state"], p["two_way"], p["config"]) == ("alive", True, "same")
        assert [(x["name"], x["state"], x["holding"]) for x in p["instances"]] == [("mymaster", "backup", False)]
    other = cluster.instance("h2")
    assert (other["state"], other["holding"], other["reason"]) == ("backup", False, "other-named")
    assert other["holder"] == "10.77.0.11"


def test_the_address_is_renewed_and_nothing_else_happens_while_all_is_well(cluster):
    before = cluster.observer.renewals(VIP)
    time.sleep(3)
    assert cluster.observer.renewals(VIP) > before
    assert cluster.observer.moves(VIP) == ["h1"]
    text = netns.run(cluster.hosts["h1"].ns, "ip", "-o", "addr", "show", "to", VIP)
    assert "scope host" in text and "valid_lft forever" not in text, "never a source address, and with a lifetime"


def test_a_killed_master_moves_the_address(cluster, record):
    poller, writer = cluster.poller(), cluster.writer()
    killed = cluster.kill_redis("h1")
    new = moved(cluster, record, poller, writer, killed, "h1")
    assert cluster.observer.moves(VIP)[-1] == new
    wait_until(lambda: cluster.instance("h1")["state"] == "backup", 5, "h1 is backup")
    with cluster.redis(new) as r:
        record("acknowledged writes lost", writer.lost(r))


def test_a_host_without_power_loses_the_address_to_the_new_master(cluster, record):
    poller, writer = cluster.poller(), cluster.writer()
    off = cluster.power_off("h1")
    new = moved(cluster, record, poller, writer, off, "h1")
    wait_until(lambda: cluster.peer(new, "h1")["state"] != "alive", 10, "the dead host is not alive")
    cluster.boot("h1")
    cluster.wait_peers()
    time.sleep(2)
    assert cluster.holders() == {new}, "a booted old master doesn't take it back"


def test_a_planned_failover_moves_the_address(cluster, record):
    poller, writer = cluster.poller(), cluster.writer()
    asked = cluster.sentinel_failover(via="h2")
    new = moved(cluster, record, poller, writer, asked, "h1")
    with cluster.redis(new) as r:
        assert writer.lost(r) == 0, "writes wait from Sentinel's first word on"


def test_writes_go_on_when_a_planned_failover_is_given_up(make_cluster):
    c = make_cluster(failover_timeout=2000)
    writer = c.writer(timeout=10)
    for name in ("h2", "h3"):
        c.signal(name, signal.SIGSTOP, "redis-6379")
    try:
        asked = c.sentinel_failover(via="h2")
        wait_until(lambda: c.instance("h1")["writes_held_ms"] > 0, 5, "writes wait")
        wait_until(lambda: c.instance("h1")["writes_held_ms"] == 0, 7, "Sentinel gives up")
    finally:
        for name in ("h2", "h3"):
            c.signal(name, signal.SIGCONT, "redis-6379")
    writer.wait_writing()
    assert c.holders() == {"h1"}
    assert 1 < writer.outage(asked)[0] < 5


def test_writes_do_not_wait_with_hold_writes_off(make_cluster):
    c = make_cluster(settings={"hold-writes": '"off"'})
    writer = c.writer()
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    with c.redis(new) as r:
        assert writer.lost(r) > 0, "else the test above shows nothing"


def test_planned_failovers_one_after_the_other_never_make_two_holders(make_cluster):
    c = make_cluster(failover_timeout=3000)
    last = "h1"
    for _ in range(int(os.environ.get("SVIP_FAILOVERS", "2"))):
        c.sentinel_failover(via=last, timeout=40)
        last = c.wait_settled(but=[last])


def test_cold_boot_of_all_hosts_brings_the_address_back(cluster, record):
    for name in cluster.nodes:
        cluster.power_off(name)
    assert cluster.holders() == set()
    start = now()
    for name in cluster.nodes:
        cluster.boot(name)
    cluster.wait_settled(timeout=60)
    record("cold boot to address", (cluster.observer.holds(VIP)[-1].start - start) * 1000)
    cluster.writer()


def test_started_before_redis_and_sentinel_it_waits_and_then_takes(make_cluster):
    c = make_cluster(start=False)
    for name in c.nodes:
        c.start_svipd(name)
    time.sleep(1.5)
    assert c.holders() == set()
    i = c.instance("h1")
    assert i["reason"] in ("starting", "no-quorum") and not i["holding"] and i["master"] is None
    c.start(svipd=False)
    c.wait_holder("h1")


def test_a_master_that_sentinel_names_but_that_is_dead_gets_no_address(make_cluster):
    """Only h1 has a Redis, and it dies: nobody can be promoted, so nobody holds."""
    c = make_cluster(start=False)
    c.start_redis("h1")
    for name in c.sentinels:
        c.start_sentinel(name)
    for name in c.nodes:
        c.start_svipd(name)
    c.wait_holder("h1")
    c.kill_redis("h1")
    c.wait_holder(None, timeout=15)
    i = wait_until(lambda: (x := c.instance("h1"))["state"] in ("fault", "backup") and x, 5, "h1 says so")
    assert i["reason"] in ("redis-not-master", "master-down")
    c.start_redis("h1")
    c.wait_holder("h1")


@pytest.mark.parametrize("signal_name", ["TERM", "INT"])
def test_a_clean_stop_releases_at_once_and_nobody_else_takes(cluster, signal_name):
    before = now()
    status = cluster.end("h1", "svipd", getattr(signal, "SIG" + signal_name))
    assert status == 0
    assert cluster.holders() == set(), "gone when the process is gone"
    assert cluster.observer.holds(VIP)[-1].end - before < 2
    assert not os.path.exists(cluster.hosts["h1"].socket)
    time.sleep(2)
    assert cluster.holders() == set(), "Sentinel still names h1"
    cluster.start_svipd("h1")
    cluster.wait_holder("h1")
