# SPDX-License-Identifier: BSD-2-Clause
"""Another list of Sentinels or nodes, another lease or guard, while everything runs: both are in force for a while, and never two hold.

SVIP_CHANGES: how many are disturbed by kill -9 (6).
"""

import json
import os
import random
import signal
import time

import pytest
from cluster import SENTINEL_PORT
from netns import wait_until

VIP = "10.77.0.50"
CHANGES = int(os.environ.get("SVIP_CHANGES", "6"))


def quoted(items):
    return "{ " + ", ".join(f'"{i}"' for i in items) + " }"


def sentinels(c, *names):
    return quoted(f"{c.address(n)}:{SENTINEL_PORT}" for n in names)


def nodes(c, *names):
    return quoted(c.address(n) for n in names)


def apply(c, name, text, *args):
    """(exit status, the whole answer)."""
    path = c.dir / "new.conf"
    path.write_text(text)
    done = c.svipctl(name, "-j", "config", "apply", str(path), *args, timeout=60)
    return done.returncode, json.loads(done.stdout)


def reports(c, answer):
    return {c.host_of(n["node"]): n["report"] for n in answer["nodes"]}


def in_force(c, names, serial=None):
    """Each has one configuration, the same."""
    all_ = [c.status(n) for n in names]
    if not all(s and s["change"] is None for s in all_):
        return False
    return all(s["serial"] == all_[0]["serial"] for s in all_) and serial in (None, all_[0]["serial"])


def wait_in_force(c, names, serial=None, timeout=30):
    wait_until(lambda: in_force(c, names, serial), timeout,
               lambda: "\n".join(f"{n}: {c.status(n)}\n{c.hosts[n].log()[-2500:]}" for n in names))
    assert not any((c.hosts[n].dir / "svipd.conf.before").exists() for n in names)


@pytest.fixture
def five(make_cluster):
    """Five hosts with Redis, Sentinel and svipd; svipd asks the first three Sentinels."""
    c = make_cluster(hosts=5, start=False)
    c.sentinels_first = sentinels(c, "h1", "h2", "h3")
    for name in c.nodes:
        c.write_config(name, c.config(sentinels=c.sentinels_first))
    c.start()
    c.wait_holder("h1")
    c.wait_peers()
    return c


def test_a_holder_goes_from_one_list_of_sentinels_to_another(five):
    c = five
    status, answer = apply(c, "h2", c.config(sentinels=sentinels(c, "h3", "h4", "h5")))
    assert status == 0, json.dumps(answer)
    wait_in_force(c, c.nodes, 1)
    assert c.observer.moves(VIP) == ["h1"], "it was never let go"
    assert {s["address"] for s in c.status("h1")["sentinels"]} == {f"{c.address(n)}:{SENTINEL_PORT}" for n in ("h3", "h4", "h5")}
    # The old ones are not needed any more: without two of them the holder holds, and a failover by the others is followed.
    for name in ("h1", "h2"):
        c.end(name, "sentinel")
    time.sleep(2 * c.lease)
    assert c.observer.moves(VIP) == ["h1"]
    c.kill_redis("h1")
    master = c.wait_named("h1")
    c.wait_holder(master)
    status, answer = apply(c, "h4", c.config(sentinels=c.sentinels_first))
    assert status == 0, json.dumps(answer)
    # Only one of the first three runs: with a majority of both lists needed nobody can hold.
    wait_until(lambda: not c.holders(), 10, c.describe)
    for name in ("h1", "h2"):
        c.start_sentinel(name)
    wait_in_force(c, c.nodes, 2)
    c.wait_holder(master)


def test_lease_and_guard_grow_and_shrink(five):
    c = five
    for serial, (lease, guard) in enumerate([("3s", "60ms"), ("3s", "500ms"), ("1s", "60ms")], 1):
        status, answer = apply(c, "h1", c.config(sentinels=c.sentinels_first, lease=f'"{lease}"', guard=f'"{guard}"'))
        assert status == 0, json.dumps(answer)
        status, answer = apply(c, "h2", c.config(sentinels=c.sentinels_first, lease='"2s"'))
        assert status == 1 and any("not over yet" in r for r in reports(c, answer).values()), answer
        wait_in_force(c, c.nodes, serial)
        assert all(p["lease_ms"] == int(lease[0]) * 1000 and p["config"] == "same" for n in c.nodes for p in c.status(n)["peers"])
    assert c.observer.moves(VIP) == ["h1"]
    status, answer = apply(c, "h1", c.config(sentinels=c.sentinels_first, lease='"2s"').replace(VIP, "10.77.0.51"))
    assert status == 1 and all("together with its virtual addresses" in r for r in reports(c, answer).values()), answer


def test_nodes_come_and_go(make_cluster):
    c = make_cluster(hosts=4, start=False)
    three = c.nodes[:3]
    for name in c.nodes:
        c.write_config(name, c.config(nodes=nodes(c, *three)))
    c.start(svipd=False)
    for name in three:
        c.start_svipd(name)
    c.wait_holder("h1")
    status, answer = apply(c, "h1", c.config())
    assert status == 1 and all(f"--absent-ok {c.address('h4')}" in r for r in reports(c, answer).values()), answer
    status, answer = apply(c, "h1", c.config(), "--absent-ok", "10.77.0.99", "--absent-ok", c.address("h4"))
    assert status == 1 and all("10.77.0.99: there is no such node" in r for r in reports(c, answer).values()), answer
    status, answer = apply(c, "h1", c.config(), "--absent-ok", c.address("h4"))
    assert status == 0, json.dumps(answer)
    wait_in_force(c, three, 1)
    (c.hosts["h4"].dir / "svipd.conf").write_bytes((c.hosts["h1"].dir / "svipd.conf").read_bytes())
    c.start_svipd("h4")
    c.wait_peers()
    assert c.observer.moves(VIP) == ["h1"]

    status, answer = apply(c, "h2", c.config(nodes=nodes(c, "h2", "h3", "h4")))
    said = reports(c, answer)
    assert status == 1 and "svipctl handover mymaster" in said["h1"] and not any("hand" in said[n] for n in ("h2", "h3", "h4")), answer
    c.sentinel_failover()
    master = c.wait_named("h1")
    c.wait_holder(master)
    status, answer = apply(c, "h1", c.config(nodes=nodes(c, "h2", "h3", "h4")))
    assert status == 0, json.dumps(answer)
    wait_in_force(c, ["h2", "h3", "h4"], 2)
    assert c.status("h1")["change"]["removed"]
    assert "is without this node" in c.svipctl("h1", "status").stdout.replace("\n", " ")
    c.end("h1", "svipd", signal.SIGTERM)
    said = c.svipctl("h2", "peers").stdout
    assert c.address("h1") not in said and c.address("h4") in said, said
    assert c.observer.moves(VIP) == ["h1", master]
    # It doesn't come back by itself.
    c.start_svipd("h1", wait=False)
    wait_until(lambda: c.hosts["h1"].procs["svipd"].poll() is not None, 10, lambda: c.hosts["h1"].log()[-500:])
    assert "nodes: none of them is an address of this host" in c.hosts["h1"].log()
    del c.hosts["h1"].procs["svipd"]


def test_who_is_killed_meanwhile_goes_on_where_it_was(five):
    c = five
    lists = [c.sentinels_first, sentinels(c, "h2", "h3", "h4"), sentinels(c, "h1", "h4", "h5")]
    rng = random.Random(7)
    for i in range(CHANGES):
        text = c.config(sentinels=lists[(i + 1) % 3])
        status, answer = apply(c, rng.choice(["h2", "h4"]), text)
        assert status == 0, json.dumps(answer)
        victim = rng.choice(c.nodes)
        time.sleep(rng.random() * 1.5)
        c.signal(victim, signal.SIGKILL)
        c.hosts[victim].procs["svipd"].wait(5)
        if rng.random() < 0.5:
            time.sleep(rng.random())
        c.start_svipd(victim)
        wait_in_force(c, c.nodes)
        c.wait_holder("h1")
        c.wait_peers()


def test_a_successor_takes_a_hold_over_in_the_middle_of_a_change(five):
    c = five
    c.signal("h5", signal.SIGSTOP)  # it must be waited for
    time.sleep(0.2)
    status, answer = apply(c, "h1", c.config(sentinels=sentinels(c, "h3", "h4", "h5")))
    assert status == 1, "it doesn't answer"
    c.signal("h5", signal.SIGCONT)
    c.wait_holder("h1")
    c.wait_peers()
    status, answer = apply(c, "h1", c.config(sentinels=sentinels(c, "h3", "h4", "h5")))
    assert status == 0, json.dumps(answer)
    c.signal("h5", signal.SIGSTOP)
    c.signal("h1", signal.SIGKILL)
    c.hosts["h1"].procs["svipd"].wait(5)
    c.start_svipd("h1")
    assert c.status("h1")["change"]["serial"] == 1
    c.wait_holder("h1")
    # What was told to the others isn't changed by an editor.
    path = c.hosts["h4"].dir / "svipd.conf"
    text = path.read_text()
    path.write_text(text.replace(f"{c.address('h5')}:{SENTINEL_PORT}", f"{c.address('h1')}:{SENTINEL_PORT}"))
    c.end("h4", "svipd", signal.SIGTERM)
    c.start_svipd("h4", wait=False)
    wait_until(lambda: c.hosts["h4"].procs["svipd"].poll() is not None, 10, lambda: c.hosts["h4"].log()[-500:])
    assert "a change was under way" in c.hosts["h4"].log() and "edited since" in c.hosts["h4"].log()
    path.write_text(text)
    c.start_svipd("h4")
    c.signal("h5", signal.SIGCONT)
    wait_in_force(c, c.nodes, 1)
    assert c.observer.moves(VIP) == ["h1"]


def test_a_file_that_was_pushed_to_some_nodes_is_seen_and_is_safe(five):
    """As configuration management does it: the file first, then a reload everywhere, and on the way it breaks."""
    c = five
    new = c.config(sentinels=sentinels(c, "h3", "h4", "h5"))
    for name in ("h1", "h2"):
        c.write_config(name, new)
        said = c.svipctl(name, "reload")
        assert said.returncode == 1 and "svipctl config apply" in said.stderr, said.stderr
    assert c.observer.moves(VIP) == ["h1"] and all(p["config"] == "same" for p in c.status("h3")["peers"])
    # What may differ for a while is taken over, and shown.
    c.write_config("h2", c.config(sentinels=c.sentinels_first, notify_timeout='"7s"'))
    assert c.svipctl("h2", "reload").returncode == 0
    wait_until(lambda: c.peer("h3", "h2")["config"] == "differs", 5, lambda: str(c.status("h3")))
    # A restart with another list: nobody takes anything, and everybody can see why.
    c.write_config("h2", new)
    c.end("h2", "svipd", signal.SIGTERM)
    c.start_svipd("h2")
    wait_until(lambda: c.peer("h3", "h2")["config"] == "unsafe", 5, lambda: str(c.status("h3")))
    assert c.instance("h1")["state"] == "master" and c.observer.moves(VIP) == ["h1"]
    said = c.svipctl("h3", "config", "diff", timeout=20)
    assert said.returncode == 1 and c.address("h2") in said.stdout and "sentinels" in said.stdout, said.stdout
    c.sentinel_failover()
    master = c.wait_named("h1")
    wait_until(lambda: not c.holders(), 10, c.describe)
    assert c.instance(master)["reason"] == "config-mismatch", c.instance(master)
    time.sleep(2 * c.lease)
    assert not c.holders()
    # The rest of the roll-out, or its way back, ends it.
    for name in ("h1", "h2"):
        c.write_config(name, c.config(sentinels=c.sentinels_first))
    c.end("h2", "svipd", signal.SIGTERM)
    c.start_svipd("h2")
    c.wait_holder(master)
