# SPDX-License-Identifier: BSD-2-Clause
"""svipd killed, stopped, resumed; hands on addresses and links."""

import signal
import time

import netns
import pytest
from netns import now, wait_until

VIP = "10.77.0.50"


def test_a_killed_holder_loses_the_address_by_the_kernels_hand(cluster, record):
    killed = now()
    cluster.end("h1", "svipd", signal.SIGKILL)
    cluster.wait_holder(None, timeout=cluster.bound + 2)
    end = cluster.observer.holds(VIP)[-1].end
    record("kill -9 of svipd to no address", (end - killed) * 1000)
    assert end - killed < cluster.bound
    time.sleep(2)
    assert cluster.holders() == set(), "Sentinel still names h1, so nobody else takes"
    cluster.start_svipd("h1")
    cluster.wait_holder("h1")


def test_a_killed_daemon_leaves_no_process_behind(cluster):
    proc = cluster.hosts["h2"].procs.pop("svipd")
    proc.kill()
    proc.wait(5)
    try:
        wait_until(lambda: not netns.group_alive(proc.pid), 5, "its children have ended")
    finally:
        netns.end_process(proc)


def test_a_killed_holder_that_starts_at_once_holds_again(cluster):
    cluster.end("h1", "svipd", signal.SIGKILL)
    cluster.start_svipd("h1")
    wait_until(lambda: cluster.instance("h1")["holding"], 15, lambda: f"h1 holds again\n{cluster.describe()}")
    assert cluster.holders() == {"h1"}
    assert set(cluster.observer.moves(VIP)) == {"h1"}


def test_a_killed_holder_and_then_a_failover(cluster, record):
    cluster.end("h1", "svipd", signal.SIGKILL)
    poller = cluster.poller()
    asked = cluster.sentinel_failover(via="h2")
    new = cluster.wait_settled(but=["h1"])
    named = poller.majority_since(cluster.address(new), asked)
    record("majority to address, old holder killed", (cluster.observer.holds(VIP)[-1].start - named) * 1000)


def test_a_stopped_holder_does_not_come_back_when_it_is_continued(cluster, record):
    cluster.signal("h1", signal.SIGSTOP)
    poller = cluster.poller()
    asked = cluster.sentinel_failover(via="h2")
    new = cluster.wait_settled(but=["h1"])
    named = poller.majority_since(cluster.address(new), asked)
    record("majority to address, old holder stopped", (cluster.observer.holds(VIP)[-1].start - named) * 1000)
    cluster.signal("h1", signal.SIGCONT)
    wait_until(lambda: cluster.instance("h1")["state"] == "backup", 10, "h1 is backup")
    time.sleep(2)
    assert cluster.holders() == {new}
    assert cluster.observer.moves(VIP) == ["h1", new]


@pytest.mark.parametrize("pause", [0.3, 1.5, 5])
def test_a_holder_stopped_and_continued_without_a_failover_ends_as_holder(cluster, pause):
    cluster.signal("h1", signal.SIGSTOP)
    time.sleep(pause)
    cluster.signal("h1", signal.SIGCONT)
    wait_until(lambda: cluster.instance("h1")["holding"], 15, lambda: f"h1 holds\n{cluster.describe()}")
    assert set(cluster.observer.moves(VIP)) == {"h1"}


def test_a_stopped_backup_delays_a_failover_but_does_not_prevent_it(cluster):
    cluster.signal("h2", signal.SIGSTOP)
    cluster.signal("h3", signal.SIGSTOP)
    cluster.sentinel_failover(via="h1")
    new = cluster.wait_named("h1")
    other = ({"h2", "h3"} - {new}).pop()
    cluster.wait_holder(None)
    cluster.signal(new, signal.SIGCONT)
    cluster.wait_holder(new)
    cluster.signal(other, signal.SIGCONT)
    cluster.wait_peers()
    assert cluster.holders() == {new}


def test_restarts_of_the_others_do_not_disturb_the_holder(cluster):
    for name in ("h2", "h3"):
        assert cluster.stop_svipd(name) == 0
        cluster.start_svipd(name)
    cluster.wait_peers()
    assert cluster.observer.moves(VIP) == ["h1"]


def test_a_restart_of_the_holder_brings_it_back(cluster, record):
    assert cluster.stop_svipd("h1") == 0
    cluster.start_svipd("h1")
    cluster.wait_holder("h1")
    first, second = cluster.observer.holds(VIP)
    record("restart: gap of the address", (second.start - first.end) * 1000)


def test_an_address_deleted_by_hand_is_put_back_at_once(cluster, record):
    writer = cluster.writer()
    for _ in range(3):
        cluster.delete_vip("h1")
        cluster.wait_holder("h1", timeout=5)
        time.sleep(0.2)
    holds = cluster.observer.holds(VIP)
    assert [h.host for h in holds] == ["h1"] * 4
    gaps = [b.start - a.end for a, b in zip(holds, holds[1:])]
    for gap in gaps:
        record("deleted by hand: gap of the address", gap * 1000)
    assert max(gaps) < 1
    writer.wait_writing()
    i = cluster.instance("h1")
    assert i["state"] == "master" and i["holding"]


def test_an_address_added_by_hand_on_the_wrong_host_is_removed_at_once(cluster, record):
    for name in ("h2", "h3"):
        cluster.observer.excuse(name, VIP, "added by hand")
        cluster.add_vip(name)
        cluster.wait_holder("h1", timeout=5)
    for hold in [h for h in cluster.observer.holds(VIP) if h.excuse]:
        record("added by hand: time until removed", (hold.end - hold.start) * 1000)
        assert hold.end - hold.start < 1
    assert [h.host for h in cluster.observer.holds(VIP) if not h.excuse] == ["h1"], "the holder was not disturbed"


def test_an_address_left_over_from_before_is_removed_at_the_start(make_cluster):
    c = make_cluster(start=False)
    c.observer.excuse("h2", VIP, "left over")
    c.add_vip("h2")
    c.start()
    c.wait_holder("h1")
    left = next(h for h in c.observer.holds(VIP) if h.excuse)
    held = next(h for h in c.observer.holds(VIP) if not h.excuse)
    assert left.end < held.start


def test_the_holders_redis_stopped_and_continued(cluster):
    """A Redis that hangs is as good as dead; when it goes on it still believes to be the master."""
    cluster.signal("h1", signal.SIGSTOP, "redis-6379")
    new = cluster.wait_settled(but=["h1"])
    cluster.signal("h1", signal.SIGCONT, "redis-6379")
    time.sleep(3)
    assert cluster.holders() == {new}
