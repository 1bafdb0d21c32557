# SPDX-License-Identifier: BSD-2-Clause
"""How soon an address is announced, and gone, after the packet that decides it: svipd beside the least it can take (takeover.c's
floor) and keepalived's BACKUP -> MASTER at priority 0. All three at the same time, each on a host of its own, by the stamps
of that host's kernel."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import fakesentinel
from cluster import Cluster
from fakesentinel import FakeSentinel
from netns import Child, end_process, now, spawn

HERE = Path(__file__).resolve().parent
VIPS = {"svipd": "10.77.0.50", "floor": "10.77.0.51", "keepalived": "10.77.0.52"}
PERIOD_MS = 170       # of the floor, about what svipd's Sentinel takes to change its mind
SENTINEL, FLOOR = 26379, 26380
VRRP_MS, VRRP_PRIORITY = 100, 254
# What VRRP waits after a resignation: (256 - priority) / 256 of the interval (RFC 5798, section 6.1).
SKEW_MS = (256 - VRRP_PRIORITY) * VRRP_MS / 256


class Fickle(FakeSentinel):
    """Names each of some addresses for a number of questions, in turn, at a new epoch each time."""

    def __init__(self, ns, name, addresses, questions):
        count = 0
        usual = fakesentinel._answer

        def answer(words, masters, subscribed):
            nonlocal count
            if [w.upper() for w in words[:2]] == ["SENTINEL", "MASTER"]:
                count += 1
            turn = count // questions
            return usual(words, {name: (addresses[turn % len(addresses)], 6379, 1 + turn)}, subscribed)

        def serve(child):
            fakesentinel._answer = answer  # in this child only
            fakesentinel._serve(child, {}, fakesentinel.PORT)
        self._child = Child(ns, serve)


def compile_helper(directory, name="takeover"):
    program = Path(directory) / name
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", str(program), str(HERE / f"{name}.c")], check=True)
    return str(program)


KEEPALIVED = """
global_defs {{
    vrrp_version 3
    vrrp_rt_priority 50
}}
vrrp_instance V {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
        {vip}/32
    }}
}}
"""


def events(path):
    """[(ns, kind)] of a tap's output."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(t), kind) for t, kind in (line.split() for line in lines if line[:1].isdigit())]


def delays(seen):
    """{"take": [ms], "release": [ms]} by the last input before each first announcement, and before each end."""
    found = {"take": [], "release": []}
    decided, held = None, None
    for t, kind in sorted(seen):
        if kind == "in":
            decided = t
        elif kind == "out" and held is False:
            found["take"].append((t - decided) / 1e6)
            held = True
        elif kind == "gone":
            if held and decided:
                found["release"].append((t - decided) / 1e6)
            held = False
    return found


def measure(takes, write, only=("svipd", "floor", "keepalived"), say=print):
    """Hands one record for each contestant to write()."""
    with Cluster(hosts=1, extra=["s1", "floor", "t1", "keepalived", "k1"], sentinels=["s1"], lease=0.5, log_level="info") as c:
        c.up()
        helper = compile_helper(c.dir)
        procs, outs = [], {}

        def start(host, key, *argv):
            procs.append(spawn(c.hosts[host].ns, list(argv), c.hosts[host].dir / f"{key}.out"))

        try:
            for name, host, port in (("svipd", "h1", SENTINEL), ("floor", "floor", FLOOR), ("keepalived", "keepalived", 0)):
                outs[name] = c.hosts[host].dir / "tap.out"
                start(host, "tap", helper, "tap", "eth0", VIPS[name], str(port))
            if "floor" in only:
                start("floor", "floor", helper, "floor", "eth0", VIPS["floor"], str(FLOOR))
                time.sleep(0.5)
                start("t1", "trigger", helper, "trigger", c.address("floor"), str(FLOOR), str(PERIOD_MS))
            if "keepalived" in only:
                start_keepalived(c, start)
            if "svipd" in only:
                c.start_redis("h1")
                c.add(Fickle(c.hosts["s1"].ns, "mymaster", [c.address("h1"), "10.77.0.200"], 2))
                c.start_svipd("h1")
            wait_for(takes, {n: outs[n] for n in only}, say)
            for name in only:
                found = delays(events(outs[name]))
                if not found["take"]:
                    raise RuntimeError(f"{name} took nothing:\n{c.hosts['h1' if name == 'svipd' else name].dir}")
                write({"bench": "path", "who": name, **found})
        finally:
            for proc in procs:
                end_process(proc)


def start_keepalived(c, start):
    directory = c.hosts["keepalived"].dir
    conf = directory / "keepalived.conf"
    conf.write_text(KEEPALIVED.format(priority=VRRP_PRIORITY, interval=VRRP_MS / 1000, vip=VIPS["keepalived"]))
    start("keepalived", "keepalived", "keepalived", "-n", "-l", "-P", "-f", str(conf), "-p", str(directory / "pid"), "-r",
          str(directory / "vrrp.pid"))
    start("k1", "vrrp", str(c.dir / "takeover"), "vrrp", "eth0", "51", str(VRRP_MS), "2", "2")


def wait_for(takes, outs, say):
    """Until each has taken so often. RuntimeError when nobody gets on for half a minute."""
    counted, last = 0, now()
    for beat in itertools.count(1):
        time.sleep(1)
        counts = {name: len(delays(events(out))["take"]) for name, out in outs.items()}
        if min(counts.values()) >= takes:
            return
        if min(counts.values()) > counted:
            counted, last = min(counts.values()), now()
        if now() - last > 30:
            raise RuntimeError(f"somebody doesn't take any more: {counts}")
        if beat % 60 == 0:
            say(f"  taken so far: {counts}")


if __name__ == "__main__":
    sys.exit("run tests/bench/run")
