# SPDX-License-Identifier: BSD-2-Clause
"""svipctl and hostile input: what is promised to operators, and what strangers can't do."""

import fcntl
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time

import netns
import pytest
from cluster import HEARTBEAT_PORT, REPO, program
from netns import now, wait_until
from resp import pairs

VIP = "10.77.0.50"


def ctl(*args, **kw):
    return subprocess.run([program("svipctl"), *args], capture_output=True, text=True, timeout=10, **kw)


def test_svipctl_without_a_daemon_fails_with_1():
    for command in (["status"], ["peers"], ["why"], ["reload"], ["-j", "status"]):
        done = ctl("-s", "/nonexistent/svipd.sock", *command)
        assert done.returncode == 1 and "/nonexistent/svipd.sock" in done.stderr, command


def test_svipctl_used_wrongly_ends_with_2():
    for args in ([], ["nonsense"], ["-x"], ["maintenance"], ["maintenance", "perhaps"], ["status", "a", "b"]):
        assert ctl("-s", "/nonexistent/svipd.sock", *args).returncode == 2, args


def test_keygen_makes_a_key():
    keys = {ctl("keygen").stdout.strip() for _ in range(3)}
    assert len(keys) == 3 and all(len(bytes.fromhex(k)) == 32 for k in keys)


def test_svipctl_answers_in_text_and_json(cluster):
    for command in ("status", "peers", "sentinels", "why", "history", "version"):
        plain, as_json = cluster.svipctl("h1", command), cluster.svipctl("h1", "-j", command)
        assert plain.returncode == 0 and plain.stdout.strip(), command
        assert as_json.returncode == 0, command
        if command != "version":
            assert json.loads(as_json.stdout), command
    assert "10.77.0.50" in cluster.svipctl("h1", "status").stdout
    assert cluster.svipctl("h1", "status", "mymaster").returncode == 0
    assert cluster.svipctl("h1", "status", "nosuch").returncode == 1
    assert cluster.svipctl("h1", "why", "nosuch").returncode == 1


def test_history_tells_the_changes_with_their_reasons(cluster):
    old = cluster.wait_settled()
    cluster.sentinel_failover(via="h2")
    new = cluster.wait_settled(but=[old])
    assert "master" in cluster.svipctl(new, "history", "mymaster").stdout
    said = cluster.svipctl(old, "history").stdout
    assert "backup" in said and "EPOCH" in said


def test_only_root_and_the_service_may_change_something(cluster):
    sock = cluster.hosts["h1"].socket

    def as_user(uid, gid, *args):
        return ctl("-s", sock, *args, user=uid, group=gid, extra_groups=[])
    assert as_user(65534, 65534, "reload").returncode == 0
    assert as_user(12345, 65534, "status").returncode == 0, "the group may read"
    assert as_user(12345, 65534, "reload").returncode == 1, "but not change"
    assert as_user(12345, 65534, "maintenance", "on").returncode == 1
    assert as_user(12345, 12345, "status").returncode == 1
    assert cluster.status("h1")["maintenance"] is False


def test_monitoring_gets_a_line_and_a_status(cluster):
    for name in cluster.nodes:
        wait_until(lambda: cluster.svipctl(name, "health").returncode == 0, 10,
                   lambda: f"{name} is well: {cluster.svipctl(name, 'health').stdout}")
    assert cluster.svipctl("h1", "health").stdout.startswith("SVIPD OK: holding 1 of 1 | holding=1;;;0;1 sentinels=3;;;0;3 ")
    assert json.loads(cluster.svipctl("h1", "-j", "health").stdout)["ok"] is True
    assert cluster.svipctl("h3", "maintenance", "on").returncode == 0
    warned = cluster.svipctl("h3", "health")
    assert warned.returncode == 1 and warned.stdout.startswith("SVIPD WARNING: maintenance is on")
    cluster.signal("h1", signal.SIGSTOP)
    wait_until(lambda: cluster.svipctl("h2", "health").returncode == 2, 10, "nobody holds")
    unknown = cluster.svipctl("h1", "health")
    assert unknown.returncode == 3 and unknown.stdout.startswith("SVIPD UNKNOWN: ")
    cluster.signal("h1", signal.SIGCONT)
    # The self-test has the same statuses.
    done = cluster.svipctl("h2", "check")
    verdict = done.stdout.splitlines()[-1]
    assert (verdict, done.returncode) in [("verdict: ok", 0), ("verdict: degraded", 1), ("verdict: missing", 2)]
    assert ctl("-s", "/nonexistent/svipd.sock", "check").returncode == 3


def test_the_level_of_the_log_changes_while_it_runs(make_cluster):
    c = make_cluster(hosts=1, log_level="info", probe=False, settle=False)
    sock = c.hosts["h1"].socket
    done = c.svipctl("h1", "log", "error")
    assert done.returncode == 0 and 'down to "error"' in done.stdout
    c.svipctl("h1", "maintenance", "on")
    assert "maintenance on" not in c.hosts["h1"].log()
    assert c.svipctl("h1", "log", "debug").returncode == 0
    c.svipctl("h1", "maintenance", "off")
    assert "maintenance off" in c.hosts["h1"].log()
    assert ctl("-s", sock, "log", "loud").returncode == 2
    assert ctl("-s", sock, "log", "debug", user=12345, group=65534, extra_groups=[]).returncode == 1
    c.svipctl("h1", "log", "error")
    assert c.svipctl("h1", "reload").returncode == 0
    c.svipctl("h1", "maintenance", "on")
    assert "maintenance on" in c.hosts["h1"].log(), "the file's level is back"


def test_a_log_that_nobody_reads_costs_no_lease(make_cluster):
    c = make_cluster(start=False)
    host = c.hosts["h1"]
    host.log = lambda what="svipd": "(a pipe)"
    os.mkfifo(host.dir / "svipd.log")
    reader = os.open(host.dir / "svipd.log", os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    c.start()
    c.wait_holder("h1")
    with pytest.raises(BlockingIOError):
        for _ in range(100):
            os.write(reader, b"#" * 1024 + b"\n")
    for _ in range(200):
        c.svipctl("h1", "client-reconfig", "nonsense", "leader", "start", "1", "2", "3", "4")
        c.svipctl("h1", "maintenance", "off")
    time.sleep(2 * c.bound)
    assert c.observer.moves(VIP) == ["h1"] and c.holders() == {"h1"}
    while select.select([reader], [], [], 0)[0]:
        os.read(reader, 65536)
    c.svipctl("h1", "maintenance", "off")
    wait_until(lambda: select.select([reader], [], [], 0)[0], 5, "it logs again")
    assert b"the log did not take " in os.read(reader, 65536)
    os.close(reader)


def test_bash_completes_what_the_daemon_knows(cluster):
    def completed(*words):
        script = '. "$0" && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _svip && printf "%s\\n" "${COMPREPLY[@]}"'
        return subprocess.run(["bash", "-c", script, str(REPO / "etc" / "svipctl.bash"), program("svipctl"), "-s",
                               cluster.hosts["h1"].socket, *words], capture_output=True, text=True, timeout=20).stdout.split()
    assert completed("why", "m") == completed("handover", "") == ["mymaster"]
    assert completed("config", "diff", "") == completed("--absent-ok", "") == [cluster.address("h2"), cluster.address("h3")]


def test_maintenance_keeps_a_node_from_taking(cluster):
    with cluster.redis("h3") as r:
        r.call("CONFIG", "SET", "replica-priority", 0)

    def priorities(name):
        with cluster.redis(name, 26379) as s:
            known = [pairs(x) for x in s.call("SENTINEL", "REPLICAS", "mymaster")]
        return {cluster.host_of(x["ip"]): x["slave-priority"] for x in known}
    wait_until(lambda: all(priorities(n)["h3"] == "0" for n in cluster.sentinels), 25, "all know the priority", every=0.3)
    assert cluster.svipctl("h2", "maintenance", "on").returncode == 0
    assert cluster.status("h2")["maintenance"] is True
    cluster.sentinel_failover(via="h1")
    assert cluster.wait_named("h1") == "h2"
    cluster.wait_holder(None)
    wait_until(lambda: cluster.instance("h2")["reason"] == "maintenance", 10, lambda: f"it says why\n{cluster.describe()}")
    time.sleep(cluster.bound)
    assert cluster.holders() == set()
    assert cluster.svipctl("h2", "maintenance", "off").returncode == 0
    cluster.wait_holder("h2")
    assert cluster.svipctl("h2", "maintenance", "on").returncode == 0
    time.sleep(2)
    assert cluster.holders() == {"h2"}, "it doesn't take the address from a holder"


def test_client_reconfig_is_a_hint_that_moves_nothing(cluster):
    args = ["mymaster", "leader", "start", cluster.address("h1"), "6379", cluster.address("h2"), "6379"]
    assert cluster.svipctl("h1", "client-reconfig", *args).returncode == 0
    assert cluster.svipctl("h2", "client-reconfig", *args).returncode == 0
    time.sleep(1)
    assert cluster.observer.moves(VIP) == ["h1"]


def test_notify_scripts_run_in_order_as_the_script_user(make_cluster):
    c = make_cluster(start=False)
    told = {}
    for name in c.nodes:
        told[name] = c.hosts[name].dir / "told"
        told[name].touch()
        told[name].chmod(0o666)
        script = c.hosts[name].dir / "notify"
        script.write_text('#!/bin/sh\nprintf "%s\\n" "$* uid=$(id -u) $SVIPD_INSTANCE $SVIPD_STATE $SVIPD_REASON"'
                          f' >>"{told[name]}"\n')
        script.chmod(0o755)
        c.write_config(name, c.config(notify=f'"{script}"', script_user='"nobody"'))
    c.start()
    c.wait_holder("h1")
    wait_until(lambda: "MASTER" in told["h1"].read_text(), 10, "h1's script was told")
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    wait_until(lambda: "MASTER" in told[new].read_text(), 10, f"{new}'s script was told")
    wait_until(lambda: told["h1"].read_text().splitlines()[-1].startswith("INSTANCE mymaster BACKUP"), 10, "h1's, too")
    lines = told["h1"].read_text().splitlines()
    assert next(x for x in lines if "MASTER" in x).startswith("INSTANCE mymaster MASTER 100 uid=65534 mymaster master ")
    c.stop_svipd("h1")
    assert told["h1"].read_text().splitlines()[-1].startswith("INSTANCE mymaster STOP 100")


def capture(c, seconds):
    """Payloads of heartbeats that come by the client's port, with the senders' addresses."""
    with netns.inside(c.hosts["client"].ns):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    found, end = [], now() + seconds
    sock.settimeout(0.2)
    while now() < end:
        try:
            frame = sock.recv(4096)
        except TimeoutError:
            continue
        if frame[23] == 17 and struct.unpack("!H", frame[36:38])[0] == HEARTBEAT_PORT:
            found.append((frame[26:30], frame[42:14 + struct.unpack("!H", frame[16:18])[0]]))
    sock.close()
    return found


def udp_frame(source, target, target_mac, payload):
    """An Ethernet frame with a UDP datagram whose source address is anyone's. UDP checksum 0: not used."""
    udp = struct.pack("!HHHH", HEARTBEAT_PORT, HEARTBEAT_PORT, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 255, 17, 0, source, target)
    total = sum(struct.unpack("!10H", head))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:]
    return bytes.fromhex(target_mac.replace(":", "")) + bytes.fromhex("027700000063") + b"\x08\x00" + head + udp


def test_random_altered_and_repeated_heartbeats_do_no_harm(cluster):
    seed = int(os.environ.get("SVIP_SEED", random.randrange(1 << 30)))
    print(f"SVIP_SEED={seed}")
    rng = random.Random(seed)
    real = capture(cluster, 3)
    assert real, "heartbeats are multicast"
    with netns.inside(cluster.hosts["client"].ns):
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        out.bind(("eth0", 0))
    targets = [(socket.inet_aton(cluster.hosts[n].ip4), cluster.hosts[n].mac) for n in cluster.nodes]
    end, sent = now() + 5, 0
    while now() < end:
        source, payload = rng.choice(real)
        kind = rng.randrange(4)
        if kind == 0:
            payload = rng.randbytes(rng.choice((0, 1, 16, 100, 1200, 1400)))
        elif kind == 1:
            altered = bytearray(payload)
            for _ in range(rng.randrange(1, 4)):
                altered[rng.randrange(len(altered))] ^= 1 << rng.randrange(8)
            payload = bytes(altered)
        elif kind == 2:
            payload = payload[:rng.randrange(len(payload))] + rng.randbytes(rng.randrange(3))
        for target, mac in targets:
            out.send(udp_frame(source, target, mac, payload))
            sent += 1
        if sent % 300 == 0:
            time.sleep(0.02)
    out.close()
    assert sent > 3000
    cluster.wait_peers()
    assert cluster.observer.moves(VIP) == ["h1"]
    for name in cluster.nodes:
        assert cluster.status(name)


def test_garbage_on_the_control_socket_does_no_harm(cluster):
    path = cluster.hosts["h1"].socket
    idle = []
    pieces = [b"\n", b"\0\n", b"status\0\n", b"A" * (1 << 20), b"status " + b"x" * 5000 + b"\n", b"{}\n" * 100,
              b"\xff\xfe\n", b"status\nstatus\nstatus\n", b"statu", os.urandom(4000), os.urandom(4000) + b"\n"]
    for piece in pieces * 3:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(2)
        sock.connect(path)
        try:
            sock.sendall(piece)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65536)
        except OSError:
            pass
        sock.close()
    for _ in range(10):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.send(b"sta")
        idle.append(sock)
    assert cluster.status("h1")["instances"][0]["holding"]
    for sock in idle:
        sock.close()
    assert cluster.observer.moves(VIP) == ["h1"]


def test_more_idle_clients_than_places_do_not_disturb_the_daemon(cluster):
    socks = []
    for _ in range(40):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(1)
        socks.append(sock)
        try:
            sock.connect(cluster.hosts["h1"].socket)
        except OSError:
            break  # the queue is full
    assert len(socks) > 16
    time.sleep(2)
    assert cluster.observer.moves(VIP) == ["h1"]
    for sock in socks:
        sock.close()
    wait_until(lambda: cluster.status("h1"), 15, "it answers again")


@pytest.mark.parametrize("target", ["127.0.0.1", VIP])
def test_a_busy_redis_does_not_disturb(cluster, target):
    """A thousand connections to the Redis of the holder."""
    links = []
    with netns.inside(cluster.hosts["h1"].ns if target == "127.0.0.1" else cluster.hosts["client"].ns):
        for _ in range(1000):
            links.append(socket.create_connection((target, 6379), 2))
    time.sleep(1)
    for link in links:
        link.close()
    assert cluster.observer.moves(VIP) == ["h1"]
