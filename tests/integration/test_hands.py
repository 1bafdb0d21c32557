# SPDX-License-Identifier: BSD-2-Clause
"""Other hands on the addresses and the links, and configurations that would make two nodes the same one."""

import json
import subprocess
import time

import cluster as harness
import netns
from netns import ip, wait_until
from observer import Prober

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


def announcers(prober, since):
    return {a["host"] for a in prober.answers(VIP) if a["kind"] == "announce" and a["t"] > since}


def test_a_new_mac_is_announced_by_the_holder_alone(cluster):
    prober = next(child for child in cluster.children if isinstance(child, Prober))
    new = {"h1": "02:77:00:00:00:01", "h2": "02:77:00:00:00:02"}
    prober.know({mac: name for name, mac in new.items()})
    since = netns.now()
    ip(f"link set eth0 address {new['h2']}", ns=cluster.hosts["h2"].ns)
    time.sleep(1.5)
    assert "h2" not in announcers(prober, since), "a backup announces nothing"
    assert cluster.instance("h2")["announcements"] == 0
    ip(f"link set eth0 address {new['h1']}", ns=cluster.hosts["h1"].ns)
    wait_until(lambda: "h1" in announcers(prober, since), 5, "the holder announces its new MAC")
    assert cluster.instance("h1")["state"] == "master"


def test_observe_touches_no_address(make_cluster):
    c = make_cluster(start=False, settings={"observe": "on"})
    c.add_vip("h1")
    c.start()
    before = copies(c, "h1")
    wait_until(lambda: c.instance("h1")["state"] == "master", 10, "h1 would hold")
    time.sleep(1)
    status = c.status("h1")
    assert (status["observe"], status["instances"][0]["holding"]) == (True, False)
    for name in c.nodes:
        c.stop_svipd(name)
    assert (copies(c, "h1"), copies(c, "h2"), copies(c, "h3")) == (before, [], [])
    c.delete_vip("h1")


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


def test_holding_without_a_quorum_is_loud_and_ends_with_a_contradiction(make_cluster):
    c = make_cluster(settings={"on-quorum-loss": '"hold"'})
    c.wait_holder("h1")
    for name in ("h2", "h3"):
        c.signal(name, 19, key="sentinel")  # SIGSTOP
    wait_until(lambda: c.instance("h1")["reason"] == "quorum-lost-held", 15, "h1 holds without a quorum")
    time.sleep(2)
    assert c.holders() == {"h1"}
    assert "on-quorum-loss = hold" in c.hosts["h1"].log()
    for name in ("h2", "h3"):
        c.signal(name, 18, key="sentinel")  # SIGCONT
    wait_until(lambda: c.instance("h1")["reason"] != "quorum-lost-held", 15, "a quorum is back")
    c.wait_settled()
