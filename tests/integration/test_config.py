# SPDX-License-Identifier: BSD-2-Clause
"""Configuration: reload, differences between nodes, keys, and -t."""

import re
import secrets
import signal
import subprocess
import time

import netns
import pytest
from cluster import Instance, program
from netns import wait_until

VIP, SECOND = "10.77.0.50", "10.77.0.51"
TWO = [Instance(), Instance("second", 6380, (SECOND,))]


def reload(c, name, how):
    """Reloads by signal or by svipctl."""
    if how == "HUP":
        c.signal(name, signal.SIGHUP)
    else:
        done = c.svipctl(name, "reload")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def one_of_two(make_cluster):
    """Two masters run and are monitored, but svipd knows only the first."""
    c = make_cluster(start=False, instances=TWO)
    for name in c.nodes:
        c.write_config(name, c.config(TWO[:1]))
    c.start()
    c.wait_holder("h1")
    c.wait_peers()
    return c


@pytest.mark.parametrize("how", ["HUP", "reload"])
def test_a_reload_adds_and_removes_an_instance_beside_one_that_stays(one_of_two, how):
    c = one_of_two
    for name in c.nodes:
        c.write_config(name, c.config(TWO))
        reload(c, name, how)
    c.wait_holder("h1", instance=TWO[1])
    c.wait_peers()
    assert [i["name"] for i in c.status("h1")["instances"]] == ["mymaster", "second"]
    for name in c.nodes:
        c.write_config(name, c.config(TWO[:1]))
        reload(c, name, how)
    c.wait_holder(None, instance=TWO[1])
    c.wait_peers()
    assert [i["name"] for i in c.status("h1")["instances"]] == ["mymaster"]
    assert c.observer.moves(VIP) == ["h1"], "the one that stays was not touched"
    assert c.observer.moves(SECOND) == ["h1"]


def test_a_reload_without_a_change_changes_nothing(cluster):
    for name in cluster.nodes:
        reload(cluster, name, "reload")
        reload(cluster, name, "HUP")
    time.sleep(1)
    cluster.wait_peers()
    assert cluster.observer.moves(VIP) == ["h1"]


BROKEN = [
    ("lease = 1s", 'lease = "soon"', "lease"),
    ("unknown key", 'colour = "red"', "colour"),
    ("open brace", 'vip "x" {', None),
    ("no value", "poll =", None),
]


@pytest.mark.parametrize("what, line, word", BROKEN, ids=[b[0] for b in BROKEN])
def test_a_reload_of_a_broken_file_changes_nothing_and_names_the_line(cluster, what, line, word):
    text = cluster.config() + line + "\n"
    path = cluster.write_config("h1", text)
    done = cluster.svipctl("h1", "reload")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    at = re.search(r"svipd\.conf:(\d+):", said)
    assert at, said
    assert word is None or (word in said and int(at[1]) == text.count("\n")), said
    cluster.signal("h1", signal.SIGHUP)
    time.sleep(1)
    assert cluster.running("h1")
    assert cluster.instance("h1")["holding"]
    assert cluster.observer.moves(VIP) == ["h1"]
    checked = netns.run(cluster.hosts["h1"].ns, "sh", "-c", f'"{program("svipd")}" -t -f "{path}" 2>&1; echo "status $?"')
    assert "status 1" in checked and "svipd.conf:" in checked


def test_a_node_with_a_wrong_key_is_unknown_and_delays_but_does_not_prevent(make_cluster):
    c = make_cluster(start=False)
    other = c.write_key(secrets.token_hex(32), name="other-key")
    c.write_config("h3", c.config(key_file=f'"{other}"'))
    c.start()
    c.wait_holder("h1")
    wait_until(lambda: c.peer("h1", "h3")["state"] == "unknown", 15, lambda: f"h3 is unknown: {c.status('h1')['peers']}")
    wait_until(lambda: c.peer("h1", "h2")["state"] == "alive", 15, "h2 is alive")
    wait_until(lambda: c.peer("h3", "h1")["state"] == "unknown", 15, "h1 is unknown to h3")
    c.sentinel_failover(via="h2")
    c.wait_settled(but=["h1"])


def test_keys_can_be_changed_without_a_gap(cluster):
    """Two keys are accepted: the new one comes second, then first, then alone."""
    old, new = cluster.key, secrets.token_hex(32)
    for keys in ((old, new), (new, old), (new,)):
        cluster.write_key(*keys)
        for name in cluster.nodes:
            reload(cluster, name, "reload")
        time.sleep(1.2)
        cluster.wait_peers()
    assert cluster.observer.moves(VIP) == ["h1"]


@pytest.mark.parametrize("what", ["lease", "sentinels", "address"])
def test_an_unsafe_difference_forbids_taking_and_is_shown(cluster, what):
    c = cluster
    settings, instances = {}, None
    if what == "lease":
        settings = {"lease": '"2s"'}
    elif what == "sentinels":
        settings = {"sentinels": '{ "10.77.0.11:26379", "10.77.0.12:26379" }'}
    else:
        instances = [Instance(vips=(VIP, SECOND))]
    c.stop_svipd("h3")
    c.write_config("h3", c.config(instances, **settings))
    c.start_svipd("h3")
    wait_until(lambda: c.peer("h1", "h3")["config"] == "unsafe", 10, lambda: f"unsafe: {c.status('h1')['peers']}")
    wait_until(lambda: c.peer("h3", "h1")["config"] == "unsafe", 10, "h3 says so, too")
    assert c.observer.moves(VIP) == ["h1"], "the holder goes on"
    c.sentinel_failover(via="h2")
    new = c.wait_named("h1")
    c.wait_holder(None)
    wait_until(lambda: c.instance(new)["reason"] == "config-mismatch", 10, lambda: f"{new} says why\n{c.describe()}")
    time.sleep(c.bound)
    assert c.holders() == set()
    c.stop_svipd("h3")
    c.write_config("h3")
    c.start_svipd("h3")
    c.wait_settled(but=["h1"])


def test_a_harmless_difference_is_shown_and_forbids_nothing(cluster):
    c = cluster
    c.write_config("h3", c.config(notify_timeout='"20s"'))
    reload(c, "h3", "reload")
    wait_until(lambda: c.peer("h1", "h3")["config"] == "differs", 10, lambda: f"differs: {c.status('h1')['peers']}")
    c.sentinel_failover(via="h2")
    c.wait_settled(but=["h1"])


def check(c, name, text=None, mode=None):
    """svipd -t inside the host: (exit status, what it says)."""
    path = c.write_config(name, text)
    if mode is not None:
        (c.dir / "key").chmod(mode)
    out = netns.run(c.hosts[name].ns, "sh", "-c", f'"{program("svipd")}" -t -f "{path}" 2>&1; echo "status $?"')
    return int(out.rsplit("status ", 1)[1]), out


def test_t_tells_good_from_bad(make_cluster):
    c = make_cluster(start=False, probe=False)
    good = c.config()
    assert check(c, "h1") == (0, check(c, "h1")[1])
    assert check(c, "h1", good, 0o644)[0] == 1, "a key that others can read"
    (c.dir / "key").chmod(0o600)
    bad = {
        "nonsense": "lease",
        good.replace('lease = "1000ms"', 'lease = "1"'): "lease",
        good.replace('lease = "1000ms"', 'lease = "1000ms"\nlese = "2s"'): "lese",
        good.replace('"10.77.0.50"', '"10.77.0.500"'): "10.77.0.500",
        good.replace('interface = "eth0"', ''): "interface",
        good.replace('key-file', '#key-file'): "key-file",
        re.sub(r"sentinels = .*", "", good): "sentinels",
        good + 'vip "other" {\n\tinterface = "eth0"\n\taddress = { "10.77.0.50" }\n}\n': "10.77.0.50",
        good + 'vip "other" {\n\tinterface = "eth0"\n\taddress = { "10.77.0.11" }\n}\n': "10.77.0.11",
    }
    for text, word in bad.items():
        status, said = check(c, "h1", text)
        assert status == 1, text
        assert re.search(r"svipd\.conf:\d+: ", said), said
        assert word in said or text == "nonsense", said
    missing = subprocess.run([program("svipd"), "-t", "-f", "/nonexistent/svipd.conf"], capture_output=True, text=True)
    assert missing.returncode == 1 and "/nonexistent/svipd.conf" in missing.stdout + missing.stderr


def test_bad_usage_ends_with_2():
    for args in (["--nonsense"], ["-l", "loud"], ["surplus"]):
        assert subprocess.run([program("svipd"), *args], capture_output=True, timeout=10).returncode == 2, args
    for args in (["-V"], ["-h"]):
        assert subprocess.run([program("svipd"), *args], capture_output=True, timeout=10).returncode == 0, args


def test_a_second_daemon_with_the_same_paths_refuses_to_start(cluster):
    host = cluster.hosts["h1"]
    argv = [program("svipd"), "-n", "-f", str(host.dir / "svipd.conf"), "-s", host.socket, "-p", str(host.dir / "svipd.pid")]
    second = netns.spawn(host.ns, argv, host.dir / "second.log")
    try:
        assert second.wait(10) != 0
    finally:
        netns.end_process(second)
    assert cluster.svipctl("h1", "version").returncode == 0, "the socket is still the first one's"
    time.sleep(0.5)
    assert cluster.observer.moves(VIP) == ["h1"]


def test_privileges_are_dropped(cluster):
    pid = cluster.hosts["h1"].procs["svipd"].pid
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert set(status["Uid"].split()) == {"65534"} and set(status["Gid"].split()) == {"65534"}
    assert int(status["CapEff"], 16) & ~(1 << 12 | 1 << 13) == 0, "CAP_NET_ADMIN and CAP_NET_RAW only"
    assert status["NoNewPrivs"].strip() == "1"
