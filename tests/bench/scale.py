# SPDX-License-Identifier: BSD-2-Clause
"""What svipd costs with many instances and nodes, and how soon the addresses of one instance, or of all, move. Three Sentinels that
serve any number of masters (sentinels.c), one real Redis a node; nothing fails: the Sentinels name another node from one moment on."""

import re
import subprocess
import time
from contextlib import suppress

from cluster import SENTINEL_PORT, Cluster, Instance
from netns import end_process, run, spawn, wait_until
from steady import TICK, cost  # noqa: F401
from takeover import compile_helper

# (instances, nodes)
SIZES = ((1, 3), (10, 3), (100, 3), (1000, 3), (1, 8), (100, 8), (1, 16), (10, 16))
SENTINELS = ("s1", "s2", "s3")


class Many(Cluster):
    """A cluster of very many instances, all of the same Redis."""

    def __init__(self, instances, nodes):
        super().__init__(hosts=nodes, extra=SENTINELS, sentinels=SENTINELS, lease=2.0, log_level="warning", redis="tcp-backlog 4096\n")
        self.count = instances
        self.names = [Instance(f"m{i}", vips=[f"10.77.{100 + i // 250}.{1 + i % 250}"]) for i in range(instances)]
        self.told = {}

    def start(self):
        self.up()
        self.observer.kill()  # a Python that hears of every renewal costs more than svipd
        helper = compile_helper(self.dir, "sentinels")
        for i, name in enumerate(SENTINELS):
            self.told[name] = subprocess.Popen(["ip", "netns", "exec", self.hosts[name].ns, helper, str(i + 1), str(self.count),
                                                self.address("h1")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in self.nodes:
            self.start_redis(name)
        text = self.config(self.names)
        for name in self.nodes:
            self.write_config(name, text)
            self.start_svipd(name)

    def held(self, node):
        return run(self.hosts[node].ns, "ip", "-o", "-4", "addr", "show", "dev", "eth0").count("inet 10.77.1")

    def move(self, node, epoch):
        """The node is the master of all from now on; returns when (seconds of the epoch) the second of three Sentinels is told."""
        with self.redis(node) as r:
            r.call("REPLICAOF", "NO", "ONE")
        for name in self.nodes:
            if name != node:
                with self.redis(name) as r:
                    r.call("REPLICAOF", self.address(node), "6379")
        time.sleep(1.5)
        times = []
        for child in self.told.values():
            times.append(time.time())
            child.stdin.write(f"{self.address(node)} {epoch}\n")
            child.stdin.flush()
            assert child.stdout.readline() == "told\n"
        return times[1]

    def close(self):
        for child in self.told.values():
            child.kill()
            child.wait()
        super().close()


def announced(text, known):
    """{address: when its first announcement left}, by tcpdump's lines."""
    found = {}
    for line in text.splitlines():
        if m := re.match(r"([\d.]+) ARP, (?:Request who-has|Announcement|Reply) ([\d.]+)", line):
            found.setdefault(m[2], float(m[1]))
    return {a: t for a, t in found.items() if a in known}


def size(instances, nodes, seconds, write):
    with Many(instances, nodes) as c:
        c.start()
        vips = {i.vips[0] for i in c.names}
        wait_until(lambda: c.held("h1") >= instances, 60, lambda: f"h1 holds all of {instances}: {c.held('h1')}")
        time.sleep(12)  # announcements end
        groups = {n: c.hosts[n].procs["svipd"].pid for n in ("h1", "h2")}

        def frames(name):
            return packets(c.hosts[name])

        before = {n: (time.monotonic(), cost(g), frames(n)) for n, g in groups.items()}
        time.sleep(seconds)
        after = {n: (time.monotonic(), cost(g), frames(n)) for n, g in groups.items()}
        record = {"bench": "scale", "instances": instances, "nodes": nodes}
        for n, role in (("h1", "holder"), ("h2", "backup")):
            (t, was, had), (u, is_, has) = before[n], after[n]
            record[role] = {"cpu": round(100 * sum(is_[p][0] - was[p][0] for p in is_ if p in was) / (u - t), 2),
                            "wakes": round(sum(is_[p][1] - was[p][1] for p in is_ if p in was) / (u - t), 1),
                            "kib": sum(v[2] for v in is_.values()), "packets": round((has - had) / (u - t), 1)}
        record["moves"] = []
        for turn, node in enumerate(("h2", "h1", "h2")):
            out = c.dir / f"arp{turn}"
            tap = spawn(c.hosts[node].ns, ["tcpdump", "-ttnli", "eth0", "-Q", "out", "-B", "8192", "arp"], out)
            wait_until(lambda: "listening" in out.read_text(), 10, "tcpdump listens")
            word = c.move(node, turn + 1)
            with suppress(AssertionError):
                wait_until(lambda: vips <= announced(out.read_text(), vips).keys(), 20, "all are announced", every=0.2)
            time.sleep(0.5)
            end_process(tap)
            seen = sorted(t - word for t in announced(out.read_text(), vips).values())
            record["moves"].append({"n": len(seen), "first": round(1000 * seen[0], 2) if seen else None,
                                    "median": round(1000 * seen[len(seen) // 2], 2) if seen else None,
                                    "last": round(1000 * seen[-1], 2) if len(seen) == instances else None})
            wait_until(lambda: c.held(node) >= instances, 20, f"{node} holds all")
            time.sleep(12)
        write(record)


def packets(host):
    with open(f"/proc/{host.procs['svipd'].pid}/net/dev") as f:
        counts = next(line for line in f if line.strip().startswith("eth0:")).partition(":")[2].split()
    return int(counts[1]) + int(counts[9])


def measure(seconds, write, sizes=SIZES):
    for instances, nodes in sizes:
        size(instances, nodes, seconds, write)


if __name__ == "__main__":
    import json
    import sys
    measure(20, lambda r: print(json.dumps(r), flush=True), [tuple(map(int, a.split("x"))) for a in sys.argv[1:]])
