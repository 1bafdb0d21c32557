# SPDX-License-Identifier: BSD-2-Clause
"""Copies of an address that another hand has added, and configurations that would make two nodes the same one."""

import json
import subprocess
import time

import cluster as harness
import netns
from netns import ip, wait_until

VIP = "10.77.0.50"


def copies(c, name):
    """Every copy of the VIP on a host: (interface, prefix length, lifetime)."""
    links = json.loads(netns.run(c.hosts[name].ns, "ip", "-j", "-4", "addr"))
    return sorted((link["ifname"], a["prefixlen"], a["valid_life_time"] < 2 ** 32 - 1)
                  for link in links for a in link["addr_info"] if a["local"] == VIP)


def test_copies_added_by_hand_on_the_holder_are_removed_and_the_hold_goes_on(cluster):
    ns = cluster.hosts["h1"].ns
    assert copies(cluster, "h1") == [("eth0", 32, True)]
    for line in (f"addr add {VIP}/24 dev eth0", f"addr add {VIP}/32 dev lo"):
        ip(line, ns=ns)
        wait_until(lambda: copies(cluster, "h1") == [("eth0", 32, True)], 3, "only the copy with a lifetime is left")
    assert cluster.instance("h1")["state"] == "master"
    assert [h.host for h in cluster.observer.holds(VIP)] == ["h1"], "the hold was not disturbed"


def test_an_address_with_another_end_is_removed_from_a_backup(cluster):
    cluster.observer.excuse("h2", VIP, "added by hand")
    ip(f"addr add {VIP} peer 10.99.0.1/32 dev eth0", ns=cluster.hosts["h2"].ns)
    wait_until(lambda: copies(cluster, "h2") == [], 3, "h2 has no copy")
    time.sleep(0.3)
    assert (cluster.instance("h2")["state"], copies(cluster, "h2")) == ("backup", [])
    cluster.wait_holder("h1", timeout=5)


def test_a_hand_that_does_it_again_and_again_fills_no_log(cluster):
    hands = [("h1", f"addr del {VIP}/32 dev eth0", "an address was lost"),
             ("h1", f"addr add {VIP}/24 dev eth0", "added a virtual address once more"),
             ("h1", f"addr change {VIP}/32 dev eth0 scope host valid_lft forever", "taken the end off"),
             ("h2", f"addr add {VIP}/24 dev eth0", "a virtual address that this node doesn't hold")]
    for name in ("h1", "h2"):
        cluster.observer.excuse(name, VIP, "by hand")
    for name, line, _ in hands:
        for _ in range(20):
            wait_until(lambda: copies(cluster, "h1") == [("eth0", 32, True)] and copies(cluster, "h2") == [], 5, "mended")
            ip(line, ns=cluster.hosts[name].ns)
    wait_until(lambda: copies(cluster, "h1") == [("eth0", 32, True)] and copies(cluster, "h2") == [], 5, "mended")
    for name, _, words in hands:
        assert 1 <= cluster.hosts[name].log().count(words) <= 3, words


def check_config(c, name):
    argv = [harness.program("svipd"), "-t", "-f", str(c.hosts[name].dir / "svipd.conf")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=10,
                          preexec_fn=lambda: netns._enter(c.hosts[name].ns))


def test_a_redis_address_that_is_another_hosts_is_refused(make_cluster):
    c = make_cluster(start=False)
    text = c.config(redis='"10.77.0.11:6379"')
    line = next(i for i, words in enumerate(text.splitlines(), 1) if words.startswith("redis"))
    for name in c.nodes:
        c.write_config(name, text)
    assert check_config(c, "h1").returncode == 0
    for name in ("h2", "h3"):
        done = check_config(c, name)
        assert done.returncode == 1
        assert f'svipd.conf:{line}: redis: "10.77.0.11:6379" is no address of this host' in done.stderr
