# SPDX-License-Identifier: BSD-2-Clause
"""What a seed stands for: the shape of a cluster and a list of dated faults. Pure: the same seed, the same plan; touches nothing.

A target that is not known before the run ("the holder of the first instance") is a word; the nemesis resolves it.
"""

import random
from dataclasses import dataclass, field

STORM, QUIET = (14.0, 26.0), (9.0, 14.0)
EVERY = 0.8  # seconds from a fault to the next, on average, in a storm

# hosts with svipd and Redis, more hosts, where Sentinels run
LAYOUTS = [(3, (), None), (3, (), None), (5, (), None), (4, (), ("h1", "h2", "h3")), (5, (), ("h1", "h3", "h5")),
           (2, ("w",), ("h1", "h2", "w"))]
INSTANCES = [("mymaster", 6379, ("10.77.0.50", "fd77::50")), ("second", 6380, ("10.77.0.51",)),
             ("third", 6381, ("fd77::52",))]


@dataclass
class Shape:
    """A cluster: see Cluster. without: hosts whose kernel has no nftables, as far as svipd can see."""

    seed: int
    hosts: int
    extra: tuple
    sentinels: tuple
    instances: list
    family: int
    lease: float
    failover_timeout: int
    fence: str
    without: tuple = ()
    alone: bool = False

    def nodes(self):
        return [f"h{i + 1}" for i in range(self.hosts)]

    def all(self):
        """Every host but the client."""
        return self.nodes() + list(self.extra)

    def __str__(self):
        kind = self.fence + (f", no nftables on {' '.join(self.without)}" if self.without else "")
        return (f"{self.hosts} nodes, Sentinels on {' '.join(self.sentinels)}, {len(self.instances)} instances, "
                f"IPv{self.family}, lease {self.lease:g} s, fence {kind}")


@dataclass
class Fault:
    """At `at` seconds something is broken, and `lasts` seconds later it is mended."""

    number: int
    at: float
    kind: str
    lasts: float = 0.0
    args: dict = field(default_factory=dict)

    def __str__(self):
        words = " ".join(f"{k}={v}" for k, v in self.args.items())
        return f"#{self.number} {self.at:6.2f} s  {self.kind} for {self.lasts:.2f} s  {words}"


def shape(seed, alone=False):
    """The cluster of a seed. alone: for one fault after the other."""
    r = random.Random(f"shape {seed}")
    hosts, extra, sentinels = r.choice(LAYOUTS)
    nodes = [f"h{i + 1}" for i in range(hosts)]
    fence, without = r.choice(["auto", "auto", "lifetime", "mixed"]), ()
    if fence == "mixed":
        fence, without = "auto", tuple(sorted(r.sample(nodes, r.randint(1, hosts - 1))))
    return Shape(seed, hosts, extra, tuple(sentinels or nodes), INSTANCES[:r.choice([2, 2, 3])], r.choice([4, 4, 4, 6]),
                 r.choice([1.0, 1.0, 2.0]), r.choice([3000, 5000]), fence, without, alone)


def _groups(r, names):
    """Directed pairs that are cut, and the shape's name: groups, a bridge, a ring, a chain."""
    names = r.sample(names, len(names))
    how = r.choice(["halves", "halves", "thirds", "bridge", "ring", "chain"])
    if how in ("halves", "thirds"):
        parts = 2 if how == "halves" else 3
        part = {n: (i % parts if i < parts else r.randrange(parts)) for i, n in enumerate(names)}
        cut = [(a, b) for a in names for b in names if part[a] != part[b]]
    elif how == "bridge":  # one sees all, the others only their half
        middle, rest = names[0], names[1:]
        left = set(rest[:len(rest) // 2])
        cut = [(a, b) for a in rest for b in rest if (a in left) != (b in left)]
        how += " " + middle
    else:
        n, step = len(names), {1} if how == "chain" else {1, len(names) - 1}
        cut = [(a, b) for i, a in enumerate(names) for j, b in enumerate(names)
               if a != b and (abs(i - j) if how == "chain" else (i - j) % n) not in step]
    return how, sorted(cut)


WEIGHTS = {
    "svipd kill": 6, "svipd pause": 7, "svipd stop": 3, "svipd upgrade": 6, "svipd reload": 4, "svipd maintenance": 2,
    "redis kill": 5, "redis pause": 3, "redis stop": 2,
    "sentinel kill": 4, "sentinel pause": 4, "sentinel stop": 2, "sentinel reset": 2, "sentinel failover": 7,
    "power": 4, "partition": 7, "isolate": 5, "oneway": 4, "loss": 3, "slow": 2,
    "link inside": 3, "link outside": 4,
    "hand deletes": 4, "hand copies": 2, "hand flushes": 4,
}


def _make(r, s, number, at, kind=None):
    """One fault at random, or of this kind."""
    node = "holder" if r.random() < 0.4 else r.choice(s.nodes())
    anyone = "holder" if r.random() < 0.3 else r.choice(s.all())
    inst = r.randrange(len(s.instances))
    sentinel = r.choice(s.sentinels)

    def short(low, high):
        """Mostly short, for races; often long, so that Sentinel acts."""
        return round(r.uniform(low, high) if r.random() < 0.5 else low * (high / low) ** r.random(), 2)

    kind = kind or r.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    lasts, args = 0.0, {}
    if kind.startswith("svipd"):
        lasts = {"kill": short(0.02, 5), "pause": short(0.1, 6), "stop": short(0.05, 4),
                 "upgrade": short(0.01, 3), "reload": 0.5, "maintenance": short(1, 8)}[kind.split()[1]]
        args = {"host": node, "instance": inst}
        if kind == "svipd reload":
            args["what"] = r.choice(["same", "other", "other", "wrong", "refused"])
    elif kind.startswith("redis"):
        lasts = short(0.1, 6)
        args = {"host": node, "instance": inst}
    elif kind in ("sentinel reset", "sentinel failover"):
        args = {"host": sentinel, "instance": inst}
    elif kind.startswith("sentinel"):
        lasts = short(0.1, 2.5 if kind.endswith("pause") else 5)
        args = {"host": sentinel}
    elif kind == "power":
        lasts = short(0.5, 9)
        args = {"host": anyone, "instance": inst, "without": s.fence == "auto" and bool(s.without) and r.random() < 0.5}
    elif kind == "partition":
        lasts = short(0.3, 9)
        how, cut = _groups(r, s.all() + (["client"] if r.random() < 0.5 else []))
        args = {"shape": how, "cut": cut}
    elif kind == "isolate":
        lasts = short(0.3, 9)
        args = {"host": "holder" if r.random() < 0.8 else anyone, "instance": inst,
                "keep": ["client"] if r.random() < 0.4 else []}
    elif kind == "oneway":
        lasts = short(0.3, 8)
        args = {"host": anyone, "instance": inst, "way": r.choice(["out", "in"]),
                "others": r.choice(["all", "nodes", r.choice(s.all())])}
    elif kind == "loss":
        lasts = short(1, 8)
        args = {"percent": r.choice([5, 15, 30, 60])}
    elif kind == "slow":
        lasts = short(1, 7)
        args = {"host": anyone, "instance": inst, "kbit": r.choice([64, 128, 256, 512]), "late_ms": r.choice([100, 400, 1500])}
    elif kind.startswith("link"):
        lasts = short(0.02, 5)
        args = {"host": anyone, "instance": inst, "times": r.choice([1, 1, 1, 4])}
    else:
        lasts = 1.5
        args = {"host": "holder" if kind == "hand copies" or r.random() < 0.7 else node, "instance": inst,
                "vip": r.randrange(len(s.instances[inst][2]))}
        if kind == "hand flushes":
            args["what"] = r.choice(["flush ruleset", "delete table netdev svipd-test", "delete table inet svipd-test",
                                     "delete table arp svipd-test", "flush set inet svipd-test alive4",
                                     "flush chain inet svipd-test in"])
    return Fault(number, round(at, 2), kind, lasts, args)


def _deposed(r, s, number, at):
    """Two faults: a holder's svipd can't act, while its master goes. What leases and the fence are for.

    A planned failover is through after 0.2 to 1.2 s, so svipd is hit a moment after it was asked for: its lease is fresh then.
    """
    inst = r.randrange(len(s.instances))
    holder = {"host": "holder", "instance": inst}
    kind = r.choice(["svipd pause", "svipd pause", "svipd pause", "svipd kill", "svipd upgrade"])
    hit = Fault(0, at, kind, round(r.uniform(0.5, 7), 2), holder)
    lasts = round(r.uniform(2, 7), 2)
    planned = Fault(0, at, "sentinel failover", 0.0, {"host": r.choice(s.sentinels), "instance": inst})
    some = r.choice([[planned, hit]] * 4 + [
        [hit, Fault(0, at, "isolate", lasts, {**holder, "keep": ["client"]})],
        [hit, Fault(0, at, "redis kill", lasts, holder)],
        [hit, Fault(0, at, "redis pause", lasts, holder)]])
    some[1].at = at + r.uniform(0.02, 0.9)
    for i, fault in enumerate(some):
        fault.number, fault.at = number + i, round(fault.at, 2)
    return some


def _alone(s, seconds):
    """Each kind of fault in turn, long enough to be felt, and of the holder where there is a choice. Each waits until all is
    well again, so the dates are not before: more are planned than there is time for."""
    r, found = random.Random(f"alone {s.seed}"), []
    while len(found) * 5 < seconds:
        for kind in r.sample(list(WEIGHTS), len(WEIGHTS)):
            fault = _make(r, s, len(found), 0.0, kind)
            if fault.args.get("host") and not kind.startswith("sentinel"):
                fault.args["host"] = "holder"
            if kind == "svipd upgrade":
                fault.lasts = round(r.uniform(0.02, 0.3), 2)
            elif kind != "svipd reload" and not kind.startswith("hand") and fault.args.get("times", 1) == 1:
                fault.lasts = round(r.uniform(4, 7), 2)
            found.append(fault)
    return found, []


def faults(s, seconds):
    """The faults of a shape's seed within `seconds`, and the quiet periods as (from, to)."""
    if s.alone:
        return _alone(s, seconds)
    r = random.Random(f"faults {s.seed}")
    found, quiet, at, number = [], [], 0.5, 0
    while at < seconds:
        end = round(at + r.uniform(*STORM), 2)
        while True:
            at += r.expovariate(1 / EVERY)
            some = _deposed(r, s, number, at) if r.random() < 0.12 else [_make(r, s, number, at)]
            if some[-1].at >= min(end, seconds):
                break
            for fault in some:
                fault.lasts = round(min(fault.lasts, max(0.02, min(end, seconds) - fault.at)), 2)
            found += some
            number += len(some)
            at = some[-1].at
        at = min(end, seconds)
        quiet.append((round(at, 2), round(at + r.uniform(*QUIET), 2)))
        at = quiet[-1][1]
    return found, quiet
