# SPDX-License-Identifier: BSD-2-Clause
"""What befalls a cluster, and what its client feels: one way, one scene, one record. All times in it are ms after the event."""

import contextlib
import signal
import time

from netns import now
from resp import RespError
from ways import VIP, WAYS, manager_signal

RATE, TIMEOUT = 1000, 0.05  # of the client: writes a second at best, and how long it waits for anything
GIVE_UP = 30                # seconds without a write after which an outage is for ever
SERVED = 20                 # ms between two acknowledgements up to which a client is served


def kill(c):
    c.kill_redis("h1")


def power(c):
    c.power_off("h1")


def planned(c):
    c.sentinel_failover(via="h2")


def partition(c):
    c.isolate("h1")


def partition_old(c):
    c.isolate("h1", keep=["client"])


def manager_kill(c):
    manager_signal(c, signal.SIGKILL)


def manager_stop(c):
    manager_signal(c, signal.SIGSTOP)


def boot(c):
    for name in c.nodes:
        c.boot(name)


# name -> (event, title, seconds until the second part, second part)
SCENES = {
    "kill": (kill, "kill -9 of the master's Redis", 0, None),
    "power": (power, "power-off of the master's host", 0, None),
    "planned": (planned, "SENTINEL FAILOVER", 0, None),
    "partition": (partition, "the master's host is cut off for 15 s, the client is with the majority", 15, lambda c: c.heal()),
    "partition-old": (partition_old, "the same, the client is cut off with the old master", 15, lambda c: c.heal()),
    "manager-kill": (manager_kill, "the holder's manager is killed, 3 s later SENTINEL FAILOVER", 3, planned),
    "manager-stop": (manager_stop, "the holder's manager is stopped (SIGSTOP), 3 s later SENTINEL FAILOVER", 3, planned),
    "boot": (boot, "cold boot of all hosts", 0, None),
}


def applies(way, scene):
    return not scene.startswith("manager") or WAYS[way].manager is not None


def run(way, scene):
    """The record of one run. RuntimeError or AssertionError when it couldn't be done."""
    event, _, pause, second = SCENES[scene]
    with WAYS[way]() as c:
        c.start()
        writer = c.writer(c.target, rate=RATE, timeout=TIMEOUT) if way != "redis-py" else c.writer(rate=RATE, timeout=TIMEOUT)
        poller = c.poller()
        subscriber = c.subscriber(c.target)
        time.sleep(1)
        if scene == "boot":
            for name in c.nodes:
                c.power_off(name)
            time.sleep(1)
        t0 = now()
        event(c)
        if second:
            time.sleep(pause)
            second(c)
        moved = t0 + (pause if scene.startswith("manager") else 0)
        _wait_over(c, writer, scene, t0, pause)
        return _record(c, way, scene, t0, moved, writer, poller, subscriber)


def _wait_over(c, writer, scene, t0, pause):
    """Until Sentinel has put everything in order and writes have gone on for two seconds, or nothing more is to be expected."""
    with contextlib.suppress(AssertionError, OSError):
        _wait_sentinels(c, scene)
    end = max(now() + 2, t0 + pause + GIVE_UP)
    while now() < end:
        last = writer.acks()[-1][2]
        begun = now() - 2
        if last > now() - 0.2 and writer.outage(begun)[0] < 0.5 and last > t0:
            return
        time.sleep(0.2)


def _wait_sentinels(c, scene):
    if scene == "power":
        # The old master never comes back; a majority's word and a second for all to act on it.
        c.wait_named("h1")
        time.sleep(3)
    elif scene == "boot":
        c.wait_named(timeout=20)
        time.sleep(1)
    else:
        if scene not in ("manager-kill", "manager-stop"):
            c.wait_named("h1")
        if scene == "kill":
            time.sleep(3)
        else:
            c.wait_sentinels(40)


def two_holders(holds, since):
    """Seconds in which more than one host had the address."""
    ends = [(h.end if h.end is not None else now(), -1) for h in holds] + [(h.start, 1) for h in holds]
    total, count, last = 0.0, 0, 0.0
    for t, step in sorted(ends):
        if count > 1:
            total += max(0.0, t - max(last, since))
        count, last = count + step, t
    return total


def _spans(times, t0):
    """[[from, to]] in ms in which acknowledgements came without a pause."""
    spans = []
    for t in times:
        ms = round((t - t0) * 1000, 1)
        if spans and ms - spans[-1][1] <= SERVED:
            spans[-1][1] = ms
        else:
            spans.append([ms, ms])
    return spans


def _record(c, way, scene, t0, moved, writer, poller, subscriber):
    end = now()
    times = [a[2] for a in writer.acks() if a[2] > t0 - 1]
    length, start, until = writer.outage(t0, end)
    never = not times or end - times[-1] > 1 or scene == "boot" and times[-1] < t0
    master = c.named()
    new = master and poller.majority_since(c.hosts[master].ip4, t0)
    holds = [] if way in ("haproxy", "redis-py") else c.observer.holds(VIP)
    lost = arrived = None
    gone = []
    with contextlib.suppress(OSError, RespError), c.redis(master) as r:
        missing = set(writer.missing(r))
        lost = len(missing) if scene != "boot" else None  # they keep nothing on disk
        gone = [a[2] for a in writer.acks() if a[0] in missing and scene != "boot"]
        arrived = next((a[2] for a in writer.acks() if new and a[1] > new and a[0] not in missing), None)
    told = subscriber.ended()

    def ms(t):
        return t and round((t - t0) * 1000, 1)
    return {
        "bench": "scene", "who": way, "scene": scene,
        "outage": None if never else round((until - start if scene != "boot" else until - t0) * 1000, 1),
        "word": ms(new),
        "after_word": arrived and round((arrived - new) * 1000, 1),
        "two": round(two_holders(holds, t0) * 1000, 1) if way not in ("haproxy", "redis-py") else None,
        "lost": lost, "acked": len(writer.acks()),
        "told": None if told is None or told < t0 else round((told - moved) * 1000, 1),
        "watched": ms(end),
        "served": _spans(times, t0), "gone": _spans(gone, t0),
        "holds": [[h.host, ms(max(h.start, t0 - 1)), ms(h.end) if h.end else None] for h in holds if not h.end or h.end > t0 - 1],
    }
