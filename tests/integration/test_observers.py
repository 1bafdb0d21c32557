# SPDX-License-Identifier: BSD-2-Clause
"""The witnesses themselves: they must see what they are there for. svipd doesn't run here."""

import time

import pytest
from cluster import Cluster, Instance
from fakesentinel import FakeSentinel
from netns import now, wait_until

VIPS = ("10.77.0.50", "fd77::50")


@pytest.fixture
def bare():
    """A cluster without svipd, checked by nobody."""
    with Cluster(instances=[Instance(vips=VIPS)]) as c:
        c.up()
        c.prober()
        yield c


@pytest.mark.parametrize("vip", VIPS)
def test_two_holders_added_by_hand_are_flagged(bare, vip):
    bare.add_vip("h1", vip)
    time.sleep(0.3)
    assert bare.problems() == []
    bare.add_vip("h2", vip)
    wait_until(lambda: {a["host"] for a in bare.children[0].answers(vip)} == {"h1", "h2"}, 5, "both answer")
    time.sleep(0.1)
    bare.delete_vip("h1", vip)
    bare.delete_vip("h2", vip)
    problems = bare.problems()
    assert any("two holders" in p for p in problems)
    assert any("both answer" in p for p in problems)
    with pytest.raises(AssertionError, match="two holders"):
        bare.observer.check()


def test_a_handover_without_overlap_is_not_flagged(bare):
    for _ in range(20):
        for name in ("h1", "h2", "h3"):
            for vip in VIPS:
                bare.add_vip(name, vip)
                bare.delete_vip(name, vip)
    assert bare.observer.moves(VIPS[0]) == ["h1", "h2", "h3"] * 20
    assert bare.observer.violations() == []


def test_a_host_without_power_holds_nothing(bare):
    bare.add_vip("h1")
    bare.power_off("h1")
    bare.add_vip("h2")
    assert bare.holders() == {"h2"}
    assert bare.observer.violations() == []
    bare.boot("h1", programs=False)
    bare.add_vip("h1")
    assert len(bare.observer.violations()) == 1


def test_an_excused_hold_is_left_out_but_its_length_is_known(bare):
    bare.add_vip("h1")
    bare.observer.excuse("h2", VIPS[0], "by hand")
    bare.add_vip("h2")
    bare.delete_vip("h2")
    assert bare.observer.violations() == []
    hold = next(h for h in bare.observer.holds() if h.excuse)
    assert hold.host == "h2" and 0 < hold.end - hold.start < 1
    bare.add_vip("h2")
    assert len(bare.observer.violations()) == 1


def test_answers_of_a_host_that_does_not_hold_are_flagged(bare):
    bare.add_vip("h1")
    wait_until(lambda: bare.children[0].answers(VIPS[0]), 5, "h1 answers")
    bare.observer._child.fetch().clear()
    assert any("without holding" in p for p in bare.children[0].violations(bare.observer))


def test_cuts_are_one_way_or_both_and_heal(bare):
    bare.add_vip("h1")
    prober = bare.children[0]

    def answered():
        start = now()
        time.sleep(0.15)
        return any(a["t"] > start for a in prober.answers(VIPS[0]))
    assert answered()
    for cut in (lambda: bare.cut("client", "h1", oneway=True), lambda: bare.cut("h1", "client", oneway=True),
                lambda: bare.isolate("h1"), lambda: bare.isolate("client", keep=["h2"])):
        cut()
        assert not answered()
        bare.heal()
        assert answered()
    bare.isolate("h1", keep=["client"])
    assert answered()


def test_the_harness_sees_a_failover_from_all_sides(bare):
    bare.start(svipd=False)
    bare.add_vip("h1")
    poller, writer = bare.poller(), bare.writer()
    killed = bare.kill_redis("h1")
    new = bare.wait_named("h1")
    bare.delete_vip("h1")
    bare.add_vip(new)
    writer.wait_writing()
    assert bare.problems() == []
    assert killed < poller.majority_since(bare.address(new), killed) < now()
    assert writer.outage(killed)[0] > 0.5
    with bare.redis(new) as r:
        assert writer.lost(r) < len(writer.acks())


def test_a_fake_sentinel_says_what_it_is_told(bare):
    bare.add(FakeSentinel(bare.hosts["h3"].ns, {"mymaster": ("10.77.0.12", 6379, 7)}))
    view = wait_until(lambda: bare.sentinel_view("h3"), 5, "it answers")
    assert (view["addr"], view["epoch"], view["flags"]) == ("h2", 7, ["master"])
