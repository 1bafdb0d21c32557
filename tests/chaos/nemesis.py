# SPDX-License-Identifier: BSD-2-Clause
"""Carries out a plan's faults on a cluster, each undone in its time, and notes what was broken and when.

Knows nothing of right and wrong. What svipd's documents exempt isn't done: a host's packet filter is touched only while its
svipd runs and stays running for a moment (doc/SAFETY.md, "The fence"), and hands add copies only to a holder.
"""

import contextlib
import os
import signal
import time
from collections import Counter

import netns
from cluster import GUARDS, SENTINEL_PORT
from netns import ip, now
from resp import RespError

GUARD = 0.06  # with the packet filter
NO_ADDRESS = "nodes: none of them is an address of this host"  # svipd's last word then


class Skip(Exception):
    """This fault can't be done now: what it would touch is broken already, or isn't there."""


class Nemesis:
    """faults: of a plan, by date; begun: the time of the plan's 0. preload: a library that hides nftables, or None.
    versions: the programs between which an upgrade goes."""

    def __init__(self, cluster, shape, faults, record, preload=None, versions=()):
        self.c, self.shape, self.record, self.preload, self.versions = cluster, shape, record, preload, versions
        self.upgrades = Counter()  # host -> how many so far
        self.leaving = {}          # (host, key) -> a process that was asked to end, and may take its time
        self.waiting = sorted(faults, key=lambda f: f.at)
        self.active = []        # [due, fault, locks, undo]
        self.without = set(shape.without)
        self.cuts = Counter()   # directed pairs: how many faults cut them
        self.links = set()      # hosts with a link that is down
        self.closed = set()
        self.refused = set()    # hosts with a file that svipd there has not taken
        self.read = Counter()   # host -> bytes of its log
        self.begun = None
        self.done = Counter()

    # ---- time ----

    def start(self):
        self.begun = now()

    def tick(self, more=True):
        """Does what is due. Returns when the next is, or None when all is done and undone. more: begin new faults, too."""
        t = now()
        for entry in sorted((e for e in self.active if e[0] <= t), key=lambda e: e[0]):
            if entry in self.active:
                self.undo(entry)
        while more and self.waiting and self.begun + self.waiting[0].at <= now():
            self.do(self.waiting.pop(0))
        self.tail()
        ends = [e[0] for e in self.active] + [self.begun + f.at for f in self.waiting[:1] if more]
        return min(ends) if ends else None

    def undo_all(self):
        end = now() + 30
        while self.active and now() < end:
            for entry in list(self.active):
                if entry in self.active:
                    self.undo(entry)
            time.sleep(0.05)

    def do(self, fault):
        t = now()
        try:
            what, locks, undo = getattr(self, "_" + fault.kind.replace(" ", "_"))(fault, **fault.args)
        except (Skip, RuntimeError, OSError, RespError) as error:
            self.record.note("fault", t=t, n=fault.number, what=fault.kind, phase="skip", why=str(error) or repr(error))
            return
        self.done[fault.kind] += 1
        self.record.note("fault", t=t, n=fault.number, what=f"{fault.kind} {what}", phase="begin", done=now())
        if undo or locks:
            self.active.append([now() + fault.lasts, fault, locks, undo])

    def undo(self, entry):
        """An undo that returns True can't be done yet."""
        self.active.remove(entry)
        _, fault, _, undo = entry
        if undo is None:
            return
        t = now()
        if undo():
            entry[0] = now() + 0.1
            self.active.append(entry)
            return
        self.record.note("fault", t=t, n=fault.number, what=fault.kind, phase="end", done=now())

    def revive(self):
        """As a service manager does: who could not start, because the host's own address wasn't there yet, is started again."""
        for name in self.c.nodes:
            proc = self.c.hosts[name].procs.get("svipd")
            if proc and proc.poll() == 1 and NO_ADDRESS in self.c.hosts[name].log()[-300:]:
                del self.c.hosts[name].procs["svipd"]
                self.note_process(name, "svipd", "down")
                self.start_program(name, "svipd")

    def tail(self):
        self.revive()
        for host in self.c.hosts.values():
            path = host.dir / "svipd.log"
            if not path.exists() or path.stat().st_size == self.read[host.name]:
                continue
            with open(path, "rb") as f:
                f.seek(self.read[host.name])
                data = f.read()
            data = data[:data.rfind(b"\n") + 1]
            self.read[host.name] += len(data)
            for line in data.decode(errors="replace").splitlines():
                self.record.note("log", t=now(), host=host.name, line=line.removeprefix("svipd: "))

    # ---- what is in the way of what ----

    def lock(self, *wanted):
        """The locks, unless one is taken by a fault under way."""
        taken = {lock for e in self.active for lock in e[2]}
        for lock in wanted:
            if lock in taken:
                raise Skip(f"{' '.join(lock)} is broken already")
        return set(wanted)

    def put_right(self, host):
        """The file that svipd has refused there goes: who starts svipd with it asks for what this fault isn't about."""
        if host in self.refused:
            self.refused.discard(host)
            self.c.write_config(host)

    def absorb(self, host):
        """A host goes down: what else was broken there doesn't need mending any more, but its file, which outlives that."""
        self.put_right(host)
        for entry in list(self.active):
            if any(lock[0] == host and lock[1] != "slow" for lock in entry[2]):
                self.active.remove(entry)
                self.record.note("fault", t=now(), n=entry[1].number, what=entry[1].kind, phase="end", done=now())

    def pick(self, host, instance):
        """A host's name: "holder" is who holds the first address of an instance now, or who is named."""
        if host == "holder":
            inst = self.c.instances[instance]
            host = next(iter(sorted(self.c.holders(inst.vips[0]))), None)
            if host is None:
                raise Skip("nobody holds")
        if not self.c.hosts[host].on:
            raise Skip(f"{host} has no power")
        return host

    def program(self, host, key):
        if not self.c.running(host, key):
            raise Skip(f"{key} on {host} doesn't run")
        return self.lock((host, key))

    # ---- programs ----

    def note_process(self, host, key, state):
        self.record.note("process", t=now(), host=host, key=key, state=state)

    def note_guard(self, host):
        late = self.shape.fence == "lifetime" or host in self.without
        self.record.note("guard", t=now(), host=host, seconds=GUARDS["lifetime"] if late else GUARD)

    @contextlib.contextmanager
    def kernel_of(self, host):
        """What is started here sees the host's kernel, with nftables or without, and is of the host's version."""
        before = os.environ.get("SVIPD")
        if self.versions:
            os.environ["SVIPD"] = self.versions[self.upgrades[host] % len(self.versions)]
        if host in self.without and self.preload:
            os.environ["LD_PRELOAD"] = self.preload
        try:
            yield
        finally:
            os.environ.pop("LD_PRELOAD", None)
            os.environ.pop("SVIPD", None)
            if before is not None:
                os.environ["SVIPD"] = before

    def start_program(self, host, key):
        self.note_process(host, key, "up")
        if key == "svipd":
            self.put_right(host)
            self.note_guard(host)
            with self.kernel_of(host):
                self.c.start_svipd(host, wait=False)
        elif key == "sentinel":
            self.c.start_sentinel(host)
        else:
            self.c.start_redis(host, next(i for i in self.c.instances if key == f"redis-{i.port}"))

    def end_program(self, fault, host, key, sig):
        locks = self.program(host, key)
        self.c.end(host, key, sig, 30)
        self.note_process(host, key, "down")
        return f"{key} {host}", locks, lambda: self.start_program(host, key)

    def pause(self, host, key):
        locks = self.program(host, key)
        self.c.signal(host, signal.SIGSTOP, key)
        self.note_process(host, key, "stopped")

        def go_on():
            self.note_process(host, key, "up")
            self.c.signal(host, signal.SIGCONT, key)
        return f"{key} {host}", locks, go_on

    def _svipd_kill(self, fault, host, instance):
        return self.end_program(fault, self.pick(host, instance), "svipd", signal.SIGKILL)

    def _svipd_stop(self, fault, host, instance):
        return self.end_program(fault, self.pick(host, instance), "svipd", signal.SIGTERM)

    def _svipd_upgrade(self, fault, host, instance):
        host = self.pick(host, instance)
        done = self.end_program(fault, host, "svipd", signal.SIGUSR2)
        self.upgrades[host] += 1
        return done

    def _svipd_pause(self, fault, host, instance):
        return self.pause(self.pick(host, instance), "svipd")

    def _svipd_reload(self, fault, host, instance, what):
        """The file is the same, or another; or it has a fault, or asks for what only a restart can give, and is put right again."""
        host, locks = self.touchable(host, instance)
        text, undo = None, None
        if what == "other":
            text = self.c.config(log_level='"debug"') + 'arp { at = { "0s", "50ms", "1100ms", "3s" } refresh = 5s }\n'
        elif what == "wrong":
            text = self.c.config() + "vip {\n"
        elif what == "refused":
            text = self.c.config(lease='"7s"')

        def reload(text):
            self.c.write_config(host, text)
            self.c.signal(host, signal.SIGHUP)
        reload(text)
        if what in ("wrong", "refused"):
            self.refused.add(host)

            def undo():
                self.put_right(host)
                self.c.signal(host, signal.SIGHUP)
        return f"{host}: {what}", locks, undo

    def _svipd_maintenance(self, fault, host, instance):
        host, locks = self.touchable(host, instance)

        def switch(word):
            if self.c.svipctl(host, "maintenance", word).returncode != 0:
                raise RuntimeError(f"svipctl maintenance {word} has failed")
        switch("on")
        return host, locks, lambda: switch("off")

    def _redis(self, fault, host, instance, sig):
        key = f"redis-{self.c.instances[instance].port}"
        return self.end_program(fault, self.pick(host, instance), key, sig)

    def _redis_kill(self, fault, host, instance):
        return self._redis(fault, host, instance, signal.SIGKILL)

    def _redis_stop(self, fault, host, instance):
        """It waits for its replicas, up to ten seconds, and serves no writes meanwhile."""
        host = self.pick(host, instance)
        key = f"redis-{self.c.instances[instance].port}"
        locks = self.program(host, key)
        proc = self.leaving[host, key] = self.c.hosts[host].procs.pop(key)
        self.note_process(host, key, "leaving")
        proc.send_signal(signal.SIGTERM)

        def undo():
            if proc.poll() is None:
                return True
            del self.leaving[host, key]
            return self.start_program(host, key)
        return f"{key} {host}", locks, undo

    def _redis_pause(self, fault, host, instance):
        return self.pause(self.pick(host, instance), f"redis-{self.c.instances[instance].port}")

    def _sentinel_kill(self, fault, host):
        return self.end_program(fault, self.pick(host, 0), "sentinel", signal.SIGKILL)

    def _sentinel_stop(self, fault, host):
        return self.end_program(fault, self.pick(host, 0), "sentinel", signal.SIGTERM)

    def _sentinel_pause(self, fault, host):
        return self.pause(self.pick(host, 0), "sentinel")

    def ask_sentinel(self, host, *words):
        host = self.pick(host, 0)
        self.program(host, "sentinel")
        with self.c.redis(host, SENTINEL_PORT) as s:
            s.call("SENTINEL", *words)
        return host

    def _sentinel_failover(self, fault, host, instance):
        name = self.c.instances[instance].name
        return f"{name} by {self.ask_sentinel(host, 'FAILOVER', name)}", set(), None

    def _sentinel_reset(self, fault, host, instance):
        name = self.c.instances[instance].name
        return f"{name} on {self.ask_sentinel(host, 'RESET', name)}", set(), None

    # ---- hosts and the network ----

    @contextlib.contextmanager
    def changing_paths(self):
        """What is done in this block may open and close paths; afterwards it is noted which are closed."""
        before = now()
        yield
        names = list(self.c.hosts)
        off = self.links | {h.name for h in self.c.hosts.values() if not h.on}
        closed = set(self.cuts) | {(a, b) for a in names for b in names if a != b and (a in off or b in off)}
        if closed != self.closed:
            self.closed = closed
            self.record.note("paths", **{"from": before}, t=now(), closed=sorted(closed))

    def _power(self, fault, host, instance, without):
        host = self.pick(host, instance)
        locks = self.lock((host, "power"))
        self.absorb(host)
        keys = ["sentinel"] * (host in self.c.sentinels)
        if host in self.c.nodes:
            keys += ["svipd"] + [f"redis-{i.port}" for i in self.c.instances]
        with self.changing_paths():
            self.links.discard(host)
            self.c.power_off(host)
            for name, key in [x for x in self.leaving if x[0] == host]:
                netns.end_process(self.leaving.pop((name, key)))
        for key in keys:
            self.note_process(host, key, "down")

        def boot():
            if without and host in self.c.nodes:
                self.without ^= {host}
            for key in keys:
                self.note_process(host, key, "up")
            self.note_guard(host)
            with self.changing_paths(), self.kernel_of(host):
                self.c.boot(host)
        return host, locks, boot

    def cut(self, pairs_):
        pairs_ = [tuple(p) for p in pairs_]

        def change(sign):
            with self.changing_paths():
                for p in pairs_:
                    self.cuts[p] += sign
                self.cuts = +self.cuts
                self.c.cut_exactly(self.cuts)
        change(1)
        return lambda: change(-1)

    def _partition(self, fault, shape, cut):
        return f"{shape}: {' '.join('>'.join(p) for p in cut)}", set(), self.cut(cut)

    def _isolate(self, fault, host, instance, keep):
        host = self.pick(host, instance)
        island = {host, *keep}
        others = [n for n in self.c.hosts if n not in island]
        return (" with ".join([host, *keep]), set(),
                self.cut([p for a in island for b in others for p in ((a, b), (b, a))]))

    def _oneway(self, fault, host, instance, way, others):
        host = self.pick(host, instance)
        others = {"all": list(self.c.hosts), "nodes": self.c.nodes}.get(others, [others])
        pairs_ = [(host, o) if way == "out" else (o, host) for o in others if o != host]
        if not pairs_:
            raise Skip("from itself")
        return f"{host} {way} ({len(pairs_)})", set(), self.cut(pairs_)

    def _loss(self, fault, percent):
        locks = self.lock(("all", "loss"))
        self.c.loss(percent)
        return f"{percent} %", locks, lambda: self.c.loss(0)

    def _slow(self, fault, host, instance, kbit, late_ms):
        host = self.pick(host, instance)
        locks = self.lock((host, "slow"))
        t = now()
        self.c.slow(host, kbit, late_ms)

        def undo():
            self.c.slow(host)
            self.record.note("slow", host=host, t=t, until=now(), late=late_ms / 1000 + 0.5)
        return f"{host} {kbit} kbit/s", locks, undo

    def link(self, host, instance, where, times):
        host = self.pick(host, instance)
        locks = self.lock((host, "link"))

        def change(up):
            with self.changing_paths():
                if where == "inside":
                    self.c.link(host, up)
                else:
                    ip(f"link set {host} {'up' if up else 'down'}", ns=self.c.switch)
                (self.links.discard if up else self.links.add)(host)
        for _ in range(times - 1):
            change(False)
            time.sleep(0.03)
            change(True)
            time.sleep(0.05)
        change(False)
        return f"{host} {times}x", locks, lambda: change(True)

    def _link_inside(self, fault, host, instance, times):
        return self.link(host, instance, "inside", times)

    def _link_outside(self, fault, host, instance, times):
        return self.link(host, instance, "outside", times)

    # ---- other hands ----

    def touchable(self, host, instance):
        """A host whose svipd runs; it is left running until the fault is over."""
        host = self.pick(host, instance)
        if host not in self.c.nodes:
            raise Skip(f"no svipd on {host}")
        return host, self.program(host, "svipd")

    def _hand_deletes(self, fault, host, instance, vip):
        host, locks = self.touchable(host, instance)
        vip = self.c.instances[instance].vips[vip]
        self.c.delete_vip(host, vip)
        return f"{vip} {host}", locks, None

    def _hand_copies(self, fault, host, instance, vip):
        host, locks = self.touchable(host, instance)
        if self.shape.fence == "lifetime" or host in self.without:
            raise Skip("it would answer")
        vip = self.c.instances[instance].vips[vip]
        ip(f"addr add {vip}/{128 if ':' in vip else 24} dev {'lo' if ':' in vip else 'eth0'}", ns=self.c.hosts[host].ns)
        return f"{vip} {host}", locks, None

    def _hand_flushes(self, fault, host, instance, vip, what):
        host, locks = self.touchable(host, instance)
        netns.run(self.c.hosts[host].ns, "nft", *what.split())
        return f"{host}: nft {what}", locks, None

    # ---- the end ----

    def heal(self):
        """Nothing is broken any more."""
        self.waiting = []
        self.undo_all()

    def sample(self):
        """Notes for each instance who is named and who holds. Returns whether every named master holds."""
        well = True
        for inst in self.c.instances:
            views = self.c.views(inst)
            names = [v["addr"] for v in views.values()]
            named = next((n for n in names if n and names.count(n) > len(self.c.sentinels) // 2), None)
            down = sum(v["addr"] == named and any("down" in f or f == "disconnected" for f in v["flags"]) for v in views.values())
            clear = sum(v["addr"] == named for v in views.values()) - down > len(self.c.sentinels) // 2
            epochs = [v["epoch"] for v in views.values() if v["addr"] == named]
            one = bool(epochs) and max(Counter(epochs).values()) > len(self.c.sentinels) // 2
            role = None
            if named:
                with contextlib.suppress(OSError, RespError, ConnectionError), self.c.redis(named, inst.port) as r:
                    role = r.call("ROLE")[0]
            holders = {v: sorted(self.c.holders(v)) for v in inst.vips}
            self.record.note("settle", t=now(), instance=inst.name, named=named, down=not clear, agreed=one, role=role,
                             holders=holders)
            well = well and clear and role == "master" and all(h == [named] for h in holders.values())
        return well
