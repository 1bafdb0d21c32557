# SPDX-License-Identifier: BSD-2-Clause
"""svipctl config diff: the peers' channel tells in what configurations differ, and strangers on it disturb nothing."""

import json
import os
import secrets
import socket
import threading
import time

import netns
import pytest
from cluster import HEARTBEAT_PORT, SENTINEL_PORT, Instance
from netns import wait_until

VIP, SECOND = "10.77.0.50", "10.77.0.51"


def diff(c, name, *node):
    """What svipctl -j says: (exit status, {host: its entry})."""
    done = c.svipctl(name, "-j", "config", "diff", *node)
    answer = json.loads(done.stdout)
    assert answer["ok"] and not answer["running"] and c.host_of(answer["node"]) == name
    return done.returncode, {c.host_of(n["node"]): n for n in answer["nodes"]}


def rows(entry):
    return {(d["key"], d["here"], d["there"]) for d in entry["differences"]}


def restart(c, name, text):
    c.stop_svipd(name)
    c.write_config(name, text)
    c.start_svipd(name)


@pytest.mark.parametrize("family", [4, 6])
def test_equal_configurations_are_the_same_from_every_node(make_cluster, family):
    c = make_cluster(family=family)
    for name in c.nodes:
        status, nodes = diff(c, name)
        assert status == 0 and sorted(nodes) == sorted(set(c.nodes) - {name})
        assert all(n["reachable"] and n["same"] and n["differences"] == [] and n["error"] is None for n in nodes.values())
        said = c.svipctl(name, "config", "diff")
        assert said.returncode == 0 and said.stdout.count(": same\n") == 2 and said.stderr == ""


def test_each_difference_is_told_with_key_here_and_there(make_cluster):
    c = make_cluster(start=False, instances=[Instance(), Instance("second", 6380, (SECOND,))])
    text = c.config(c.instances[:1], lease='"2s"', notify_timeout='"20s"', hold_writes='"off"',
                    sentinels=f'{{ "{c.address("h1")}:{SENTINEL_PORT}", "{c.address("h2")}:{SENTINEL_PORT}" }}')
    c.write_config("h3", text)
    c.start()
    status, nodes = diff(c, "h1")
    assert status == 1 and nodes["h2"]["same"] and not nodes["h3"]["same"]
    assert rows(nodes["h3"]) >= {
        ("lease", "1000ms", "2000ms"),
        ("notify-timeout", "30000ms", "20000ms"),
        ("hold-writes", "on", "off"),
        ("sentinels", f"{c.address('h3')}:{SENTINEL_PORT}", None),
        ('vip "second"', "there", None),
    }, rows(nodes["h3"])
    assert not [r for r in rows(nodes["h3"]) if r[0].startswith('vip "second":')], "the block says it all"
    back = rows(diff(c, "h3", c.address("h1"))[1]["h1"])
    assert back == {(key, there, here) for key, here, there in rows(nodes["h3"])}, "and from the other side"
    said = c.svipctl("h2", "config", "diff", c.address("h3"))
    assert said.returncode == 1 and said.stdout.startswith(f"{c.address('h3')}: differs in {len(rows(nodes['h3']))} places\n")
    assert "KEY" in said.stdout and "lease" in said.stdout and "2000ms" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80


def test_secrets_are_compared_by_fingerprints_and_never_shown(cluster):
    c = cluster
    old, new = c.key, secrets.token_hex(32)
    both = c.write_key(old, new, name="two-keys")
    password = c.write_key("not-to-be-seen", name="password")
    c.write_config("h3", c.config(key_file=f'"{both}"', redis_password_file=f'"{password}"'))
    assert c.svipctl("h3", "reload").returncode == 0
    status, nodes = diff(c, "h1")
    assert status == 1 and nodes["h2"]["same"]
    found = {d["key"]: d for d in nodes["h3"]["differences"]}
    assert sorted(found) == ["key 2 in key-file", "key-file", "redis-password", "redis-password-file"]
    for key in ("key 2 in key-file", "redis-password"):
        assert found[key]["here"] is None and found[key]["there"].startswith("fingerprint ")
        assert len(found[key]["there"]) == len("fingerprint ") + 16
    everything = json.dumps(nodes) + c.svipctl("h1", "config", "diff").stdout + "".join(c.hosts[n].log() for n in c.nodes)
    for secret in (old, new, "not-to-be-seen"):
        assert secret not in everything


def test_a_node_that_cannot_be_asked_is_named_with_the_cause(cluster):
    c = cluster
    c.stop_svipd("h3")
    status, nodes = diff(c, "h1")
    assert status == 2 and nodes["h2"]["same"]
    assert not nodes["h3"]["reachable"] and nodes["h3"]["same"] is None and "connection refused" in nodes["h3"]["error"]
    c.cut("h1", "h3")
    netns.run(c.hosts["h1"].ns, "ip", "neigh", "replace", c.address("h3"), "lladdr", c.hosts["h3"].mac, "dev", "eth0")
    began = time.monotonic()
    status, nodes = diff(c, "h1", c.address("h3"))
    assert status == 2 and list(nodes) == ["h3"] and nodes["h3"]["error"] == "no connection within 3 s"
    assert time.monotonic() - began < 10
    said = c.svipctl("h1", "config", "diff")
    assert said.returncode == 2
    assert f"{c.address('h2')}: same\n" in said.stdout and f"{c.address('h3')}: not compared: " in said.stdout
    for who, why in ((c.address("h1"), "this node itself"), ("10.9.9.9", "none of the nodes"), ("h2", "none of the nodes")):
        said = c.svipctl("h1", "config", "diff", who)
        assert said.returncode == 2 and why in said.stderr, said


def test_another_key_is_refused_told_and_logged(make_cluster):
    c = make_cluster(start=False)
    c.write_config("h3", c.config(key_file=f'"{c.write_key(secrets.token_hex(32), name="other-key")}"'))
    c.start()
    c.wait_holder("h1")
    for name, other in (("h1", "h3"), ("h3", "h1")):
        status, nodes = diff(c, name, c.address(other))
        assert status == 2 and "another key" in nodes[other]["error"], nodes
        assert f"node {c.address(name)} refused: wrong key" in c.hosts[other].log()
    assert diff(c, "h1", c.address("h2"))[0] == 0


def test_keys_that_are_being_changed_are_told_apart(cluster):
    """(old, new) on one node and (new, old) on the other: they talk, and see in what they differ."""
    c = cluster
    new = secrets.token_hex(32)
    for name, keys in (("h1", (c.key, new)), ("h2", (new, c.key))):
        c.write_config(name, c.config(key_file=f'"{c.write_key(*keys, name=f"keys-{name}")}"'))
        assert c.svipctl(name, "reload").returncode == 0
    for name, other in (("h1", "h2"), ("h2", "h1")):
        status, nodes = diff(c, name, c.address(other))
        found = {d["key"]: (d["here"], d["there"]) for d in nodes[other]["differences"]}
        assert status == 1 and sorted(found) == ["key 1 in key-file", "key 2 in key-file", "key-file"]
        assert found["key 1 in key-file"] == found["key 2 in key-file"][::-1]


class Flood(threading.Thread):
    """Connects to svipd's TCP port as fast as it can, and says nothing, garbage, or hangs up."""

    def __init__(self, ns, targets):
        super().__init__(daemon=True)
        self.ns, self.targets = ns, targets
        self.ended = threading.Event()
        self.connections = 0

    def run(self):
        netns.setns(self.ns)
        held = []
        while not self.ended.is_set():
            s = socket.socket()
            s.setblocking(False)
            try:
                s.connect((self.targets[self.connections % len(self.targets)], HEARTBEAT_PORT))
            except BlockingIOError:
                pass
            except OSError:
                s.close()
                time.sleep(0.001)
                continue
            self.connections += 1
            held.append(s)
            if len(held) > 100:
                for s in held[:50]:
                    try:
                        s.send(os.urandom(200))
                    except OSError:
                        pass
                    s.close()
                del held[:50]
        for s in held:
            s.close()

    def stop(self):
        self.ended.set()
        self.join(10)


def cpu_seconds(c, name):
    fields = open(f"/proc/{c.hosts[name].procs['svipd'].pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("who", ["client", "h3"], ids=["a stranger", "a node's address"])
def test_a_flood_of_connections_and_garbage_disturbs_no_heartbeat_and_no_failover(cluster, record, who):
    c = cluster
    targets = [c.address("h1"), c.address("h2")]
    flood = Flood(c.hosts[who].ns, targets)
    flood.start()
    try:
        wait_until(lambda: flood.connections > 500, 20, "the flood has begun")
        began, before = time.monotonic(), {n: cpu_seconds(c, n) for n in ("h1", "h2")}
        for _ in range(30):
            time.sleep(0.1)
            assert c.holders() == {"h1"}
        took = time.monotonic() - began
        for name in ("h1", "h2"):
            record(f"svipd's share of a core under the flood, {name}, %", 100 * (cpu_seconds(c, name) - before[name]) / took)
        for name, other in (("h1", "h2"), ("h2", "h1"), ("h1", "h3")):
            assert c.peer(name, other)["state"] == "alive"
        assert c.observer.moves(VIP) == ["h1"]
        c.sentinel_failover(via="h2")
        c.wait_settled(but=["h1"])
    finally:
        flood.stop()
    record("connections of the flood", flood.connections)
    said = c.hosts["h1"].log()
    assert said.count("peers' channel: ") < 20, "repeats are held back"
    wait_until(lambda: diff(c, "h1", c.address("h2"))[0] == 0, 10, "the channel works when the flood is over")


def test_one_that_connects_and_says_nothing_is_closed_within_a_second(cluster):
    """From a node's own address, as a program beside svipd there could."""
    c = cluster
    with netns.inside(c.hosts["h3"].ns):
        held = [socket.create_connection((c.address("h1"), HEARTBEAT_PORT), 5) for _ in range(2)]
        more = socket.create_connection((c.address("h1"), HEARTBEAT_PORT), 5)
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):
        more.recv(1)
    for s in held:
        s.settimeout(5)
        challenge = s.recv(100)
        assert len(challenge) == 48 and challenge[:5] == b"SVCH\x01"
        assert s.recv(100) == b""
    assert time.monotonic() - began < 3
    for s in [*held, more]:
        s.close()
    assert diff(c, "h3", c.address("h1"))[0] == 0


def test_what_was_recorded_cannot_be_played_again(cluster):
    """A caller's words, sent again on another connection, get no answer: the challenge is another one."""
    c = cluster
    said = []

    def listen():
        netns.setns(c.hosts["h3"].ns)
        with socket.create_server((c.address("h3"), HEARTBEAT_PORT)) as server, \
                socket.create_connection((c.address("h1"), HEARTBEAT_PORT), 5) as true:
            server.settimeout(10)
            heard, _ = server.accept()
            heard.sendall(true.recv(48, socket.MSG_WAITALL))  # h1's own challenge, relayed: keys name the called node
            said.append(heard.recv(56 + 28 + 16, socket.MSG_WAITALL))
            true.sendall(said[0])
            try:
                said.append(true.recv(1000))
            except ConnectionResetError:
                said.append(b"")
            heard.close()

    c.stop_svipd("h3")
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    wait_until(lambda: "LISTEN" in netns.run(c.hosts["h3"].ns, "ss", "-tln"), 10, "it listens")
    status, nodes = diff(c, "h2", c.address("h3"))
    thread.join(10)
    assert status == 2 and not nodes["h3"]["reachable"]
    assert len(said[0]) == 100 and said[1] == b"", "neither relayed to another node"
    with netns.inside(c.hosts["h3"].ns):
        with socket.create_connection((c.address("h2"), HEARTBEAT_PORT), 5) as s:
            s.recv(48, socket.MSG_WAITALL)
            s.sendall(said[0])
            try:
                assert s.recv(1000) == b"", "nor reflected to who said it"
            except ConnectionResetError:
                pass


def test_the_channel_does_without_its_port(make_cluster):
    """Something else listens there: svipd says so, and goes on."""
    c = make_cluster(start=False)
    with netns.inside(c.hosts["h3"].ns):
        other = socket.create_server((c.address("h3"), HEARTBEAT_PORT))
    c.start()
    c.wait_holder("h1")
    c.wait_peers()
    assert "TCP port 8386" in c.hosts["h3"].log() and "Address already in use" in c.hosts["h3"].log()
    assert diff(c, "h3")[0] == 0, "it can still ask"
    other.close()
    wait_until(lambda: diff(c, "h1")[0] == 0, 20, "the port is tried again", every=0.5)
