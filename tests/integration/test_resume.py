# SPDX-License-Identifier: BSD-2-Clause
"""After a pause: what was held is looked at before anything else is done. SIGSTOP, the freezer, clocks that jump."""

import contextlib
import mmap
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from netns import now, wait_until
from observer import Prober

VIP = "10.77.0.50"
FREEZERS = Path("/sys/fs/cgroup/freezer"), Path("/sys/fs/cgroup")


@contextlib.contextmanager
def stopped(c, name):
    """SIGSTOP."""
    pid = c.hosts[name].procs["svipd"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def frozen(c, name):
    """The cgroup freezer, of version 1 or 2."""
    pid = c.hosts[name].procs["svipd"].pid
    for base in FREEZERS:
        old = base.name == "freezer"
        group = base / f"{c.prefix}frozen"
        with contextlib.suppress(OSError):
            group.mkdir()
            break
    else:
        pytest.skip("no cgroup can be made here")
    home = next((line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().split("\n")
                 if line.split(":")[1:2] == (["freezer"] if old else [""])), "/")
    switch, on, off = ("freezer.state", "FROZEN", "THAWED") if old else ("cgroup.freeze", "1", "0")
    try:
        if not (group / switch).exists():
            pytest.skip("no freezer here")
        (group / "cgroup.procs").write_text(str(pid))
        (group / switch).write_text(on)
        yield
    finally:
        if (group / switch).exists():
            (group / switch).write_text(off)
            (base / home.lstrip("/") / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def said_after(c, host, when):
    """What the host has told the network about the address after a time."""
    prober = next(child for child in c.children if isinstance(child, Prober))
    return [a for a in prober.answers(VIP) if a["host"] == host and a["t"] > when]


@pytest.mark.parametrize("pause", [stopped, frozen], ids=["SIGSTOP", "freezer"])
def test_who_was_paused_while_another_took_over_says_not_a_word(cluster, pause):
    with pause(cluster, "h1"):
        since = now()
        cluster.sentinel_failover(via="h2")
        new = cluster.wait_settled(but=["h1"])
        taken = cluster.observer.holds(VIP)[-1].start
    wait_until(lambda: cluster.instance("h1")["state"] == "backup", 10, "h1 is backup")
    time.sleep(1)
    assert cluster.observer.moves(VIP) == ["h1", new]
    assert said_after(cluster, "h1", taken) == [], "no answer and no announcement after another has it"
    first = cluster.observer.holds(VIP)[0]
    assert first.end < taken, "and the kernel had ended it before"
    assert first.end - since < cluster.bound


@pytest.mark.parametrize("pause", [stopped, frozen], ids=["SIGSTOP", "freezer"])
def test_who_was_paused_within_its_lease_goes_on_without_a_gap(make_cluster, pause):
    c = make_cluster(lease=3.0)
    since = now()
    with pause(c, "h1"):
        time.sleep(1.0)
    time.sleep(2)
    assert [e for e in c.observer.events() if e["t"] > since and e["what"] == "del"] == []
    assert c.observer.moves(VIP) == ["h1"]


def test_who_was_paused_for_longer_lets_go_before_it_earns_it_again(cluster):
    since = now()
    with stopped(cluster, "h1"):
        time.sleep(3)
        resumed = now()
    wait_until(lambda: cluster.holders() == {"h1"} and cluster.instance("h1")["holding"], 15,
               lambda: f"h1 holds again\n{cluster.describe()}")
    events = [e["what"] for e in cluster.observer.events() if e["t"] >= since and e["what"] != "renew"]
    assert events in (["del", "add"], ["add"]), "removed by the kernel or by svipd, then added anew"
    holds = cluster.observer.holds(VIP)
    assert holds[0].end < resumed and holds[-1].start > resumed
    assert "clock-jump" in cluster.hosts["h1"].log() or "lease-expired" in cluster.hosts["h1"].log()


def test_a_watcher_that_pauses_again_and_again_is_never_a_second_holder(cluster):
    """Short runs between long pauses, through a failover: whatever step it is stopped in, the kernel decides."""
    pid = cluster.hosts["h1"].procs["svipd"].pid
    asked = False
    for i in range(60):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.15)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.002 * (i % 5))
        if i == 10 and not asked:
            asked = cluster.sentinel_failover(via="h2") or True
    new = cluster.wait_settled(but=["h1"])
    time.sleep(1)
    assert cluster.holders() == {new}


# ---- clocks ----

@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    out = tmp_path_factory.mktemp("shim") / "clockshift.so"
    out.parent.chmod(0o755)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", str(out),
                    str(Path(__file__).parent / "clockshift.c")], check=True)
    return out


class WrongClock:
    """svipd on a host, started anew with a wall clock that can be set."""

    def __init__(self, c, name, shim):
        file = c.hosts[name].dir / "shift"
        file.write_bytes(bytes(8))
        file.chmod(0o644)
        self._map = mmap.mmap(os.open(file, os.O_RDWR), 8)
        c.stop_svipd(name)
        os.environ.update(LD_PRELOAD=str(shim), CLOCKSHIFT=str(file))
        try:
            c.start_svipd(name)
        finally:
            del os.environ["LD_PRELOAD"], os.environ["CLOCKSHIFT"]

    def set(self, ms):
        self._map[:] = struct.pack("=q", ms)


@pytest.mark.skipif("asan" in os.environ.get("SVIPD", ""), reason="the sanitizer wants to be loaded first")
@pytest.mark.parametrize("by", [3600_000, -3600_000, 800])
def test_a_jump_of_the_clock_lets_go_and_it_is_earned_again(cluster, shim, by):
    clock = WrongClock(cluster, "h1", shim)
    cluster.wait_holder("h1")
    since = now()
    clock.set(by)
    wait_until(lambda: any(e["what"] == "del" for e in cluster.observer.events() if e["t"] > since), 5, "let go")
    cluster.wait_holder("h1")
    wait_until(lambda: cluster.instance("h1")["holding"], 10, "held again")
    assert "the clock was set by" in cluster.hosts["h1"].log()
    assert set(cluster.observer.moves(VIP)) == {"h1"}


@pytest.mark.skipif("asan" in os.environ.get("SVIPD", ""), reason="the sanitizer wants to be loaded first")
def test_a_corrected_clock_disturbs_nothing(cluster, shim):
    clock = WrongClock(cluster, "h1", shim)
    cluster.wait_holder("h1")
    since = now()
    for ms in range(0, 4000, 40):
        clock.set(ms)
        time.sleep(0.02)
    assert [e for e in cluster.observer.events() if e["t"] > since and e["what"] == "del"] == []
