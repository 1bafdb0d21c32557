# SPDX-License-Identifier: BSD-2-Clause
"""Clients' connections are reset before the addresses go: an idle client hears of the move, and nobody else of anything."""

import contextlib
import errno
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import netns
import pytest
from cluster import Instance
from netns import Child, inside, ip, now, wait_until

VIP, VIP6, OTHER = "10.77.0.50", "fd77::50", "10.77.0.60"
BOTH = [Instance(vips=(VIP, VIP6))]
PORT = 7777
SOON = 1.0  # a reset takes some milliseconds; a machine that is busy, longer


def server(c, name, dual=False, backlog=64):
    """A listener on all addresses of a host; dual: one socket for IPv4 and IPv6."""
    with inside(c.hosts[name].ns):
        return socket.create_server(("::" if dual else "", PORT), family=socket.AF_INET6 if dual else socket.AF_INET,
                                    backlog=backlog, dualstack_ipv6=dual)


def connected(c, listener, address):
    """An idle connection from the client's host, and the listener's end of it."""
    with inside(c.hosts["client"].ns):
        client = socket.create_connection((address, PORT), 3)
    near, _ = listener.accept()
    client.setblocking(False)
    return client, near


def was_reset(sock):
    """True: by a reset. False: it is idle and alive."""
    try:
        data = sock.recv(1)
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno == errno.ECONNRESET
    raise AssertionError(f"neither reset nor alive: {data!r}")


def resets(c, name, instance=None):
    return c.instance(name, instance)["resets"]


def planned(c, instance=None):
    """A planned failover away from h1; returns the new holder."""
    c.wait_replicas("h1")
    c.sentinel_failover(instance=instance)
    return c.wait_settled(but=["h1"], instance=instance)


def took(c):
    """How long h1's resets took, in ms, when they are told."""
    found = wait_until(lambda: re.search(r"connections of clients reset, in (\d+) ms", c.hosts["h1"].log()), 5, "it is told")
    return int(found[1])


def gone(c, vip=VIP):
    """When h1's hold ended."""
    return next(h.end for h in c.observer.holds(vip) if h.host == "h1")


def test_an_idle_subscriber_is_reset_in_a_planned_failover(make_cluster, record):
    c = make_cluster(instances=BOTH)
    idle = {vip: c.subscriber(vip) for vip in (VIP, VIP6)}
    own = c.subscriber("10.77.0.11")
    planned(c)
    for vip, subscriber in idle.items():
        wait_until(subscriber.ended, 5, f"the subscriber of {vip} hears of the move")
        assert subscriber.ended() < gone(c, vip) + SOON
        record("reset before the address has gone", (gone(c, vip) - subscriber.ended()) * 1000)
    assert resets(c, "h1") >= 2
    record("time of the resets", took(c))
    assert own.ended() is None, "a connection to the host's own address is none of svipd's"


def test_connections_that_sockets_for_both_families_have_are_reset(make_cluster):
    c = make_cluster(instances=BOTH)
    with contextlib.closing(server(c, "h1", dual=True)) as listener:
        ends = {a: connected(c, listener, a) for a in (VIP, VIP6, "10.77.0.11", "fd77::11")}
        assert ends[VIP][1].getsockname()[0] == f"::ffff:{VIP}"
        planned(c)
        for a in (VIP, VIP6):
            wait_until(lambda a=a: was_reset(ends[a][0]), SOON, f"the connection to {a} is reset")
        assert not was_reset(ends["10.77.0.11"][0]) and not was_reset(ends["fd77::11"][0])
        ends["10.77.0.11"][0].send(b"x")
        assert ends["10.77.0.11"][1].recv(1) == b"x", "it is as it was"
        assert listener.fileno() != -1 and connected(c, listener, "10.77.0.11"), "the listener is as it was"


def test_another_instances_connections_are_not_touched(make_cluster):
    first, second = Instance(), Instance("other", 6380, (OTHER,))
    c = make_cluster(instances=[first, second])
    with contextlib.closing(server(c, "h1")) as listener:
        moves, stays = connected(c, listener, VIP), connected(c, listener, OTHER)
        planned(c, first)
        wait_until(lambda: was_reset(moves[0]), SOON, "the one that moved is reset")
        time.sleep(0.5)
        assert not was_reset(stays[0])
        assert c.holders(OTHER) == {"h1"} and resets(c, "h1", second) == 0


def test_a_stop_resets(cluster):
    idle = cluster.subscriber()
    cluster.stop_svipd("h1")
    wait_until(idle.ended, SOON, "the subscriber hears of it")
    assert "connections of clients reset" in cluster.hosts["h1"].log()


def test_a_restart_within_the_lease_resets_nothing(make_cluster):
    c = make_cluster(lease=3.0)
    idle = c.subscriber()
    c.end("h1", "svipd", signal.SIGKILL)
    c.start_svipd("h1")
    c.wait_holder("h1")
    time.sleep(0.5)
    assert idle.ended() is None and resets(c, "h1") == 0


def test_a_carrier_that_comes_back_finds_the_connections_as_they_were(make_cluster):
    """Without a link no reset would arrive, and the client would wait at a connection that nobody knows."""
    c = make_cluster(down_after=5000)
    idle = c.subscriber()
    ip("link set h1 down", ns=c.switch)
    wait_until(lambda: c.instance("h1")["reason"] == "link-down", 5, "the loss is noticed")
    ip("link set h1 up", ns=c.switch)
    c.wait_holder("h1", timeout=10)
    assert resets(c, "h1") == 0
    with c.redis("h1") as r:
        assert r.call("PUBLISH", "quiet", "word") == 1, "the subscriber is still known"


@pytest.mark.parametrize("where", ["file", "block"])
def test_off_leaves_connections_alone(make_cluster, where):
    c = make_cluster(start=False, settings={"reset-connections": '"off"' if where == "file" else '"on"'})
    for name in c.nodes:
        text = c.config()
        c.write_config(name, text if where == "file" else text.replace("interface =", 'reset-connections = "off"\n\tinterface ='))
    c.start()
    c.wait_holder("h1")
    c.wait_peers()
    idle = c.subscriber()
    planned(c)
    time.sleep(1)
    assert idle.ended() is None and resets(c, "h1") == 0
    assert "connections of clients reset" not in c.hosts["h1"].log()


def test_a_reload_turns_it_on(make_cluster):
    c = make_cluster(settings={"reset-connections": '"off"'})
    idle = c.subscriber()
    for name in c.nodes:
        c.write_config(name, c.config(reset_connections='"on"'))
        assert c.svipctl(name, "reload").returncode == 0
    planned(c)
    wait_until(idle.ended, 5, "the subscriber hears of the move")


@pytest.mark.parametrize("fence", ["nftables", "lifetime"])
def test_who_comes_back_at_once_is_not_left_behind(make_cluster, record, fence):
    """With the packet filter nobody who comes back within the very millisecond of his reset is idle at the old host afterwards. Without it
    nothing keeps new connections out between the last look and the removal: a few may be, and are counted here."""
    c, n = make_cluster(settings={"fence": f'"{fence}"'}), 50
    accepting(c, "h1")
    clients = c.add(Child(c.hosts["client"].ns, lambda child: _come_back(child, n)))

    def who(what):
        return {r["n"] for r in clients.fetch() if r["what"] == what}

    wait_until(lambda: len(who("there")) == n, 10, "all are connected")
    planned(c)
    wait_until(lambda: len(who("back") | who("refused")) == n, 10, "each has been reset")
    assert resets(c, "h1") >= n
    time.sleep(1)
    left = n - len(who("refused"))
    record("of 50 that came back at once, idle at the old host", left)
    assert left == 0 or fence == "lifetime"


def _come_back(child, n):
    """Each connects again as soon as it is reset, until that can't be done any more."""
    poll, clients = select.epoll(), {}

    def connect(i, what):
        try:
            sock = socket.create_connection((VIP, PORT), 0.2)
        except OSError:
            what = "refused"
        else:
            clients[sock.fileno()] = (i, sock)
            poll.register(sock, select.EPOLLIN)
        child.records.append({"what": what, "n": i, "t": now()})

    for i in range(n):
        connect(i, "there")
    while child.wait(0) is not None:
        for fd, _ in poll.poll(0.02):
            i, sock = clients.pop(fd)
            poll.unregister(fd)
            sock.close()
            connect(i, "back")


def test_the_self_test_proves_it(cluster):
    done = cluster.svipctl("h1", "-j", "check")
    row = next(r for r in json.loads(done.stdout)["checks"] if r["name"] == "sock-destroy")
    assert row["verdict"] == "ok", row


def _many(child, n):
    """That many idle connections; notes how many are there, and when each was reset."""
    poll, socks, told = select.epoll(), [], 0
    while child.wait(0) is not None:
        while len(socks) < n and len(socks) < told + 500:
            with contextlib.suppress(OSError):
                socks.append(socket.create_connection((VIP, PORT), 3))
                poll.register(socks[-1], select.EPOLLIN)
        if len(socks) > told:
            told = len(socks)
            child.records.append({"what": "there", "n": told, "t": now()})
        for fd, _ in poll.poll(0.02):
            poll.unregister(fd)
            child.records.append({"what": "reset", "t": now()})


def accepting(c, name):
    """A program that accepts at all addresses of a host, and waits."""
    wait_until(c.add(Child(c.hosts[name].ns, _accept)).fetch, 10, "it listens")


def _accept(child):
    """Accepts, and keeps what it gets."""
    listener, socks = socket.create_server(("", PORT), backlog=4096), []
    listener.setblocking(False)
    child.watch(listener)
    child.records.append({"what": "listens", "t": now()})
    while (ready := child.wait()) is not None:
        with contextlib.suppress(BlockingIOError):
            while ready:
                socks.append(listener.accept()[0])


def test_ten_thousand_connections_are_reset_and_the_address_goes_within_the_lease(make_cluster, record):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n = min(10000, hard - 100)
    c = make_cluster(lease=2.0)
    accepting(c, "h1")
    clients = c.add(Child(c.hosts["client"].ns, lambda child: _many(child, n)))
    wait_until(lambda: any(r["what"] == "there" and r["n"] == n for r in clients.fetch()), 60, f"{n} connections")
    planned(c)
    time_of = took(c)
    count = resets(c, "h1")

    def heard():
        return [r["t"] for r in clients.fetch() if r["what"] == "reset"]

    wait_until(lambda: len(heard()) >= count, 10, lambda: f"{count} resets have arrived: {len(heard())}")
    times = heard()
    record("connections reset", count)
    record("time of the resets", time_of)
    assert count >= n or "no time was left" in c.hosts["h1"].log()
    record("from the first reset to the last", (times[-1] - times[0]) * 1000)
    record("from the first reset to the address's end", (gone(c) - times[0]) * 1000)
    assert time_of < 300 + 200, "what it may, and what a busy machine adds"
    assert gone(c) - times[0] < 2.0, "the lease"


# ---- a kernel without it ----

@pytest.fixture
def without(tmp_path, monkeypatch):
    """What is started can't end connections."""
    out = tmp_path / "nodestroy.so"
    for d in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        d.chmod(0o755)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", str(out),
                    str(Path(__file__).parent / "nodestroy.c")], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(out))


no_asan = pytest.mark.skipif("asan" in os.environ.get("SVIPD", ""), reason="the sanitizer wants to be loaded first")


def row_of(c):
    return next(r for r in json.loads(c.svipctl("h1", "-j", "check").stdout)["checks"] if r["name"] == "sock-destroy")


@no_asan
def test_where_the_kernel_cant_redis_ends_its_clients_connections(make_cluster, without, record):
    c = make_cluster(instances=BOTH)
    idle = {vip: c.subscriber(vip) for vip in (VIP, VIP6)}
    own = c.subscriber("10.77.0.11")
    row = row_of(c)
    assert row["verdict"] == "degraded" and "CONFIG_INET_DIAG_DESTROY" in row["remedy"], row
    assert "the local Redis ends clients' connections instead" in row["detail"], row
    planned(c)
    for vip, subscriber in idle.items():
        wait_until(subscriber.ended, 5, f"the subscriber of {vip} hears of the move")
        record("ended before the address has gone", (gone(c, vip) - subscriber.ended()) * 1000)
    assert own.ended() is None
    assert re.search(r"\d connections of clients ended by the local Redis", c.hosts["h1"].log())
    assert resets(c, "h1") == 2 and c.instance("h1")["reset_error"] == "Operation not supported"


@no_asan
def test_where_neither_can_it_is_told_and_the_address_moves_all_the_same(make_cluster, without):
    c = make_cluster(start=False)
    password = c.write_key("secret", name="password")
    text = c.config(redis_user='"svipd"', redis_password_file=f'"{password}"')
    for name in c.nodes:
        c.write_config(name, text)
    c.start()
    for name in c.nodes:
        with c.redis(name) as r:
            r.call("ACL", "SETUSER", "svipd", "on", ">secret", "+role", "+client|pause", "+client|unpause", "+auth", "+ping", "+info")
    c.wait_holder("h1")
    idle = c.subscriber()
    wait_until(lambda: "nor does Redis" in row_of(c)["detail"], 5, lambda: str(row_of(c)))
    assert "client|kill" in row_of(c)["remedy"] and "NOPERM" in row_of(c)["detail"]
    planned(c)
    time.sleep(0.5)
    assert idle.ended() is None
    assert "can't be reset: Operation not supported" in c.hosts["h1"].log()
    assert (resets(c, "h1"), c.instance("h1")["reset_error"]) == (0, "Operation not supported")
