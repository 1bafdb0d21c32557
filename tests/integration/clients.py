# SPDX-License-Identifier: BSD-2-Clause
"""Real clients at the virtual address, as applications use them: no time limits of their own, at once again after an error.

Each has a process of its own in the client's namespace and notes what it felt, in seconds of CLOCK_BOOTTIME:
{"ack": numbers, "t": …} for writes that were acknowledged, {"end": error, "t": …} whenever a connection ended.
"""

import itertools
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import netns
import redis
from netns import Child, now

PAUSE = 0.005  # after an error, and between writes


class Records:
    """What a client felt. records() returns all until now, those of before included."""

    def __init__(self):
        self.tag = os.urandom(4).hex()

    def acks(self):
        """(number, time) of every acknowledged write."""
        return [(n, r["t"]) for r in self.records() if "ack" in r for n in r["ack"]]

    def ends(self):
        return [r for r in self.records() if "end" in r]

    def wait_ready(self, since=None, timeout=15):
        """Until it is connected, and has written if it writes."""
        netns.wait_until(lambda: any(("ready" in r or "ack" in r) and r["t"] > (since or 0) for r in self.records()), timeout,
                         "a client is there")

    def wait_writing(self, timeout=15):
        self.wait_ready(now(), timeout)

    def gap(self, since, until):
        """The longest time without an acknowledgement."""
        times = [since] + [t for _, t in self.acks() if since < t < until]
        return max(b - a for a, b in zip(times, times[1:] + [until]))

    def lost(self, connection):
        """Acknowledged writes that the master doesn't have."""
        acks = self.acks()
        there = {int(n) for n in connection.call("SMEMBERS", f"set:{self.tag}")}
        return [n for n, _ in acks if n not in there]


# ---- redis-py ----

class Client(Records):
    """Runs work(client, note) again and again in a thread; what it raises is the end of a connection."""

    def __init__(self, ns, vip, work, port=6379):
        super().__init__()
        self._child = Child(ns, lambda child: _run(child, vip, port, work, self.tag))

    def records(self):
        return self._child.fetch()

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

class Cli(Records):
    """redis-cli that counts, begun anew when it ends: whatever was acknowledged and is forgotten makes the counter go back."""

    def __init__(self, ns, vip, port=6379):
        super().__init__()
        self._child = Child(ns, lambda child: _cli(child, vip, port, self.tag))

    def records(self):
        return self._child.fetch()

    def lost(self, connection):
        counts = [n for n, _ in self.acks()] + [int(connection.call("GET", f"cli:{self.tag}")) + 1]
        return [a for a, b in zip(counts, counts[1:]) if b <= a]

    def kill(self):
        self._child.kill()


def _cli(child, vip, port, tag):
    argv = ["redis-cli", "-h", vip, "-p", str(port), "-r", "-1", "-i", str(PAUSE), "INCR", f"cli:{tag}"]

    def loop():
        while True:
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  preexec_fn=lambda: netns._enter(None)) as cli:
                for line in cli.stdout:
                    text = line.strip()
                    child.records.append({"ack": [int(text)], "t": now()} if text.isdigit() else {"end": text, "t": now()})
            time.sleep(PAUSE)

    threading.Thread(target=loop, daemon=True).start()
    while child.wait() is not None:
        pass


# ---- hiredis ----

class Hiredis(Records):
    """hiredis.c."""

    def __init__(self, ns, vip, directory, port=6379):
        super().__init__()
        program, self._out, self._records = directory / "hiredis", directory / f"hiredis-{self.tag}.out", []
        source = Path(__file__).parent / "hiredis.c"
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "hiredis"], check=True, capture_output=True, text=True)
        subprocess.run([os.environ.get("CC", "cc"), "-O1", "-D_GNU_SOURCE", "-o", str(program), str(source),
                        *flags.stdout.split()], check=True)
        self._process = netns.spawn(ns, [str(program), vip, str(port), f"set:{self.tag}"], self._out)
        self._file = open(self._out)

    def records(self):
        while True:
            at = self._file.tell()
            line = self._file.readline()
            if not line.endswith("\n"):  # the rest comes later
                self._file.seek(at)
                return self._records
            self._records.append(json.loads(line))

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._file.close()
