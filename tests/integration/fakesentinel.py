# SPDX-License-Identifier: BSD-2-Clause
"""A Sentinel that lies: it names whom it is told to name, at the epoch it is told."""

import select
import socket

from netns import Child
from resp import encode

PORT = 26379


class FakeSentinel:
    """Listens in place of a host's Sentinel (which must not run). `masters`: name -> (address, port, epoch)."""

    def __init__(self, ns, masters, port=PORT):
        self._child = Child(ns, lambda child: _serve(child, masters, port))

    def asked(self):
        """How many questions about masters it has answered."""
        return len(self._child.fetch())

    def kill(self):
        self._child.kill()


def _bulk(text):
    data = str(text).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def _answer(words, masters, subscribed):
    """The reply to one command."""
    verb = words[0].upper()
    if verb == "PING":
        return encode("pong", "") if subscribed else b"+PONG\r\n"
    if verb == "SUBSCRIBE" or verb == "PSUBSCRIBE":
        out = b""
        for channel in words[1:]:
            subscribed.append(channel)
            out += b"*3\r\n" + _bulk(verb.lower()) + _bulk(channel) + b":%d\r\n" % len(subscribed)
        return out
    if verb != "SENTINEL":
        return b"+OK\r\n" if verb in ("AUTH", "CLIENT") else b"-ERR unknown command\r\n"
    what, name = words[1].upper(), words[2] if len(words) > 2 else ""
    if what == "MYID":
        return _bulk("f" * 40)
    if what in ("SENTINELS", "REPLICAS", "SLAVES"):
        return b"*0\r\n"
    if name not in masters:
        return b"-ERR No such master with that name\r\n" if what == "MASTER" else b"*-1\r\n"
    address, port, epoch = masters[name]
    if what == "GET-MASTER-ADDR-BY-NAME":
        return encode(address, port)
    if what == "MASTER":
        return encode("name", name, "ip", address, "port", port, "runid", "0" * 40, "flags", "master",
                      "link-pending-commands", 0, "link-refcount", 1, "last-ping-sent", 0, "last-ok-ping-reply", 100,
                      "last-ping-reply", 100, "down-after-milliseconds", 1000, "info-refresh", 1000,
                      "role-reported", "master", "role-reported-time", 100000, "config-epoch", epoch,
                      "num-slaves", 2, "num-other-sentinels", 2, "quorum", 2, "failover-timeout", 10000,
                      "parallel-syncs", 1)
    return b"-ERR Unknown sentinel subcommand\r\n"


def _parse(data):
    """(words, rest) of the first whole command, else (None, data)."""
    lines = data.split(b"\r\n")
    if len(lines) < 2 or not lines[0].startswith(b"*"):
        return None, data
    count = int(lines[0][1:])
    if len(lines) < 2 * count + 2:
        return None, data
    words = [lines[2 + 2 * i].decode() for i in range(count)]
    return words, b"\r\n".join(lines[2 * count + 1:])


def _serve(child, masters, port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    child.watch(server)
    links = {}
    while (ready := child.wait()) is not None:
        for fd in ready:
            if fd == server.fileno():
                link, _ = server.accept()
                child.watch(link, select.POLLIN)
                links[link.fileno()] = [link, b"", []]
                continue
            link, data, subscribed = links[fd]
            try:
                more = link.recv(65536)
                if not more:
                    raise ConnectionError
                data += more
                while True:
                    words, data = _parse(data)
                    if not words:
                        break
                    if words[0].upper() == "SENTINEL" and words[1].upper() == "MASTER":
                        child.records.append(1)
                    link.sendall(_answer(words, masters, subscribed))
                links[fd][1] = data
            except OSError:
                child.forget(link)
                link.close()
                del links[fd]
