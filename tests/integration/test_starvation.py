# SPDX-License-Identifier: BSD-2-Clause
"""A machine without time: every core taken several times over. No needless release, and none too late.

SVIP_STARVE_SECONDS: for how long (10). "ordinary" runs svipd without the right to real-time scheduling: figures only.
"""

import os
import shutil
import signal
import subprocess
import time

import pytest
from cluster import program
from netns import now, wait_until

VIP = "10.77.0.50"
SECONDS = float(os.environ.get("SVIP_STARVE_SECONDS", "10"))


@pytest.fixture
def hogs():
    """Four busy processes a core, and as many that touch memory all the time."""
    procs = []

    def start():
        for i in range(4 * (os.cpu_count() or 1)):
            code = "while True: pass" if i % 2 else "b = bytearray(64 << 20)\nwhile True: b[::4096] = bytes(1 << 14)"
            procs.append(subprocess.Popen(["/usr/bin/python3", "-c", code], start_new_session=True))

    yield start
    for p in procs:
        os.killpg(p.pid, signal.SIGKILL)
        p.wait(10)


def margins(c, host):
    """How much of the time-out was left at each renewal, in seconds: the least tells how near the edge it came."""
    left, until = [], None
    for e in c.observer._child.fetch():
        if e["what"] == "fence" and e["host"] == host:
            if until is not None and e["until"] > until + 0.05:
                left.append(until - e["t"])
            if e["until"] > e["t"] + 0.05:
                until = e["until"]
    return left


@pytest.mark.parametrize("how", ["real-time", "ordinary"])
def test_a_starved_holder_neither_lets_go_nor_holds_too_long(make_cluster, record, hogs, monkeypatch, tmp_path, how):
    if how == "ordinary":
        if not shutil.which("setpriv"):
            pytest.skip("no setpriv here")
        wrapper = tmp_path / "svipd"
        tmp_path.chmod(0o755)
        wrapper.write_text(f'#!/bin/sh\nexec setpriv --bounding-set -sys_nice "{program("svipd")}" "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("SVIPD", str(wrapper))
    c = make_cluster()
    policy = os.sched_getscheduler(c.hosts["h1"].procs["svipd"].pid) & ~os.SCHED_RESET_ON_FORK
    assert policy == (os.SCHED_FIFO if how == "real-time" else os.SCHED_OTHER)
    since = now()
    hogs()
    time.sleep(SECONDS)
    # Sentinels starve, too, and may fail over: that is theirs to say. svipd must not let go without their word.
    needless = [line for line in c.hosts["h1"].log().splitlines()
                if "lease-expired" in line or "clock-jump" in line or "address was lost" in line]
    margin = margins(c, "h1")
    record(f"{how}: least of the lease left at a renewal", min(margin) * 1000, n=len(margin), needless=len(needless))
    if how == "real-time":
        assert not needless, needless
    if c.holders() != {"h1"}:
        return
    c.isolate("h1")
    cut = now()
    wait_until(lambda: any(h.end for h in c.observer.holds(VIP) if h.host == "h1"), c.bound + 3, "h1 has let go")
    end = next(h.end for h in c.observer.holds(VIP) if h.host == "h1" and h.end)
    assert end > since
    record(f"{how}: cut off to no address", (end - cut) * 1000)
    assert end - cut < c.lease + 0.1, "by its own timer or by the packet filter, not later"
