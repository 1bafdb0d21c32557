# SPDX-License-Identifier: BSD-2-Clause
"""svipctl config apply: one file for all nodes, taken over by all or by none, whatever happens meanwhile.

SVIP_APPLIES: how many are broken off by kill -9 (8).
"""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from cluster import Instance, program
from netns import wait_until

VIP, SECOND = "10.77.0.50", "10.77.0.51"
TWO = [Instance(), Instance("second", 6380, (SECOND,))]
APPLIES = int(os.environ.get("SVIP_APPLIES", "8"))


@pytest.fixture
def c(make_cluster):
    """Two masters run; svipd knows only the first."""
    c = make_cluster(start=False, instances=TWO)
    for name in c.nodes:
        c.write_config(name, c.config(TWO[:1]))
    c.start()
    c.wait_holder("h1")
    c.wait_peers()
    return c


def write(c, text, name="new.conf"):
    path = c.dir / name
    path.write_text(text)
    return str(path)


def apply(c, name, path, *args):
    """(exit status, {host: its entry}, the whole answer)."""
    done = c.svipctl(name, "-j", "config", "apply", path, *args, timeout=60)
    answer = json.loads(done.stdout)
    return done.returncode, {c.host_of(n["node"]): n for n in answer.get("nodes", [])}, answer


def verdicts(nodes):
    return {name: n["verdict"] for name, n in nodes.items()}


def body(c, name):
    """What is in a host's file, without the first line of a version."""
    text = (c.hosts[name].dir / "svipd.conf").read_text()
    return text.split("\n", 1)[1] if text.startswith("# svipd: configuration ") else text


def knows(c, name):
    status = c.status(name)
    return status and [i["name"] for i in status["instances"]]


def all_have(c, text, instances):
    return all(body(c, n) == text and knows(c, n) == instances and not (c.hosts[n].dir / "svipd.conf.new").exists()
               for n in c.nodes)


def describe(c):
    return lambda: "\n".join(f"{n}: {knows(c, n)} {(c.hosts[n].dir / 'svipd.conf').read_text()[:200]!r}\n"
                             f"{c.hosts[n].log()[-1500:]}" for n in c.nodes)


def test_a_file_is_taken_over_by_all_and_back_again(c):
    old, new = c.config(TWO[:1]), c.config(TWO)
    said = c.svipctl("h2", "config", "apply", write(c, new), timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.splitlines()[-1] == "configuration 1 is in force" and said.stdout.count("done") == 3
    assert all_have(c, new, ["mymaster", "second"]), describe(c)()
    files = {(c.hosts[n].dir / "svipd.conf").read_text() for n in c.nodes}
    assert len(files) == 1 and files.pop().startswith("# svipd: configuration 1 ")
    c.wait_holder("h1", instance=TWO[1])
    c.wait_peers()
    assert all(p["config"] == "same" for p in c.status("h3")["peers"])
    said = c.svipctl("h3", "config", "rollback", timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "configuration 2 is in force" in said.stdout
    assert all_have(c, old, ["mymaster"]), describe(c)()
    assert c.observer.moves(VIP) == ["h1"], "the one that stays was not touched"


def test_what_one_node_refuses_changes_nothing_anywhere(c):
    old = c.config(TWO[:1])
    before = {n: (c.hosts[n].dir / "svipd.conf").stat().st_ino for n in c.nodes}

    def refused(path, *who):
        status, nodes, answer = apply(c, "h1", path)
        assert status == 1 and answer["error"] == "config-refused", answer
        assert {n for n, v in verdicts(nodes).items() if v == "refuses"} == set(who), answer
        assert all_have(c, old, ["mymaster"]), describe(c)()
        assert {n: (c.hosts[n].dir / "svipd.conf").stat().st_ino for n in c.nodes} == before
        return nodes

    nodes = refused(write(c, old + "colour = \"red\"\n"), "h1", "h2", "h3")
    line = len(old.splitlines()) + 1
    assert all(f"svipd.conf:{line + 1}: colour: " in n["report"] for n in nodes.values()), nodes  # behind the version's line
    said = c.svipctl("h1", "config", "apply", write(c, old + "colour = \"red\"\n"), timeout=60)
    assert said.returncode == 1 and f"{c.address('h2')}: line {line}: colour: unknown key" in said.stdout, said.stdout
    assert "nothing has been changed on any node" in said.stderr
    assert "restart" in refused(write(c, c.config(TWO[:1], heartbeat='"80ms"')), "h1", "h2", "h3")["h2"]["report"]
    assert "script-user" in refused(write(c, c.config(TWO[:1], script_user='"daemon"')), "h1", "h2", "h3")["h2"]["report"]
    (c.hosts["h3"].dir / "svipd.conf.new").mkdir()
    nodes = json.loads(c.svipctl("h2", "-j", "config", "apply", write(c, c.config(TWO)), timeout=60).stdout)["nodes"]
    assert [n["verdict"] for n in nodes if c.host_of(n["node"]) == "h3"] == ["refuses"]
    assert "svipd.conf.new" in nodes[2]["report"]
    (c.hosts["h3"].dir / "svipd.conf.new").rmdir()
    assert all_have(c, old, ["mymaster"])


def test_a_full_disk_is_told_before_anything_changes(c):
    path = c.hosts["h2"].dir / "svipd.conf"
    folder = c.hosts["h2"].dir / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "none", str(folder)], check=True)
    try:
        (folder / "svipd.conf").write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(folder / "svipd.conf")
        big = c.config(TWO) + "# and so on\n" * 2000
        status, nodes, _ = apply(c, "h1", write(c, big))
        assert status == 1 and verdicts(nodes) == {"h1": "agrees", "h2": "refuses", "h3": "agrees"}
        assert "No space left on device" in nodes["h2"]["report"]
        assert all_have(c, c.config(TWO[:1]), ["mymaster"]), describe(c)()
        status, nodes, _ = apply(c, "h1", write(c, c.config(TWO)))
        assert status == 0 and path.is_symlink() and body(c, "h2") == c.config(TWO)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_who_is_missing_needs_leave_and_catches_up(c):
    new = c.config(TWO)
    c.stop_svipd("h3")
    wait_until(lambda: any(p["state"] != "alive" for p in c.status("h1")["peers"]), 10, "h3 is missed")
    status, nodes, answer = apply(c, "h1", write(c, new))
    assert status == 1 and nodes["h3"]["verdict"] == "unreachable", answer
    assert verdicts(nodes)["h1"] == "not-asked"
    status, nodes, _ = apply(c, "h1", write(c, new), "--absent-ok", c.address("h3"))
    assert status == 0 and verdicts(nodes) == {"h1": "done", "h2": "done", "h3": "absent"}
    c.start_svipd("h3")
    wait_until(lambda: all_have(c, new, ["mymaster", "second"]), 20, describe(c))
    assert "is taken over from a peer" in c.hosts["h3"].log()


def test_what_was_edited_on_a_missing_node_is_not_lost(c):
    c.stop_svipd("h3")
    edited = c.config(TWO[:1], notify_timeout='"20s"')
    c.write_config("h3", edited)
    wait_until(lambda: any(p["state"] != "alive" for p in c.status("h1")["peers"]), 10, "h3 is missed")
    assert apply(c, "h1", write(c, c.config(TWO)), "--absent-ok", c.address("h3"))[0] == 0
    c.start_svipd("h3")
    wait_until(lambda: "edited here" in c.hosts["h3"].log(), 20, describe(c))
    assert body(c, "h3") == edited
    wait_until(lambda: all(p["state"] == "alive" for n in c.nodes for p in c.status(n)["peers"]), 10, "all hear each other")
    assert apply(c, "h3", write(c, c.config(TWO)))[0] == 0
    assert all_have(c, c.config(TWO), ["mymaster", "second"]), describe(c)()


def test_of_two_at_once_one_wins(c):
    texts = {n: c.config(TWO, notify_timeout=f'"{k}s"') for k, n in enumerate(c.nodes, 11)}
    for _ in range(5):
        done = {}

        def run(n):
            done[n] = c.svipctl(n, "-j", "config", "apply", write(c, texts[n], f"{n}.conf"), timeout=60)

        threads = [threading.Thread(target=run, args=(n,)) for n in c.nodes]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        won = [n for n in c.nodes if done[n].returncode == 0]
        assert won, {n: d.stdout for n, d in done.items()}
        assert len({body(c, n) for n in c.nodes}) == 1 and body(c, "h1") in [texts[n] for n in won]
        for n in set(c.nodes) - set(won):
            assert "another change" in done[n].stdout, done[n].stdout


def test_a_kill_at_any_time_leaves_all_old_or_all_new(c):
    seed = int(os.environ.get("SVIP_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    texts, names, now = [c.config(TWO[:1]), c.config(TWO)], [["mymaster"], ["mymaster", "second"]], 0
    ends = []
    for k in range(APPLIES):
        asked, victim = chance.choice(c.nodes), chance.choice(c.nodes)
        client = subprocess.Popen([program("svipctl"), "-s", c.hosts[asked].socket, "config", "apply", write(c, texts[1 - now])],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.random() * 0.06)
        c.end(victim, "svipd", signal.SIGKILL)
        client.wait(60)
        time.sleep(chance.random() * 2)
        c.start_svipd(victim)
        # What is staged and not heard of again is dropped after 30 s; no need to wait: the next one says so, or what is new has been fetched.
        wait_until(lambda: any(all_have(c, texts[i], names[i]) for i in range(2)), 45, lambda: f"seed {seed}, {k}\n{describe(c)()}")
        ends.append(body(c, "h1") == texts[1 - now])
        now = int(body(c, "h1") == texts[1])
        c.wait_peers()
    assert c.observer.moves(VIP)[:1] == ["h1"]
