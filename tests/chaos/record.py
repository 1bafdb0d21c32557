# SPDX-License-Identifier: BSD-2-Clause
"""The record of a run: JSON lines, each with `kind` and mostly `t` (seconds of CLOCK_BOOTTIME). Written here, read by checker.py.

    setup     seed, command, shape, instances, addresses of the hosts, MACs, lease; alone: one fault after the other
    fault     n, what, phase (begin, end, skip), done: when the hands were through with it
    process   host, key, state: "up" is dated before it can do anything, "down" and "stopped" after it can't any more.
              A Redis that was asked to end is "leaving": it serves no writes while it waits for its replicas
    guard     host, seconds: how late a release of the svipd that is started now may come
    paths     from, t, closed: pairs that pass no frame from t on; each other pair may have passed some since `from`
    slow      host, t, until, late: frames may have been under way for `late` seconds
    quiet     t, until: nothing is broken
    settle    instance, named, down, role, holders: asked while nothing is broken
    log       host, line: of svipd, dated when it was read (every 50 ms)
    address   an Observer's record; power: a host has none any more
    probe     answer: a Prober's record
    sentinel  instance, and a SentinelPoller's record
    health    t, host, and role of a Redis (instance, role), or what a Sentinel sees (instance, down, epoch); null: no answer. When it
              changes. It explains outages; no verdict rests on it
    acks      writer, instance, vip, acks: [number, asked, answered], ...
    lost      writer, lost: the numbers of those that the last master doesn't have (null: there was none)
    idle      vip, and a record of an idle subscriber
    ailment   text: what is wrong with a program itself
    end       all has been said
"""

import json

from netns import Child, now
from resp import Resp, RespError, pairs

CHUNK = 500


class Record:
    """A file that is written line by line, so that a run that ends early leaves what it had."""

    def __init__(self, path):
        self.path = path
        self._file = open(path, "w")

    def note(self, kind, **fields):
        self._file.write(json.dumps({"kind": kind, **fields}) + "\n")

    def flush(self):
        self._file.flush()

    def close(self):
        self._file.close()


def read(path):
    """kind -> list of lines, in the order of the file."""
    found = {}
    with open(path) as f:
        for line in f:
            entry = json.loads(line)
            found.setdefault(entry["kind"], []).append(entry)
    return found


class IdleSubscriber:
    """Clients that are subscribed through a virtual address and otherwise silent, one after the other.

    Every few seconds another connection asks which host answers at the address now. When it is not the subscriber's any
    more, nobody has told the subscriber: it gives up ("unnoticed").
    """

    def __init__(self, ns, vip, port):
        self._child = Child(ns, lambda child: _idle(child, vip, port))

    def records(self):
        """Dicts with t, what ("begin", "end", "unnoticed"), host."""
        return self._child.fetch()

    def kill(self):
        self._child.kill()


def _host(link):
    """The host of a Redis, by its directory."""
    return link.call("CONFIG", "GET", "dir")[1].split("/")[-2]


def _idle(child, vip, port, patience=5.0):
    link = host = None
    due = now()
    while (ready := child.wait(due - now())) is not None:
        if link and link.sock.fileno() in ready:
            try:
                alive = bool(link.sock.recv(4096))
            except OSError:
                alive = False
            if not alive:
                child.records.append({"t": now(), "what": "end", "host": host})
                child.forget(link.sock)
                link.close()
                link = None
        if now() < due:
            continue
        due = now() + 0.2
        try:
            if link is None:
                new = Resp(vip, port, timeout=0.3)
                host = _host(new)
                new.call("SUBSCRIBE", "quiet")
                new.sock.setblocking(False)
                link, due = new, now() + patience
                child.watch(link.sock)
                child.records.append({"t": now(), "what": "begin", "host": host})
            else:
                due = now() + patience
                with Resp(vip, port, timeout=0.3) as other:
                    there = _host(other)
                if there != host:
                    child.records.append({"t": now(), "what": "unnoticed", "host": host})
                    child.forget(link.sock)
                    link.close()
                    link, due = None, now()
        except (OSError, RespError, IndexError, TypeError, ValueError):
            pass


class Doctor:
    """Asks each Redis for its role, and each Sentinel how it sees the masters, from inside their hosts."""

    def __init__(self, cluster, sentinel_port):
        self._child = Child(None, lambda child: _visit(child, cluster, sentinel_port))

    def records(self):
        """Dicts as `health` in a record; when something has changed."""
        return self._child.fetch()

    def kill(self):
        self._child.kill()


def _visit(child, cluster, sentinel_port, period=0.25):
    links, last, due = {}, {}, now()

    def ask(host, port, *words):
        try:
            if (host, port) not in links:
                links[host, port] = Resp("127.0.0.1", port, ns=cluster.hosts[host].ns, timeout=0.03)
            return links[host, port].call(*words)
        except (OSError, RespError, ValueError):
            if (host, port) in links:
                links.pop((host, port)).close()
            return None

    def note(**what):
        key = what["host"], what["instance"], "role" in what
        if last.get(key) != what:
            last[key] = what
            child.records.append({"t": now(), **what})
    while child.wait(due - now()) is not None:
        if now() < due:
            continue
        for i in cluster.instances:
            for host in cluster.nodes:
                note(host=host, instance=i.name, role=(ask(host, i.port, "ROLE") or [None])[0])
            for host in cluster.sentinels:
                m = pairs(ask(host, sentinel_port, "SENTINEL", "MASTER", i.name) or [])
                down = any("down" in f or f == "disconnected" for f in m["flags"].split(",")) if m else None
                note(host=host, instance=i.name, down=down, epoch=m.get("config-epoch"))
        due = now() + period


def idle_subscriber(cluster, vip, port):
    return cluster.add(IdleSubscriber(cluster.hosts["client"].ns, vip, port))
