# SPDX-License-Identifier: BSD-2-Clause
"""A minimal client for Redis and Sentinel. Each call is bounded; errors of the server are RespError."""

import socket

import netns


class RespError(Exception):
    """What the server answered instead."""


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class Resp:
    """A connection. ns: the namespace to connect from (default: the caller's)."""

    def __init__(self, address, port, ns=None, timeout=2.0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if ns:
            with netns.inside(ns):
                self.sock = socket.socket(family, socket.SOCK_STREAM)
        else:
            self.sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.connect((address, port))
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def call(self, *words):
        self.sock.sendall(encode(*words))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("end of file")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RespError(rest.decode())
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            return self.file.read(size + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.read() for _ in range(size)]
        raise ConnectionError(f"not RESP: {line!r}")


def pairs(flat):
    """A flat list of names and values as a dict."""
    return dict(zip(flat[::2], flat[1::2]))
