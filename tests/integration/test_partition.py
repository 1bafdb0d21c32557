# SPDX-License-Identifier: BSD-2-Clause
"""Cuts, loss and Sentinels that are gone or lie."""

import os
import time

import pytest
from fakesentinel import FakeSentinel
from netns import now, wait_until

VIP = "10.77.0.50"


def gone_in_time(c, host, since):
    """The host has let go, no later than the lease and the guard allow."""
    hold = wait_until(lambda: next((h for h in c.observer.holds(VIP) if h.host == host and h.end), None), c.bound + 2,
                      lambda: f"{host} has let go\n{c.describe()}")
    assert hold.end - since < c.bound, f"{hold.end - since:.3f} s after the cut"
    return hold.end


def after_heal(c, new):
    """The network is whole: all hear each other, and nothing has moved back."""
    c.wait_peers()
    time.sleep(1)
    assert c.holders() == {new}


def test_a_cut_off_master_loses_the_address_client_with_the_majority(cluster, record):
    writer = cluster.writer()
    cut = now()
    cluster.isolate("h1")
    new = cluster.wait_settled(but=["h1"])
    gone_in_time(cluster, "h1", cut)
    writer.wait_writing()
    record("outage of a writer", writer.outage(cut)[0] * 1000)
    assert cluster.instance("h1")["reason"] in ("no-quorum", "lease-expired")
    cluster.heal()
    after_heal(cluster, new)


def test_a_cut_off_master_loses_the_address_client_with_the_master(cluster, record):
    writer = cluster.writer()
    cut = now()
    cluster.isolate("h1", keep=["client"])
    gone = gone_in_time(cluster, "h1", cut)
    new = cluster.wait_settled(but=["h1"])
    record("cut to letting go", (gone - cut) * 1000)
    assert writer.acks()[-1][1] < gone, "nothing is written after that"
    healed = now()
    cluster.heal()
    writer.wait_writing(timeout=60)
    record("heal to first write", (next(a[2] for a in writer.acks() if a[2] > healed) - healed) * 1000)
    after_heal(cluster, new)


@pytest.mark.parametrize("way", ["out", "in"])
def test_a_one_way_cut_of_the_master_moves_the_address(cluster, way):
    cut = now()
    others = [h for h in cluster.hosts if h != "h1"]
    if way == "out":
        cluster.cut("h1", others, oneway=True)
    else:
        cluster.cut(others, "h1", oneway=True)
    gone_in_time(cluster, "h1", cut)
    new = cluster.wait_settled(but=["h1"])
    cluster.heal()
    after_heal(cluster, new)


def test_a_cut_between_the_nodes_alone_moves_nothing(cluster):
    """h1 and h2 don't hear each other, but both reach h3: a majority still confirms h1."""
    cluster.cut("h1", "h2")
    wait_until(lambda: cluster.peer("h1", "h2")["state"] == "silent", 15, "h2 is silent")
    time.sleep(2)
    if cluster.epoch() == 0:
        assert cluster.observer.moves(VIP) == ["h1"]
    cluster.heal()
    cluster.wait_peers()


def test_without_a_majority_of_sentinels_nobody_holds(cluster, record):
    cut = now()
    cluster.end("h2", "sentinel")
    cluster.end("h3", "sentinel")
    gone = gone_in_time(cluster, "h1", cut)
    record("majority lost to letting go", (gone - cut) * 1000)
    i = cluster.instance("h1")
    assert not i["holding"] and i["reason"] in ("no-quorum", "lease-expired")
    time.sleep(2)
    assert cluster.holders() == set()
    cluster.start_sentinel("h2")
    cluster.wait_holder("h1")
    cluster.start_sentinel("h3")


def test_one_sentinel_less_changes_nothing(cluster):
    cluster.end("h1", "sentinel")
    time.sleep(3)
    assert cluster.observer.moves(VIP) == ["h1"]
    cluster.start_sentinel("h1")
    wait_until(lambda: cluster.instance("h1")["confirmations"] == 3, 10, "three confirm again")
    assert cluster.observer.moves(VIP) == ["h1"]


def test_one_sentinel_that_lies_with_an_old_epoch_is_outvoted(cluster):
    cluster.end("h3", "sentinel")
    liar = cluster.add(FakeSentinel(cluster.hosts["h3"].ns, {"mymaster": (cluster.address("h1"), 6379, 0)}))
    wait_until(lambda: liar.asked() > 3, 10, "the liar is asked")
    assert cluster.holders() == {"h1"}
    cluster.kill_redis("h1")
    new = cluster.wait_settled(but=["h1"])
    cluster.start_redis("h1")  # it says that it is a master, and the liar says the same
    time.sleep(3)
    assert cluster.holders() == {new}
    asked = liar.asked()
    wait_until(lambda: liar.asked() > asked, 5, "the liar is still asked")


def test_one_sentinel_that_lies_with_a_great_epoch_takes_nothing_to_another(cluster):
    """Its word may cost the address for a moment, but gives it to nobody."""
    cluster.end("h3", "sentinel")
    cluster.add(FakeSentinel(cluster.hosts["h3"].ns, {"mymaster": (cluster.address("h2"), 6379, 99)}))
    time.sleep(4)
    assert set(cluster.observer.moves(VIP)) == {"h1"}


def test_a_sentinel_that_names_the_virtual_address_is_not_followed(cluster):
    cluster.end("h3", "sentinel")
    cluster.add(FakeSentinel(cluster.hosts["h3"].ns, {"mymaster": (VIP, 6379, 0)}))
    time.sleep(2)
    assert cluster.observer.moves(VIP) == ["h1"]


@pytest.mark.parametrize("percent", [10, 30])
def test_under_random_loss_the_address_moves_only_with_sentinel(make_cluster, record, percent):
    c = make_cluster(lease=2.0, down_after=2000 if percent == 10 else 1000)
    c.loss(percent)
    seconds = float(os.environ.get("SVIP_LOSS_SECONDS", "60"))
    end, epochs = now() + seconds, set()
    while now() < end:
        time.sleep(1)
        epochs |= {v["epoch"] for v in c.views().values()}
    moves = c.observer.moves(VIP)
    changes = sum(a != b for a, b in zip(moves, moves[1:]))
    record(f"{percent} % loss: Sentinel's epochs", len(epochs))
    record(f"{percent} % loss: moves", changes)
    record(f"{percent} % loss: holds", len(moves))
    assert changes <= max(epochs), "every move follows an epoch of Sentinel"
    if percent == 10 and max(epochs) == 0:
        assert moves == ["h1"], "neither moved nor dropped"
    c.loss(0)
    c.wait_settled(timeout=60)
    c.wait_peers()
