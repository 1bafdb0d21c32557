# SPDX-License-Identifier: BSD-2-Clause
"""A new process takes over what the one before it held: nobody notices. And what a successor must not believe.

SVIP_RESTARTS: how often each (5; 100 for the figures).
"""

import os
import signal
import time

import netns
import pytest
from cluster import Instance
from netns import now, wait_until

VIP = "10.77.0.50"
RUNS = int(os.environ.get("SVIP_RESTARTS", "5"))


def touched(c, since):
    """What has happened to the address since: renewals don't count."""
    return [(e["host"], e["what"]) for e in c.observer.events() if e["t"] > since and e["what"] != "renew"]


def record_of(c, name):
    return next(c.hosts[name].dir.glob("*.holds"))


@pytest.mark.parametrize("fence", ["nftables", "lifetime"])
@pytest.mark.parametrize("sig", [signal.SIGUSR2, signal.SIGKILL], ids=["USR2", "KILL"])
def test_a_restart_within_the_lease_is_noticed_by_nobody(make_cluster, record, sig, fence):
    c = make_cluster(settings={"fence": f'"{fence}"'})
    writer = c.writer()
    time.sleep(0.5)
    since, acked = now(), len(writer.acks())
    for run in range(RUNS):
        c.end("h1", "svipd", sig)
        c.start_svipd("h1")
        time.sleep(0.3 + 0.05 * (run % 7))
        assert c.instance("h1")["holding"], f"run {run}\n{c.describe()}"
    assert touched(c, since) == [], "neither removed nor added"
    assert c.observer.moves(VIP) == ["h1"], "nor fenced"
    assert len(writer.acks()) > acked
    record(f"longest gap between answers over {RUNS} restarts, {sig.name}, {fence}", writer.outage(since)[0] * 1000)
    assert writer.lost(c.redis("h1")) == 0
    assert "goes on" in c.hosts["h1"].log()


def restart_with(c, change, expect):
    """Kills the holder's svipd, changes something, starts it again: removed first, and then earned anew."""
    since = now()
    c.end("h1", "svipd", signal.SIGKILL)
    change()
    c.start_svipd("h1")
    wait_until(lambda: c.instance("h1")["holding"], 15, lambda: f"earned anew\n{c.describe()}")
    assert touched(c, since) == [("h1", "del"), ("h1", "add")]
    assert expect in c.hosts["h1"].log()


def rewrite(path, what):
    data = bytearray(path.read_bytes())
    what(data)
    path.write_bytes(bytes(data))


def flip(data):
    data[112] ^= 1  # the epoch's lowest byte


@pytest.mark.parametrize("what,expect", [
    (lambda p: rewrite(p, flip), "damaged"),
    (lambda p: rewrite(p, lambda d: d.__delitem__(slice(100, None))), "cut short"),
    (lambda p: p.write_bytes(os.urandom(512)), "not in this version's format"),
    (lambda p: p.write_bytes(bytes(2 << 20)), "too large"),
    (lambda p: p.unlink(), "left over"),
], ids=["flipped", "truncated", "random", "huge", "missing"])
def test_a_record_that_does_not_count_is_worthless_and_says_so(cluster, what, expect):
    restart_with(cluster, lambda: what(record_of(cluster, "h1")), expect)


def test_the_record_of_another_node_is_worthless(cluster):
    mine, theirs = record_of(cluster, "h1"), record_of(cluster, "h2")
    cluster.sentinel_failover(via="h1")
    new = cluster.wait_settled(but=["h1"])
    copy = record_of(cluster, new).read_bytes()
    since = now()
    cluster.end("h1", "svipd", signal.SIGKILL)
    mine.write_bytes(copy)
    cluster.start_svipd("h1")
    time.sleep(1.5)
    assert cluster.holders() == {new} and touched(cluster, since) == []
    assert "of another network namespace" in cluster.hosts["h1"].log() or "of another node" in cluster.hosts["h1"].log()
    assert theirs.exists()


def test_an_old_record_put_back_after_the_release_is_worthless(cluster):
    mine = record_of(cluster, "h1")
    old = mine.read_bytes()
    cluster.sentinel_failover(via="h2")
    new = cluster.wait_settled(but=["h1"])
    cluster.end("h1", "svipd", signal.SIGKILL)
    mine.write_bytes(old)
    cluster.start_svipd("h1")
    time.sleep(1)
    assert cluster.holders() == {new} and cluster.observer.moves(VIP) == ["h1", new]


def test_another_lease_in_the_configuration_is_earned_anew(make_cluster):
    c = make_cluster(hosts=1, sentinels=["h1"])
    restart_with(c, lambda: c.write_config("h1", c.config(lease='"2s"')), "of another configuration")


def test_a_successor_that_comes_too_late_earns_it_anew(cluster):
    cluster.end("h1", "svipd", signal.SIGKILL)
    time.sleep(cluster.lease + 0.3)
    cluster.start_svipd("h1")
    cluster.wait_holder("h1")
    holds = cluster.observer.holds(VIP)
    assert len(holds) == 2 and holds[1].start - holds[0].end > 0.1


def test_while_the_predecessor_lives_nobody_succeeds_it(cluster):
    """Stopped isn't dead."""
    cluster.signal("h1", signal.SIGSTOP)
    old = cluster.hosts["h1"].procs.pop("svipd")
    since = now()
    with pytest.raises(AssertionError, match="ended with"):
        cluster.start_svipd("h1")
    cluster.hosts["h1"].procs["svipd"] = old
    cluster.signal("h1", signal.SIGCONT)
    wait_until(lambda: cluster.instance("h1")["holding"], 15, "the old one goes on")
    assert set(cluster.observer.moves(VIP)) == {"h1"}
    assert [w for _, w in touched(cluster, since)] in ([], ["del", "add"])


def test_a_newer_epoch_during_the_restart_ends_what_was_inherited(cluster):
    """The failover falls into the gap: the successor inherits, hears of it at once, and lets go."""
    cluster.signal("h1", signal.SIGSTOP)
    cluster.sentinel_failover(via="h2")
    cluster.end("h1", "svipd", signal.SIGKILL)
    cluster.start_svipd("h1")
    new = cluster.wait_settled(but=["h1"])
    time.sleep(1)
    assert cluster.observer.moves(VIP) == ["h1", new]


def test_a_clean_stop_still_lets_go_at_once(cluster):
    since = now()
    cluster.stop_svipd("h1")
    assert touched(cluster, since) == [("h1", "del")]
    cluster.start_svipd("h1")
    cluster.wait_holder("h1")
    assert "goes on" not in cluster.hosts["h1"].log()


def test_who_lost_an_address_and_may_not_put_it_back_has_left_no_record(make_cluster):
    """Nothing was removed by order, and yet it holds no more, and may yield."""
    c = make_cluster(instances=[Instance(vips=("fd77::50",))])
    assert record_of(c, "h1").read_bytes()[81] == 1
    netns.run(c.hosts["h1"].ns, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    wait_until(lambda: c.instance("h1")["reason"] == "address-refused", 10, lambda: f"refused\n{c.describe()}")
    assert record_of(c, "h1").read_bytes()[81] == 0
