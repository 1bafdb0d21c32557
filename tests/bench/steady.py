# SPDX-License-Identifier: BSD-2-Clause
"""What a manager costs while nothing happens: processor, memory, wake-ups, packets. All ways at the same time, a cluster each."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from netns import now
from ways import WAYS

# The script costs nothing while nothing happens, and a library is part of its client.
OF = ("svipd", "keepalived", "tuned", "haproxy")
TICK = os.sysconf("SC_CLK_TCK")


def members(group):
    """The processes of a group."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[2]) == group:
                found.append(int(pid))
        except OSError:
            continue
    return found


def cost(group):
    """{pid: (seconds of processor with those of its dead children, wake-ups, private KiB, KiB with its share of what it shares)}"""
    found = {}
    for pid in members(group):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue

        def kib(*names):
            return sum(int(line.split()[1]) for line in rollup if line.startswith(names))
        found[pid] = (sum(map(int, fields[11:15])) / TICK, int(status["voluntary_ctxt_switches"]),
                      kib("Private_Clean:", "Private_Dirty:"), kib("Pss:"))
    return found


def packets(ns_pid, dev="eth0"):
    """What a process' host has sent and got since it began."""
    for line in Path(f"/proc/{ns_pid}/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == dev:
            return int(counts.split()[1]) + int(counts.split()[9])
    return 0


def measure(seconds, write, only=OF):
    """Hands a record for each way to write(): the holder's manager; packets are those of the holder's host that a host with Redis
    and Sentinel alone hasn't."""
    with ExitStack() as stack:
        clusters = {}
        for name in ("redis-py", *[n for n in OF if n in only]):
            c = clusters[name] = stack.enter_context(WAYS[name]())
            c.start()
        time.sleep(20)  # first words, announcements

        def look():
            seen = {}
            for name, c in clusters.items():
                host = c.manager_host()
                group = host.procs[c.manager or "sentinel"].pid
                seen[name] = now(), cost(group), packets(group)
            return seen

        before = look()
        time.sleep(seconds)
        after = look()
        bare = (after["redis-py"][2] - before["redis-py"][2]) / (after["redis-py"][0] - before["redis-py"][0])
        for name in clusters:
            if name == "redis-py":
                continue
            (t, was, frames), (u, is_, more) = before[name], after[name]
            same = [p for p in is_ if p in was]
            write({"bench": "steady", "who": name, "seconds": round(u - t, 1),
                   "cpu": round(sum(is_[p][0] - was[p][0] for p in same) * 60 / (u - t), 3),
                   "wakes": round(sum(is_[p][1] - was[p][1] for p in same) / (u - t), 1),
                   "kib": sum(is_[p][2] for p in same), "pss": sum(is_[p][3] for p in same),
                   "packets": round((more - frames) / (u - t) - (0 if name == "haproxy" else bare), 1)})
