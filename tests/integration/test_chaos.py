# SPDX-License-Identifier: BSD-2-Clause
"""A short round of chaos (tests/chaos), always the same plan; and the checker, which must find what is wrong with a record.

SVIP_CHAOS_SECONDS (20) and SVIP_CHAOS_SEED: another round. `make chaos` runs longer ones.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from netns import now, wait_until

sys.path.append(str(Path(__file__).resolve().parents[1] / "chaos"))

import chaos  # noqa: E402
import plan  # noqa: E402
from checker import Checker  # noqa: E402
from nemesis import Nemesis  # noqa: E402

SECONDS = float(os.environ.get("SVIP_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("SVIP_CHAOS_SEED", "70"))
VIP = "10.77.0.50"


def test_a_round_of_chaos_shows_no_violation(tmp_path):
    found = chaos.one(SEED, SECONDS, tmp_path)
    keep = os.environ.get("SVIP_KEEP")
    if found and keep:
        shutil.copytree(tmp_path, Path(keep) / f"chaos-{SEED}", dirs_exist_ok=True)
    assert not found, f"seed {SEED}: {found[0][1]}"


def test_a_second_holder_by_hand_is_found_with_its_story(tmp_path):
    shape = plan.Shape(0, 3, (), ("h1", "h2", "h3"), plan.INSTANCES[:1], 4, 1.0, 3000, "lifetime")
    path = tmp_path / "second.jsonl"

    def second_holder(c, nemesis):
        time.sleep(c.bound)  # what was before the record began could have been said by anybody
        c.end("h2", "svipd")
        begun = now()
        c.add_vip("h2")
        wait_until(lambda: any(a["host"] == "h2" and a["t"] > begun for a in c.prober().answers(VIP)), 10, "h2 answers")
        c.delete_vip("h2")
        c.start_svipd("h2")

    chaos.Round(0, 0.1, path, faults=[], shape=shape).run(during=second_holder)
    told = []
    found = [text for _, text in chaos.verdict(path, told.append, most=1)]
    assert any("two holders" in text and "h2 has 10.77.0.50" in text for text in found), found
    assert any(text.startswith("no word: h2 holds 10.77.0.50") for text in found), found
    assert not any("h1 holds" in text or "h3 holds" in text for text in found), found
    assert any("address    h2 10.77.0.50 add" in line for line in told), told
    assert any("SEED=0" in line for line in told)


# ---- records made up ----

def story(*more, sentinels=("h1", "h2", "h3"), until=20.0):
    """A record in which all Sentinels name h1 from 0 on, and h1 holds from 1 on; with more lines of (t, kind, fields).
    ("switch": this Sentinel names another host from t on. "without": no lines of this kind. Times below 0 are there for the
    witnesses: each has seen something.)"""
    without = {line[2]["lines"] for line in more if line[1] == "without"}
    silent = {(line[2]["sentinel"], line[0]) for line in more if line[1] == "silence"}
    turn = {line[2]["sentinel"]: line for line in more if line[1] == "switch"}

    def named(sentinel, t):
        switch = turn.get(sentinel)
        return f"10.77.0.1{switch[2]['host'][1] if switch and t >= switch[0] else 1}"
    hosts = {f"h{i}": [f"10.77.0.{10 + i}"] for i in (1, 2, 3)}
    lines = [{"kind": "setup", "t": 0.0, "seed": 0, "seconds": 0, "command": "", "shape": "", "lease": 1.0, "guard": 0.06,
              "sentinels": sentinels, "nodes": list(hosts), "macs": {"aa": "h1", "cc": "h3"}, "addresses": {**hosts, "client": ["10.77.0.99"]},
              "instances": [{"name": "mymaster", "port": 6379, "vips": [VIP]}]}]
    lines += [{"kind": "sentinel", "instance": "mymaster", "sentinel": s, "address": named(s, t), "asked": 0.1 + t,
               "heard": 0.1 + t, "before": t - 0.9 if (s, t) in silent else 0.09 + t if t else None} for s in sentinels for t in range(int(until))]
    lines += [{"kind": "address", "t": 1.0, "host": "h1", "vip": VIP, "what": "add"}, {"kind": "end", "t": until}]
    lines += [{"kind": "acks", "t": 0.0, "writer": 0, "vip": VIP, "acks": [[0, -1.6, -1.5]]},
              {"kind": "quiet", "t": -2.0, "until": -1.0}, {"kind": "settle", **settle(-1.5, ["h1"])[2], "t": -1.5},
              {"kind": "probe", "t": 1.5, "answer": answer(1.5, "aa", 1)[2]["answer"]}]
    lines += [{"kind": kind, "t": t, **fields} for t, kind, fields in more if kind not in ("switch", "silence", "without")]
    lines = [line for line in lines if line["kind"] not in without]
    lines.sort(key=lambda x: (x["kind"] == "end", x.get("heard", x.get("t", 0))))
    found = {}
    for line in json.loads(json.dumps(lines)):
        found.setdefault(line["kind"], []).append(line)
    return found


def gone(t, host="h1"):
    return (t, "address", {"host": host, "vip": VIP, "what": "del"})


def down(t, host, state="down", key="sentinel"):
    return (t, "process", {"host": host, "key": key, "state": state})


def names(t, sentinel, host):
    return (t, "switch", {"sentinel": sentinel, "host": host})


def silence(t, sentinel):
    """This Sentinel was not seen in the second before t."""
    return (t, "silence", {"sentinel": sentinel})


def cut(t, *pairs):
    return (t, "paths", {"from": t, "closed": [list(p) for p in pairs]})


def settle(t, holders, role="master"):
    return (t, "settle", {"instance": "mymaster", "named": "h1", "down": False, "agreed": True, "role": role,
                          "holders": {VIP: holders}})


def answer(t, mac, number, kind="answer"):
    return (t, "probe", {"answer": {"t": t, "vip": VIP, "mac": mac, "kind": kind, "probe": number}})


def add(t, host):
    return (t, "address", {"host": host, "vip": VIP, "what": "add"})


def renew(t, lag_ms):
    return (t, "address", {"host": "h1", "vip": VIP, "what": "renew", "lag_ms": lag_ms})


def fence(t, until, host="h1"):
    return (t, "address", {"host": host, "vip": VIP, "what": "fence", "until": until})


def writes(*times):
    return (0.0, "acks", {"writer": 0, "vip": VIP, "acks": [[n + 1, t, t] for n, t in enumerate(times)]})


def without(kind):
    return (0.0, "without", {"lines": kind})


ALONE = [(a, b) for x in ("h2", "h3") for a, b in (("h1", x), (x, "h1"))]
QUIET = (2.0, "quiet", {"until": 20.0})

STORIES = {
    "all well": ((), None),
    "one Sentinel dead": ((down(5, "h2"),), None),
    "two Sentinels dead, held on": ((down(5, "h2"), down(6, "h3")), "no word"),
    "two Sentinels dead, let go": ((down(5, "h2"), down(6, "h3"), gone(7.05)), None),
    "two Sentinels dead, let go late": ((down(5, "h2"), down(6, "h3"), gone(7.3)), "no word"),
    "two Sentinels dead, let go, the observer was told later": (
        (down(5, "h2"), down(6, "h3"), renew(2, 0), renew(7.3, 200), gone(7.3)), None),
    "two Sentinels dead, let go late, the observer was told late long before": (
        (down(5, "h2"), down(6, "h3"), renew(2, 200), renew(3, 0), renew(7.3, 0), gone(7.3)), "no word"),
    "two Sentinels stopped and going on in time": (
        (down(5, "h2"), down(6, "h3", "stopped"), down(6.9, "h3", "up")), None),
    "one Sentinel names another": ((names(5, "h2", "h2"),), None),
    "two Sentinels name another, held on": ((names(5, "h2", "h2"), names(5, "h3", "h2")), "no word"),
    "two Sentinels name another, let go": ((names(5, "h2", "h2"), names(5, "h3", "h2"), gone(6.1)), None),
    "two Sentinels name another, one after the other": ((names(5, "h2", "h2"), names(8, "h3", "h3"), gone(9.1)), None),
    "cut off, held on": ((cut(5, *ALONE),), "no word"),
    "cut off, let go": ((cut(5, *ALONE), gone(6.1)), None),
    "cut off one way, held on": ((cut(5, *[p for p in ALONE if p[0] == "h1"]),), "no word"),
    "cut off for a moment": ((cut(5, *ALONE), cut(5.9)), None),
    "two Sentinels killed and back without a word for h1": (
        (down(5, "h2"), down(6, "h3"), names(7, "h2", "h2"), names(7, "h3", "h2"), down(7, "h2", "up"), down(7, "h3", "up")), "no word"),
    "a Sentinel that was not seen may have said anything": (
        (down(5, "h2"), names(6, "h3", "h2"), silence(7, "h3"), gone(8)), None),
    "a Sentinel that was seen has said what it said": ((down(5, "h2"), names(6, "h3", "h2"), gone(8)), "no word"),
    "let go within a larger guard": (
        (down(5, "h2"), down(6, "h3"), (0.5, "guard", {"host": "h1", "seconds": 2.2}), gone(9.2)), None),
    "let go later than the larger guard": (
        (down(5, "h2"), down(6, "h3"), (0.5, "guard", {"host": "h1", "seconds": 2.2}), gone(9.4)), "no word"),
    "two Sentinels dead, the packet filter shuts": ((down(5, "h2"), down(6, "h3"), fence(2, 7.05)), None),
    "two Sentinels dead, the packet filter shuts late": ((down(5, "h2"), down(6, "h3"), fence(2, 7.3)), "no word"),
    "a host that nobody names": ((gone(5), add(6, "h3")), "no word: h3"),
    "two": ((add(6, "h3"),), "two holders"),
    "two, behind a packet filter that was shut": ((fence(2, 5.5), add(6, "h3")), "no word: h3"),
    "two, behind a packet filter that was open": ((fence(2, 6.5), add(6, "h3")), "two holders"),
    "two, for the filter of the first is gone": (
        (fence(2, 5.5), add(6, "h3"), (6.5, "address", {"host": "h1", "what": "table", "there": False}), fence(7, 8)), "no word: h3"),
    "the observer was deaf": (((5.0, "address", {"what": "lost"}),), "lost notifications"),
    "two answer": ((add(1.0, "h3"), answer(6, "aa", 9), answer(6.001, "cc", 9)), "h1 and h3 both answer"),
    "one answers without holding": ((answer(6, "cc", 9),), "h3 answers for 10.77.0.50 at 6.000000 without"),
    "one announces without holding": ((answer(6, "cc", 9, "announce"),), "h3 announces for 10.77.0.50 at 6.000000 without"),
    "one that had let go answers": ((gone(5), answer(5.1, "aa", 9)), "without holding it"),
    "one that had let go answers on a slow line": (
        (gone(5), answer(5.4, "aa", 9), (2.0, "slow", {"host": "h1", "until": 7.0, "late": 0.5})), None),
    "a stranger answers": ((answer(6, "ee", 9),), "ee answers"),
    "recovered": ((QUIET, settle(3, []), settle(9, []), settle(12, ["h1"])), None),
    "not recovered": ((QUIET, settle(3, []), settle(9, []), settle(14, []), settle(15, ["h1"])), "recovery"),
    "not ready yet": ((QUIET, settle(3, [], "slave"), settle(14, []), settle(19, ["h1"])), None),
    "never ready": ((QUIET, settle(3, [], "slave"), settle(19, [], "slave")), "recovery"),
    "healed, and not settled": ((QUIET, settle(3, ["h1"]), settle(19, [])), "recovery"),
    "held, by another than who is named": ((QUIET, settle(3, ["h2"]), settle(9, ["h2"]), settle(14, ["h2"]), settle(19, ["h2"])), "recovery"),
    "served": ((QUIET, settle(3, ["h1"]), settle(14, ["h1"]), writes(4)), None),
    "held, but not served": ((QUIET, settle(3, ["h1"]), settle(14, ["h1"]), writes(2.5, 13.5)), "service"),
    **{f"no {kind}": ((without(kind),), f"not whole: the record has no {what}") for kind, what in (
        ("end", "end"), ("probe", "answer for"), ("acks", "acknowledged write"), ("settle", "look at mymaster"),
        ("sentinel", "word of h1"), ("quiet", "look at mymaster"))},
    "an end by itself": (((4.0, "ailment", {"text": "redis has ended by itself"}),), "ailment"),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_checker_judges_a_story(name):
    lines, expected = STORIES[name]
    found = [text for _, text in Checker(story(*lines)).check()]
    if expected is None:
        assert found == []
    else:
        assert found and any(expected in text for text in found), found


def fault(t, n, what, phase="begin"):
    return (t, "fault", {"n": n, "what": what, "phase": phase, "done": t})


WELL = [(0.2, "health", {"host": h, "instance": "mymaster", **what}) for h in ("h1", "h2", "h3")
        for what in ({"role": "master" if h == "h1" else "slave"}, {"down": False, "epoch": 1})]
STEADY = tuple(x / 10 for x in range(10, 50))


def test_outages_and_lost_writes_are_counted_for_each_kind_of_fault():
    lines = story(fault(5, 0, "redis kill redis-6379 h1"), fault(7, 0, "redis kill", "end"), fault(6, 1, "svipd pause svipd h3"),
                  fault(6.2, 1, "svipd pause", "end"), fault(9, 2, "redis kill redis-6379 h2"), fault(9.5, 2, "redis kill", "end"),
                  writes(*STEADY, 5.1, 8.0, *(x / 10 for x in range(81, 201))),
                  (20.0, "lost", {"writer": 0, "lost": [41, 43]}))  # acknowledged at 5.1 and 8.1
    checker = Checker(lines)
    assert checker.check() == []
    rows = {kind: row for kind, *row in checker.figures.table()}
    assert rows["redis kill"] == [2, 1, pytest.approx(2.9), pytest.approx(2.9), 1]
    assert rows["svipd pause"] == [1, 0, 0.0, 0.0, 0]
    assert checker.figures.sums["of these lost"] == 2


@pytest.mark.parametrize("more,what", [
    ((), "named, nothing broken there, not held"),
    ((down(5, "h1", key="svipd"),), "named, but svipd is down there"),
    ((down(5, "h1", key="redis-6379"),), "named, but Redis is down there"),
    (((5.0, "health", {"host": "h1", "instance": "mymaster", "role": "slave"}),), "named, but Redis says there that it is no master"),
    (tuple((5.0, "health", {"host": h, "instance": "mymaster", "down": True, "epoch": 1}) for h in ("h1", "h2")),
     "named, but no majority sees it up with one epoch"),
    ((cut(5, *ALONE),), "named, but cut off from a majority"),
    (((5.0, "log", {"host": "h1", "line": "info: mymaster: init -> waiting reason=guard-unknown epoch=1 waited_ms=9"}),),
     "named, but it can't know yet how long the others wait for it"),
    ((names(5, "h2", "h2"), names(5, "h3", "h3")), "nobody is named by a majority"),
    ((add(5, "h1"), cut(5, ("h1", "client"))), "held, but the client is cut off"),
    ((add(5, "h1"), down(5, "h1", key="redis-6379")), "held, but Redis is down there"),
    ((add(5, "h1"), (4.9, "slow", {"host": "h1", "until": 12, "late": 1})), "held, but its line is slow"),
    (((4.9, "slow", {"host": "h1", "until": 12, "late": 1}),), "named, but its line is slow"),
    ((add(5, "h1"), (5.0, "log", {"host": "h1", "line": "info: mymaster: Sentinel fails over: clients' writes wait, for 5000 ms at most"})),
     "held, but writes wait for a failover"),
    ((add(5, "h1"), (5.0, "log", {"host": "h1", "line": "info: mymaster: Sentinel fails over: clients' writes wait, for 5000 ms at most"}),
      (5.5, "log", {"host": "h1", "line": "info: mymaster: clients' writes go on"})), "held"),
    ((add(5, "h1"),), "held"),
])
def test_an_outage_is_explained_by_what_was_broken(more, what):
    checker = Checker(story(*WELL, gone(4.99), *more, writes(*STEADY, *(x / 10 for x in range(95, 201)))))
    checker.check()
    assert max(checker.figures.parts, key=checker.figures.parts.get) == what, checker.figures.parts
    assert bool(checker.long) == (what in ("held", "named, nothing broken there, not held"))


@pytest.mark.parametrize("more,why,riddle", [
    ((), "reason unknown", True),
    (((5.0, "log", {"host": "h1", "line": "info: mymaster: master -> backup reason=newer-epoch epoch=2 waited_ms=9"}),),
     "reason newer-epoch", True),
    (((5.0, "log", {"host": "h1", "line": "info: mymaster: master -> fault reason=link-down epoch=2 waited_ms=9"}),),
     "reason link-down", False),
    ((down(4, "h1", key="svipd"),), "for svipd was down", False),
    ((cut(4, ("h1", "client")),), "for it was cut off", False),
    (((4.99, "power", {"host": "h1"}),), "for the power was gone", False),
])
def test_a_subscriber_that_nobody_told_is_a_riddle_unless_svipd_could_not(more, why, riddle):
    checker = Checker(story(gone(5), *more, (2.0, "idle", {"vip": VIP, "host": "h1", "what": "begin"}),
                            (9.0, "idle", {"vip": VIP, "host": "h1", "what": "unnoticed"})))
    checker.check()
    assert checker.figures.words["idle subscribers"] == {"subscribed": 1, f"not told, {why}": 1}
    assert any("subscriber" in text for _, text in checker.long) == riddle


def test_a_seed_is_a_plan():
    for seed in range(30):
        shape = plan.shape(seed)
        assert shape == plan.shape(seed)
        faults, quiet = plan.faults(shape, 200)
        assert (faults, quiet) == plan.faults(shape, 200)
        assert all(not any(a <= f.at < b for a, b in quiet) for f in faults)
        assert any(f.at + f.lasts > g.at for f, g in zip(faults, faults[1:])), "faults overlap"


class Paper:
    """A cluster of which nothing is there but svipd.conf of one host, and who was started with which."""

    def __init__(self, instances):
        self.instances, self.nodes, self.sentinels, self.switch = instances, ["h1"], [], None
        self.hosts = {"h1": SimpleNamespace(name="h1", on=True, procs={}, dir=Path("/nonexistent"))}
        self.file, self.started = "right", []

    def config(self, **settings):
        return f"{settings}" if settings else "right"

    def write_config(self, _, text=None):
        self.file = self.config() if text is None else text

    def boot(self, *_):
        self.started.append(self.file)
        self.hosts["h1"].on = True

    def start_svipd(self, _, wait):
        self.started.append(self.file)

    def power_off(self, _):
        self.hosts["h1"].on = False

    def running(self, *_):
        return True

    def signal(self, *_):
        pass


@pytest.mark.parametrize("what", ["wrong", "refused"])
@pytest.mark.parametrize("after", ["power", "revive", None])
def test_no_svipd_is_started_with_a_file_that_was_refused(what, after):
    shape = plan.Shape(0, 1, (), (), plan.INSTANCES[:1], 4, 1.0, 3000, "auto")
    c = Paper([chaos.Instance(*i) for i in shape.instances])
    nemesis = Nemesis(c, shape, [], SimpleNamespace(note=lambda *_, **__: None))
    nemesis.begun = now()
    nemesis.do(plan.Fault(0, 0, "svipd reload", 60, {"host": "h1", "instance": 0, "what": what}))
    assert c.file != "right" and len(nemesis.active) == 1
    if after == "power":
        nemesis.do(plan.Fault(1, 0, "power", 60, {"host": "h1", "instance": 0, "without": False}))
    elif after == "revive":
        nemesis.start_program("h1", "svipd")
    nemesis.undo_all()
    assert c.file == "right" and not nemesis.active
    assert c.started == ([] if after is None else ["right"])
