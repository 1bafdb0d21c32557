# SPDX-License-Identifier: BSD-2-Clause
"""svipctl key rotate: another key on all nodes while everything runs, broken off anywhere and gone on with.

SVIP_ROTATIONS: how many are broken off by kill -9 (6).
"""

import json
import os
import random
import shutil
import signal
import threading
import time

import pytest
from netns import wait_until

VIP = "10.77.0.50"
ROTATIONS = int(os.environ.get("SVIP_ROTATIONS", "6"))


@pytest.fixture
def c(make_cluster):
    """Each host has a key file of its own."""
    c = make_cluster(start=False)
    for name in c.nodes:
        path = c.hosts[name].dir / "key"
        path.write_bytes((c.dir / "key").read_bytes())
        path.chmod(0o640)
        shutil.chown(path, "nobody", "nogroup")
        c.write_config(name, c.config(key_file=f'"{path}"'))
    c.start()
    c.wait_holder("h1")
    wait_heard(c)
    return c


def wait_heard(c):
    wait_until(lambda: all(s and len(s["peers"]) == 2 and all(p["two_way"] for p in s["peers"]) for s in map(c.status, c.nodes)), 15,
               c.describe)


def keys(c, name):
    """[(key, its comment)]."""
    lines = (c.hosts[name].dir / "key").read_text().split("\n")
    return [tuple(part.strip() for part in f"{line} #".split("#")[:2]) for line in lines if line.strip()]


def rotate(c, name):
    done = c.svipctl(name, "-j", "key", "rotate", timeout=60)
    return done.returncode, json.loads(done.stdout)


def test_a_key_is_changed_and_nobody_notices(c):
    old = keys(c, "h1")
    mode = (c.hosts["h2"].dir / "key").stat()
    said = c.svipctl("h2", "key", "rotate", timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "key 1 is the only one" in said.stdout
    assert old[0][0] not in said.stdout
    new = keys(c, "h1")
    assert len(new) == 1 and new[0][0] != old[0][0] and new[0][1] == "key 1" and len(new[0][0]) == 64
    assert all(keys(c, n) == new for n in c.nodes)
    after = (c.hosts["h2"].dir / "key").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (mode.st_mode, mode.st_uid, mode.st_gid)
    status, answer = rotate(c, "h3")
    assert status == 0 and "key 2 is the only one" in answer["message"], answer
    assert all(p["two_way"] for n in c.nodes for p in c.status(n)["peers"]), "at no moment was one not understood"
    assert c.observer.moves(VIP) == ["h1"]
    # The files are what is in force, also for a reload and for a new process.
    assert c.svipctl("h2", "reload").returncode == 0
    c.signal("h1", signal.SIGKILL)
    c.hosts["h1"].procs["svipd"].wait(5)
    c.start_svipd("h1")
    wait_heard(c)
    assert c.observer.moves(VIP) == ["h1"], "the hold was taken over"
    for name in c.nodes:
        assert not any(k in c.hosts[name].log() for k, _ in old + keys(c, name)), "no key in a log"
        assert not (c.hosts[name].dir / "key.new").exists()


def test_who_is_missing_stands_against_it(c):
    old = {n: keys(c, n) for n in c.nodes}
    c.end("h3", "svipd", signal.SIGTERM)
    wait_until(lambda: c.peer("h1", "h3")["state"] == "silent", 10, c.describe)
    status, answer = rotate(c, "h1")
    assert status == 1 and answer["error"] == "key-refused" and c.address("h3") in answer["message"], answer
    c.start_svipd("h3")
    wait_heard(c)
    c.signal("h2", signal.SIGSTOP)
    status, answer = rotate(c, "h1")
    assert status == 1 and c.address("h2") in answer["message"], answer
    c.signal("h2", signal.SIGCONT)
    assert {n: keys(c, n) for n in c.nodes} == old
    (c.hosts["h2"].dir / "key.new").mkdir()
    wait_heard(c)
    status, answer = rotate(c, "h1")
    assert status == 1 and "key.new" in answer["message"] and "goes on" in answer["message"], answer
    assert len(keys(c, "h1")) == 2 and keys(c, "h2") == old["h2"]
    wait_heard(c)
    (c.hosts["h2"].dir / "key.new").rmdir()
    # Another node hasn't the new key: it says where to go.
    status, answer = rotate(c, "h2")
    assert status == 1 and "say it there" in answer["message"], answer
    status, answer = rotate(c, "h1")
    assert status == 0 and any("goes on" in s["text"] for s in answer["steps"]), answer
    assert len({str(keys(c, n)) for n in c.nodes}) == 1 and keys(c, "h1")[0][1] == "key 1"
    assert c.observer.moves(VIP) == ["h1"]


def test_keys_that_were_put_there_by_hand_are_left_alone(c):
    old = keys(c, "h1")[0][0]
    for name in c.nodes:
        (c.hosts[name].dir / "key").write_text(old + "\n" + "ab" * 32 + "\n")
        assert c.svipctl(name, "reload").returncode == 0
    status, answer = rotate(c, "h1")
    assert status == 1 and "by hand" in answer["message"], answer
    assert [k for k, _ in keys(c, "h2")] == [old, "ab" * 32]


def test_broken_off_anywhere_it_goes_on(c):
    """kill -9 of any node at any moment of it; the same command ends it."""
    rng = random.Random(11)
    for i in range(ROTATIONS):
        asked, victim = rng.choice(c.nodes), rng.choice(c.nodes)
        running = threading.Thread(target=lambda: c.svipctl(asked, "key", "rotate", timeout=60))
        running.start()
        time.sleep(rng.random() * 0.25)
        c.signal(victim, signal.SIGKILL)
        c.hosts[victim].procs["svipd"].wait(5)
        running.join()
        c.start_svipd(victim)
        wait_heard(c)
        with_new = [n for n in c.nodes if len(keys(c, n)) == 2 or keys(c, n)[0][1] == f"key {i + 1}"]
        if not with_new or len(keys(c, with_new[0])) == 2 or len({str(keys(c, n)) for n in c.nodes}) > 1:
            both = [n for n in c.nodes if len(keys(c, n)) == 2] or c.nodes
            status, answer = rotate(c, both[0])
            assert status == 0, answer
        assert len({str(keys(c, n)) for n in c.nodes}) == 1, {n: keys(c, n) for n in c.nodes}
        assert len(keys(c, "h1")) == 1 and keys(c, "h1")[0][1] == f"key {i + 1}", keys(c, "h1")
        c.wait_holder("h1")
