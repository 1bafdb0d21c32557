# SPDX-License-Identifier: BSD-2-Clause
"""Real clients at the virtual address, as applications use them: no time limits of their own, at once again after an error.

Each has a process of its own in the client's namespace and notes what it felt, in seconds of CLOCK_BOOTTIME:
{"ack": numbers, "t": …} for writes that were acknowledged, {"end": error, "t": …} whenever a connection ended.
"""

import itertools
import os
import threading
import time

import netns
import redis
from netns import Child, now

PAUSE = 0.005  # after an error, and between writes


class Client:
    """Runs work(client, note) again and again in a thread; what it raises is the end of a connection."""

    def __init__(self, ns, vip, work, port=6379):
        self.tag = os.urandom(4).hex()
        self._child = Child(ns, lambda child: _run(child, vip, port, work, self.tag))

    def records(self):
        return self._child.fetch()

    def acks(self):
        """(number, time) of every acknowledged write."""
        return [(n, r["t"]) for r in self.records() if "ack" in r for n in r["ack"]]

    def ends(self):
        return [r for r in self.records() if "end" in r]

    def wait_ready(self, timeout=15):
        """Until it is connected, and has written if it writes."""
        start = now()
        netns.wait_until(lambda: any(r["t"] > start or "ready" in r for r in self.records()), timeout, "a client is there")

    def wait_writing(self, timeout=15):
        start = now()
        netns.wait_until(lambda: any("ack" in r and r["t"] > start for r in self.records()), timeout, "a client writes")

    def gap(self, since, until):
        """The longest time without an acknowledgement."""
        times = [since] + [t for _, t in self.acks() if since < t < until]
        return max(b - a for a, b in zip(times, times[1:] + [until]))

    def lost(self, connection):
        """Acknowledged writes that the master doesn't have."""
        acks = self.acks()
        there = {int(n) for n in connection.call("SMEMBERS", f"set:{self.tag}")}
        return [n for n, _ in acks if n not in there]

    def kill(self):
        self._child.kill()


def _run(child, vip, port, work, tag):
    def note(**record):
        child.records.append({**record, "t": now()})

    def loop():
        numbers = itertools.count(1)
        while True:
            connection = redis.Redis(host=vip, port=port)
            try:
                work(connection, f"set:{tag}", numbers, note)
            except (redis.RedisError, OSError) as error:
                note(end=repr(error))
            connection.close()
            time.sleep(PAUSE)

    threading.Thread(target=loop, daemon=True).start()
    while child.wait() is not None:
        pass


# ---- redis-py ----

def writes(connection, key, numbers, note):
    while True:
        n = next(numbers)
        connection.sadd(key, n)
        note(ack=[n])
        time.sleep(PAUSE)


def pipelines(connection, key, numbers, note):
    while True:
        some = list(itertools.islice(numbers, 5))
        with connection.pipeline(transaction=False) as p:
            for n in some:
                p.sadd(key, n)
            p.execute()
        note(ack=some)
        time.sleep(PAUSE)


def transactions(connection, key, numbers, note):
    while True:
        some = list(itertools.islice(numbers, 2))
        with connection.pipeline(transaction=True) as p:
            for n in some:
                p.sadd(key, n)
            p.execute()
        note(ack=some)
        time.sleep(PAUSE)


def blocked(connection, key, numbers, note):
    connection.ping()
    note(ready=True)
    connection.blpop(["nothing:" + key], timeout=0)


def subscribed(connection, key, numbers, note):
    pubsub = connection.pubsub()
    pubsub.subscribe("quiet")
    pubsub.get_message(timeout=5)
    note(ready=True)
    for _ in pubsub.listen():
        pass


# ---- redis-cli ----

class Cli:
    """redis-cli that counts: whatever was acknowledged and is forgotten makes the counter go back."""

    def __init__(self, ns, vip, directory, port=6379):
        self._out = directory / "redis-cli.out"
        self._process = netns.spawn(ns, ["redis-cli", "-h", vip, "-p", str(port), "-r", "-1", "-i", "0.005", "INCR", "cli"],
                                    self._out)

    def counts(self):
        return [int(line) for line in self._out.read_text().split("\n")[:-1] if line.strip('"').isdigit()]

    def lost(self):
        return sum(b <= a for a, b in zip(self.counts(), self.counts()[1:]))

    def kill(self):
        self._process.kill()
        self._process.wait()
