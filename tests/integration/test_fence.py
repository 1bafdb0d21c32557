# SPDX-License-Identifier: BSD-2-Clause
"""The fence seen from outside: the last answer of a holder that was killed or stopped, against its lease's end; hands on
the packet filter; a kernel without it.

SVIP_FENCE_RUNS: how often each (3; the figures in doc/RESULTS.md are from 50).
"""

import contextlib
import os
import signal
import statistics
import struct
import subprocess
import time
from pathlib import Path

import netns
import pytest
from cluster import Instance
from lastword import KINDS, LastWord
from netns import ip, now, wait_until

VIP = "10.77.0.50"
RUNS = int(os.environ.get("SVIP_FENCE_RUNS", "3"))
LATEST = {"nftables": 0.020, "lifetime": 2.2}


def lease_end(c, name):
    """What the holder has told the kernel last, from its record for a successor. Seconds of CLOCK_BOOTTIME."""
    record = next(c.hosts[name].dir.glob("*.holds")).read_bytes()  # struct record of src/io/holds.c
    assert record.startswith(b"SVIPHLD1") and record[81] == 1
    return struct.unpack_from("=q", record, 120)[0] / 1000


@pytest.mark.parametrize("sig", [signal.SIGSTOP, signal.SIGKILL], ids=["SIGSTOP", "SIGKILL"])
@pytest.mark.parametrize("fence", LATEST)
def test_the_last_answer_is_no_later_than_the_fence_allows(make_cluster, record, fence, sig):
    c = make_cluster(settings={"fence": f'"{fence}"'}, probe=False)
    client, late = c.hosts["client"], {kind: [] for kind in KINDS}
    word = c.add(LastWord(client, VIP, c.hosts["h1"].mac))
    for run in range(RUNS):
        wait_until(lambda: all(t and now() - t < 0.1 for t in word.last().values()), 15,
                   lambda: f"h1 answers each kind of question: {word.last()}\n{c.describe()}")
        time.sleep(0.05 + 0.037 * (run % 10))  # anywhere between two renewals
        if sig == signal.SIGKILL:
            c.end("h1", "svipd", sig)
        else:
            c.signal("h1", sig)
        end = lease_end(c, "h1")
        assert now() < end < now() + c.lease + 0.01
        time.sleep(end - now() + LATEST[fence] + 0.3)
        for kind, t in word.last().items():
            late[kind].append(t - end)
        if sig == signal.SIGKILL:
            c.start_svipd("h1")
        else:
            c.signal("h1", signal.SIGCONT)
        c.wait_holder("h1")
    for kind, found in late.items():
        record(f"{kind} after the lease's end, {fence}, {sig.name}", statistics.median(found) * 1000,
               worst=round(max(found) * 1000, 3), best=round(min(found) * 1000, 3), n=len(found))
    worst = {kind: max(found) for kind, found in late.items()}
    assert max(worst.values()) <= LATEST[fence], worst
    assert min(min(found) for found in late.values()) > -c.lease, "it did answer while it held"


# ---- hands on the packet filter ----

OURS = ["table inet svipd-test", "table arp svipd-test", "table netdev svipd-test"]

def tables(c, name):
    """svipd's tables, without those of a self-test."""
    found = netns.run(c.hosts[name].ns, "nft", "list", "tables").split("\n")
    return [line for line in found if line and "svipd-check" not in line]


def rules(c, name):
    """What is in them, without what comes and goes: elements with time-outs."""
    found = []
    for table in OURS:
        text = netns.run(c.hosts[name].ns, "nft", "-s", "list", *table.split(), check=False)
        found += [line for line in text.split("\n") if "elements" not in line or line.strip() == FENCED]
    return found


FENCED = "elements = { 10.77.0.50 }"




def test_the_tables_are_there_and_go_with_a_clean_stop(cluster):
    assert sorted(tables(cluster, "h1")) == sorted(OURS) == sorted(tables(cluster, "h2"))
    text = netns.run(cluster.hosts["h1"].ns, "nft", "list", "table", "inet", "svipd-test")
    assert "svipd: drops traffic for virtual addresses of test" in text, "a sysadmin sees whose it is"
    cluster.stop_svipd("h1")
    assert tables(cluster, "h1") == []
    cluster.end("h2", "svipd", signal.SIGKILL)
    assert sorted(tables(cluster, "h2")) == sorted(OURS), "who was killed leaves them"
    cluster.start_svipd("h2")
    cluster.stop_svipd("h2")
    assert tables(cluster, "h2") == [], "and its successor takes them over"


@pytest.mark.parametrize("hand", ["flush ruleset", "delete table netdev svipd-test", "flush chain inet svipd-test in",
                                  "flush set inet svipd-test alive4", "delete table arp svipd-test"])
def test_another_hand_is_noticed_and_mended_and_nobody_feels_it(cluster, hand):
    ns, writer = cluster.hosts["h1"].ns, cluster.writer()
    want, before = rules(cluster, "h1"), now()
    assert want.count(f"\t\t{FENCED}") == 3
    for _ in range(3):
        netns.run(ns, "nft", hand)
        wait_until(lambda: rules(cluster, "h1") == want, 3, "the tables are back")
        time.sleep(0.3)
    assert "another program has changed or removed the tables" in cluster.hosts["h1"].log()
    assert cluster.instance("h1")["holding"]
    assert set(cluster.observer.moves(VIP)) == {"h1"}
    assert writer.outage(before)[0] < 0.25, "a lost SYN or segment at most"
    cluster.end("h1", "svipd", signal.SIGKILL)
    cluster.wait_holder(None, timeout=cluster.bound)


def test_an_address_added_by_hand_where_it_does_not_belong_answers_nobody(cluster):
    """Not even in the moment before svipd takes it away: its svipd can't, here."""
    cluster.signal("h2", signal.SIGSTOP)
    cluster.observer.excuse("h2", VIP, "by hand")
    ip(f"addr add {VIP}/32 dev eth0 valid_lft 60 preferred_lft 60", ns=cluster.hosts["h2"].ns)
    client, mac = cluster.hosts["client"], cluster.hosts["h2"].mac
    ip(f"neigh replace {VIP} lladdr {mac} dev eth0 nud permanent", ns=client.ns)
    lost = netns.run(client.ns, "ping", "-c", "5", "-i", "0.1", "-W", "1", VIP, check=False)
    assert " 0 received" in lost
    ip(f"neigh del {VIP} dev eth0", ns=client.ns)
    assert {a["host"] for a in cluster.prober().answers(VIP) if a["t"] > now() - 1} <= {"h1"}
    cluster.signal("h2", signal.SIGCONT)
    wait_until(lambda: cluster.observer.holders(VIP) == {"h1"}, 5, "svipd removes it")


def test_what_is_only_forwarded_passes(cluster):
    """h2 is a router between the client and the holder: its packet filter is not for this traffic."""
    client, h2 = cluster.hosts["client"], cluster.hosts["h2"]
    netns.run(h2.ns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    ip(f"neigh replace {VIP} lladdr {h2.mac} dev eth0 nud permanent", ns=client.ns)
    got = netns.run(client.ns, "ping", "-c", "3", "-i", "0.1", "-W", "1", VIP, check=False)
    assert " 3 received" in got


def test_an_interface_of_many_that_comes_again_makes_the_tables_once(make_cluster):
    """Once for each instance took so long that the kernel ended svipd (RLIMIT_RTTIME)."""
    many = [Instance(f"m{i}", vips=(f"10.78.0.{i + 1}",)) for i in range(100)]
    c = make_cluster(start=False, probe=False, hosts=1, sentinels=["h1"], instances=many)
    ns = c.hosts["h1"].ns
    anew = ["link add v0 type veth peer name v1", "link set v1 up", "link set v0 up"]
    ip(*anew, ns=ns)
    c.write_config("h1", c.config().replace('interface = "eth0"', 'interface = "v0"'))
    c.start_svipd("h1")
    wait_until(lambda: "self-test: " in c.hosts["h1"].log(), 10, "no more tables of the self-test")
    monitor = netns.spawn(ns, ["nft", "monitor"], c.hosts["h1"].dir / "monitor.log")
    try:
        wait_until(lambda: (netns.run(ns, "nft", "add table ip seen"), netns.run(ns, "nft", "delete table ip seen"),
                            "seen" in c.hosts["h1"].log("monitor"))[-1], 5, "the monitor listens")
        ip("link del v0", *anew, ns=ns)
        wait_until(lambda: c.hosts["h1"].log().count("v0 is up") == 2 * len(many), 10, "all have seen it")
        wait_until(lambda: "out-v0" in netns.run(ns, "nft", "list", "table", "netdev", "svipd-test"), 5, "fenced again")
        netns.run(ns, "nft", "add table ip last")
        wait_until(lambda: "last" in c.hosts["h1"].log("monitor"), 5, "the monitor has told all")
    finally:
        netns.end_process(monitor, signal.SIGTERM)
    assert c.hosts["h1"].log("monitor").count("add chain inet svipd-test in ") < 10


# ---- no nftables ----

def preload(tmp_path_factory, name):
    """Builds NAME.c; a context in which what is started has it."""
    out = tmp_path_factory.mktemp(name) / f"{name}.so"
    out.parent.chmod(0o755)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", str(out),
                    str(Path(__file__).parent / f"{name}.c")], check=True)

    @contextlib.contextmanager
    def inside():
        os.environ["LD_PRELOAD"] = str(out)
        try:
            yield
        finally:
            del os.environ["LD_PRELOAD"]
    return inside


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """A context in which what is started has no nftables."""
    return preload(tmp_path_factory, "nonft")


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A context in which what is started can't set up tables while the file c.dir / "half" is there."""
    return preload(tmp_path_factory, "halfnft")


no_asan = pytest.mark.skipif("asan" in os.environ.get("SVIPD", ""), reason="the sanitizer wants to be loaded first")


@no_asan
def test_without_nftables_the_lifetime_serves_and_the_others_wait_for_it(make_cluster, without):
    c = make_cluster(settle=False, start=False)
    c.start(svipd=False)
    with without():
        c.start_svipd("h1")
    for name in ("h2", "h3"):
        c.start_svipd(name)
    c.wait_holder("h1")
    assert (c.status("h1")["fence"], c.status("h1")["guard_ms"]) == ("lifetime", 2200)
    assert (c.status("h2")["fence"], c.status("h2")["guard_ms"]) == ("nftables", 60)
    wait_until(lambda: c.peer("h2", "h1")["guard_ms"] == 2200, 5, "h2 knows")
    check = c.svipctl("h1", "check")
    assert check.returncode == 1 and "degraded  nftables" in check.stdout
    c.signal("h1", signal.SIGSTOP)
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    gone = c.observer.holds(VIP)[0].end
    assert gone < c.observer.holds(VIP)[-1].start and new != "h1"
    c.signal("h1", signal.SIGCONT)


@no_asan
def test_a_late_node_takes_nothing_before_all_know_it(make_cluster, without):
    c = make_cluster(settle=False, start=False)
    c.start(svipd=False)
    with without():
        c.start_svipd("h1")
    c.start_svipd("h2")
    wait_until(lambda: c.instance("h1")["reason"] == "guard-unknown", 10, lambda: f"h3 hasn't heard it\n{c.describe()}")
    time.sleep(c.bound + 2.2)
    assert c.holders() == set()
    assert "h3" in c.svipctl("h1", "why").stdout or "10.77.0.13" in c.svipctl("h1", "why").stdout
    c.start_svipd("h3")
    c.wait_holder("h1")


@no_asan
@pytest.mark.parametrize("fence", ["required", "nftables"])
def test_who_demands_nftables_holds_nothing_without(make_cluster, without, fence):
    c = make_cluster(settle=False, start=False, settings={"fence": f'"{fence}"'})
    c.start(svipd=False)
    with without(), contextlib.ExitStack() as stack:
        if fence == "required":
            stack.enter_context(pytest.raises(AssertionError, match="fence = .required. asks for it"))
        c.start_svipd("h1")
    if fence == "required":
        c.hosts["h1"].procs.pop("svipd")
        return
    for name in ("h2", "h3"):
        c.start_svipd(name)
    wait_until(lambda: c.instance("h1")["state"] == "fault", 10, "a fault")
    assert c.instance("h1")["reason"] == "address-refused" and c.holders() == set()


def test_tables_that_were_left_do_not_stop_one_that_goes_without(make_cluster):
    """Nothing would let through in them what is held."""
    c = make_cluster(hosts=1, sentinels=["h1"])
    c.end("h1", "svipd", signal.SIGKILL)
    assert sorted(tables(c, "h1")) == sorted(OURS)
    time.sleep(c.lease + 0.3)
    c.write_config("h1", c.config(fence='"lifetime"'))
    c.start_svipd("h1")
    c.wait_holder("h1")
    assert tables(c, "h1") == []
    got = netns.run(c.hosts["client"].ns, "ping", "-c", "3", "-i", "0.1", "-W", "1", VIP, check=False)
    assert " 3 received" in got


@no_asan
def test_who_is_fenced_otherwise_than_the_one_before_takes_nothing_over(make_cluster, without):
    """The others count on 60 ms until they have heard of 2.2 s."""
    c = make_cluster()
    c.end("h1", "svipd", signal.SIGKILL)
    netns.run(c.hosts["h1"].ns, "nft", "flush", "ruleset")
    with without():
        c.start_svipd("h1")
    assert "fenced otherwise" in c.hosts["h1"].log() and "goes on" not in c.hosts["h1"].log()
    wait_until(lambda: c.instance("h1")["holding"], 15, lambda: f"earned anew\n{c.describe()}")


@no_asan
def test_what_cannot_be_fenced_is_not_held(make_cluster, half, monkeypatch):
    """Another hand breaks the tables and they can't be made again, though their sets go on."""
    c = make_cluster(start=False, hosts=1, sentinels=["h1"])
    monkeypatch.setenv("SVIP_HALFNFT", str(c.dir / "half"))
    c.start(svipd=False)
    with half():
        c.start_svipd("h1")
    c.wait_holder("h1")
    (c.dir / "half").touch()
    netns.run(c.hosts["h1"].ns, "nft", "flush chain inet svipd-test in")
    wait_until(lambda: c.instance("h1")["reason"] == "address-refused", 5, lambda: f"refused\n{c.describe()}")
    for _ in range(15):  # longer than until the next try
        assert not c.instance("h1")["holding"]
        time.sleep(0.1)
    (c.dir / "half").unlink()
    c.wait_holder("h1")
    assert "drop" in netns.run(c.hosts["h1"].ns, "nft", "list chain inet svipd-test in")


@no_asan
def test_tables_that_stay_as_they_were_stay_open(make_cluster, half, monkeypatch):
    c = make_cluster(start=False, hosts=1, sentinels=["h1"])
    monkeypatch.setenv("SVIP_HALFNFT", str(c.dir / "half"))
    c.start(svipd=False)
    with half():
        c.start_svipd("h1")
    c.wait_holder("h1")
    (c.dir / "half").touch()
    c.signal("h1", signal.SIGHUP)
    wait_until(lambda: "it stays as it was" in c.hosts["h1"].log(), 5, "a reload can't change it")
    time.sleep(c.lease + 0.5)
    assert c.instance("h1")["holding"]
    for table in OURS:
        assert VIP in netns.run(c.hosts["h1"].ns, "nft", "list", "set", *table.split()[1:], "alive4"), table
