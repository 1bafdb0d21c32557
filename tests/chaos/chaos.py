# SPDX-License-Identifier: BSD-2-Clause
"""One round of chaos: a cluster of a seed's shape, its plan carried out, everything recorded, and the record checked.

run.py and tests/integration/test_chaos.py use it.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
INTEGRATION = HERE.parent / "integration"
sys.path[:0] = [str(HERE), str(INTEGRATION)]

import plan  # noqa: E402
from checker import READY, SILENCE, Checker  # noqa: E402
from cluster import GUARDS, SENTINEL_PORT, Cluster, Instance, program  # noqa: E402
from nemesis import GUARD, Nemesis  # noqa: E402
from netns import now  # noqa: E402
from record import CHUNK, Doctor, Record, idle_subscriber  # noqa: E402

SETTLE = 120.0  # after the last heal; Sentinels that were stopped do nothing for 30 s (TILT)


def command(seed, seconds, alone=False):
    return f"tests/chaos/run -1 -s {seed} -t {seconds:g}" if alone else f"make chaos SEED={seed} SECONDS={seconds:g}"


def versions(directory):
    """svipd, and the same program under another version's number, as files. What an upgrade goes between."""
    first = Path(program("svipd"))
    data, second = first.read_bytes(), Path(directory) / "svipd"
    number = re.search(rb"svipd (\d+\.\d+\.\d+)\0", data)
    if not number:
        return []
    other = number[1][:-1] + (b"1" if number[1][-1:] != b"1" else b"2")
    second.write_bytes(data.replace(number[1] + b"\0", other + b"\0"))
    second.chmod(0o755)
    return [str(first), str(second)]


def preload(directory):
    """A library that hides nftables from a program, or None where it can't be used."""
    if "asan" in os.environ.get("SVIPD", "") or not shutil.which(os.environ.get("CC", "cc")):
        return None
    out = Path(directory) / "nonft.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", str(out),
                    str(INTEGRATION / "nonft.c")], check=True)
    out.chmod(0o755)
    return str(out)


class Round:
    """A cluster with its witnesses and its nemesis. seconds: of faults and quiet times; starting and settling are extra."""

    def __init__(self, seed, seconds, path, say=print, faults=None, shape=None):
        self.seed, self.seconds, self.path, self.say = seed, seconds, Path(path), say
        self.shape = shape or plan.shape(seed)
        planned, self.quiet = plan.faults(self.shape, seconds)
        self.faults = planned if faults is None else faults
        self.record = Record(self.path)
        self.logs = None

    def cluster(self):
        s = self.shape
        return Cluster(hosts=s.hosts, extra=s.extra, sentinels=s.sentinels, instances=[Instance(*i) for i in s.instances],
                       family=s.family, lease=s.lease, failover_timeout=s.failover_timeout, log_level="info",
                       settings={"fence": f'"{s.fence}"'}, redis="appendonly yes\nappendfsync no\n")

    def run(self, during=None):
        """Runs it; the record is complete afterwards. during(cluster, nemesis): is called once all is well."""
        with self.cluster() as c:
            self.c = c
            try:
                self._run(c, during)
            finally:
                self.record.close()
                self.logs = self.path.with_suffix(".logs")
                shutil.rmtree(self.logs, ignore_errors=True)
                shutil.copytree(c.dir, self.logs, ignore=shutil.ignore_patterns("*.sock", "key", "appendonlydir", "*.so"),
                                ignore_dangling_symlinks=True)

    def _run(self, c, during):
        s = self.shape
        library = preload(c.dir) if s.without else None
        if s.without and not library:
            s.without = ()
        late = s.fence == "lifetime"
        self.record.note("setup", t=now(), seed=self.seed, seconds=self.seconds, alone=s.alone,
                         command=command(self.seed, self.seconds, s.alone), shape=str(s), lease=s.lease,
                         guard=GUARDS["lifetime"] if late else GUARD, sentinels=list(s.sentinels), nodes=c.nodes,
                         instances=[{"name": n, "port": p, "vips": v} for n, p, v in s.instances],
                         addresses={h.name: [h.ip4, h.ip6] for h in c.hosts.values()},
                         macs={h.mac: h.name for h in c.hosts.values()})
        c.up()
        self.noted = {}
        self.witnesses = [("address", {}, c.observer.records)]
        prober = c.prober()
        self.witnesses.append(("probe", {}, lambda: [{"answer": r} for r in prober.records()]))
        n = Nemesis(c, s, self.faults, self.record, library, versions(c.dir))
        c.start(svipd=False)
        for i in c.instances:
            poller = c.poller(i, period=0.01, silence=SILENCE, every=1.0)
            self.witnesses.append(("sentinel", {"instance": i.name}, poller.changes))
        for name in c.nodes:
            n.note_guard(name)
            with n.kernel_of(name):
                c.start_svipd(name)
        for inst in c.instances:
            c.wait_holder("h1", instance=inst)
        c.wait_peers()
        writers = [(i, v, c.writer(v, i.port, rate=50)) for i in c.instances for v in i.vips]
        for i, v in ((i, v) for i in c.instances for v in i.vips):
            self.witnesses.append(("idle", {"vip": v}, idle_subscriber(c, v, i.port).records))
        doctor = c.add(Doctor(c, SENTINEL_PORT))
        self.witnesses.append(("health", {}, doctor.records))
        try:
            if during:
                during(c, n)
            n.start()
            (self._one_by_one if s.alone else self._storms)(n, [w for _, _, w in writers])
            self.say(f"  {sum(n.done.values())} faults done; healed, settling")
            self._settle(n, [w for _, _, w in writers])
            self._writers(c, writers)
        finally:
            self._end(c)

    def _one_by_one(self, n, writers):
        """Each fault waits until all is well after the one before."""
        end = now() + self.seconds
        while n.waiting and now() < end:
            n.do(n.waiting.pop(0))
            while n.active and (due := n.tick(False)):
                time.sleep(min(0.05, max(0.0, due - now())))
            time.sleep(1.5)  # a planned failover goes on after it was asked for
            self._settle(n, writers, heal=False)
            self._drain()

    def _storms(self, n, _):
        told, next_sample, next_drain = [], 0.0, 0.0
        while True:
            due = n.tick()
            t = now() - n.begun
            calm = next((q for q in self.quiet if q[0] <= t < q[1]), None)
            if t >= self.seconds or (due is None and calm is None and not self.quiet):
                break
            if calm and not n.active:
                if calm not in told:
                    told.append(calm)
                    self.record.note("quiet", t=now(), until=n.begun + min(calm[1], self.seconds))
                if now() >= next_sample:
                    n.sample()
                    next_sample = now() + 0.5
            if now() >= next_drain:
                self._drain()
                next_drain = now() + 5
            time.sleep(0.05)

    def _drain(self):
        """What the witnesses have seen since the last time goes into the file."""
        for i, (kind, fields, records) in enumerate(self.witnesses):
            some = records()
            for r in some[self.noted.get(i, 0):]:
                self.record.note(kind, **fields, **r)
            self.noted[i] = len(some)
        self.record.flush()

    def _settle(self, n, writers, heal=True):
        if heal:
            n.heal()
        begun, good, well = now(), 0, None
        while now() < begun + SETTLE:
            time.sleep(0.3)
            n.tail()
            good = good + 1 if n.sample() else 0
            well = (well or now()) if good else None
            # The checker wants to see them served; here it is only waited for, longer than it allows.
            if good >= 4 and (now() > well + READY + 3 or all(w.acks() and w.acks()[-1][1] > well for w in writers)):
                break
        self.record.note("quiet", t=begun, until=now())

    def _writers(self, c, writers):
        for i, (inst, vip, writer) in enumerate(writers):
            acks, named, lost = writer.acks(), c.named(inst), None
            for at in range(0, len(acks), CHUNK):
                self.record.note("acks", writer=i, instance=inst.name, vip=vip, acks=acks[at:at + CHUNK])
            if named:
                with c.redis(named, inst.port) as r:
                    lost = writer.missing(r)
            self.record.note("lost", writer=i, instance=inst.name, vip=vip, lost=lost)

    def _end(self, c):
        for text in c.ailments():
            self.record.note("ailment", t=now(), text=text)
        self._drain()
        for host, when in c.observer.offs():
            self.record.note("power", host=host, t=when)
        self.record.note("end", t=now())


def verdict(path, say=print, most=4, total=None):
    """Checks a record; says the table, and the timeline around what is wrong. Returns the violations. total: Figures to add to."""
    checker = Checker.of_file(path)
    found = checker.check()
    setup = checker.setup
    say(f"seed {setup['seed']}: {setup['shape']}")
    for line in checker.figures.lines():
        say("  " + line)
    if total:
        total.merge(checker.figures)
    for t, text in checker.long:
        say(f"long: at {t:.3f} {text}")
    for t, text in found[:most]:
        say(f"VIOLATION at {t:.6f}: {text}")
        for line in checker.timeline(t):
            say("    " + line)
    if found:
        say(f"{len(found)} violations. Again: {setup['command']}")
        say(f"the record: {path} (check it again: tests/chaos/check {path}), the logs: {Path(path).with_suffix('.logs')}")
    return found


def one(seed, seconds, directory, say=print, total=None, alone=False):
    """A round and its verdict. The record stays in the directory; the logs only when something is wrong."""
    path = Path(directory) / f"{'alone' if alone else 'chaos'}-{seed}.jsonl"
    r = Round(seed, seconds, path, say, shape=plan.shape(seed, alone))
    say(f"seed {seed}, {seconds:g} s: {r.shape}; {len(r.faults)} faults planned. Again: {command(seed, seconds, alone)}")
    r.run()
    found = verdict(path, say, total=total)
    if not found:
        shutil.rmtree(r.logs, ignore_errors=True)
    return found


def programs():
    return program("svipd"), program("svipctl")
