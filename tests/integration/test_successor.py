# SPDX-License-Identifier: BSD-2-Clause
"""A successor, in detail: what clients see of it, chains of them, upgrades and reloads, and records that were tampered with.

SVIP_RESTARTS: how many of each kind (5; `make soak` has 100).
"""

import hashlib
import os
import signal
import struct
import time

import pytest
from netns import now, wait_until

VIP = "10.77.0.50"
RESTARTS = int(os.environ.get("SVIP_RESTARTS", "5"))
GOES_ON = "the hold of the svipd before goes on"

# struct record of src/io/holds.c
BOOT, NETWORK, NODE, UNTIL, SEALED = 8, 56, 64, 120, 224


@pytest.fixture
def lasting(make_cluster):
    """A cluster with a lease that is longer than a start on a slow machine."""
    return make_cluster(lease=4.0)


def changes(c, name="h1"):
    """What became of the address on a host: "add", "del"; no renewals."""
    return [e["what"] for e in c.observer.events() if e.get("host") == name and e.get("vip") == VIP
            and e["what"] in ("add", "less", "del")]


def record_of(c, name="h1"):
    return c.hosts[name].dir / "svipd.holds"


def until(c, name="h1"):
    """When the hold ends by its record, in seconds of CLOCK_BOOTTIME."""
    return struct.unpack_from("=q", record_of(c, name).read_bytes(), UNTIL)[0] / 1000


def sealed(c, record):
    """The record with a tag that is right: BLAKE2b with the derived key number 3."""
    key = hashlib.blake2b(digest_size=32, key=bytes.fromhex(c.key), salt=struct.pack("<Q", 3), person=b"svip-hb_")
    return record[:SEALED] + hashlib.blake2b(record[:SEALED], digest_size=32, key=key.digest()).digest()


def replaced(c, at, data):
    """h1's record with some bytes replaced, and a right tag."""
    old = record_of(c).read_bytes()[:SEALED + 32]
    assert sealed(c, old) == old, "this file knows the format"
    return sealed(c, old[:at] + data + old[at + len(data):])


@pytest.mark.parametrize("sig", [signal.SIGUSR2, signal.SIGKILL], ids=["leave", "kill"])
def test_nobody_notices_that_the_holder_was_replaced(lasting, record, sig):
    c = lasting
    writer = c.writer(timeout=3)
    for run in range(RESTARTS):
        writer.wait_writing()
        time.sleep(0.037 * (run % 10))  # anywhere between two renewals
        begun = now()
        status = c.end("h1", "svipd", sig)
        assert status == (0 if sig == signal.SIGUSR2 else -sig)
        c.start_svipd("h1")
        record(f"{sig.name} and start, until it answers", (now() - begun) * 1000)
        assert c.hosts["h1"].log().count(GOES_ON) == run + 1, c.hosts["h1"].log()[-3000:]
        i = wait_until(lambda: (x := c.instance("h1")) and x["holding"] and x, 10, "h1 holds")
        assert i["state"] == "master"
        wait_until(lambda: until(c) > now() + c.lease / 2, 10, "h1 renews by itself")
    writer.wait_writing()
    numbers = [a[0] for a in writer.acks()]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "a request has failed"
    assert changes(c) == ["add"], "the address was neither removed nor added anew"
    record(f"{sig.name}: longest gap between two answers", writer.outage()[0] * 1000)
    assert [h for h in c.nodes if changes(c, h)] == ["h1"]


def test_an_upgrade_of_all_nodes_moves_nothing(lasting):
    c = lasting
    for name in c.nodes:
        assert c.end(name, "svipd", signal.SIGUSR2) == 0
        c.start_svipd(name)
    c.wait_peers()
    assert c.observer.moves(VIP) == ["h1"]


def test_who_leaves_without_a_successor_loses_the_address_in_time(cluster):
    cluster.end("h1", "svipd", signal.SIGUSR2)
    left = now()
    cluster.wait_holder(None, timeout=cluster.bound + 2)
    assert cluster.observer.holds(VIP)[-1].end - left < cluster.bound


def test_a_successor_of_the_successor_goes_on_too_when_it_had_no_time_to_renew(lasting):
    c = lasting
    for run in range(3):
        c.end("h1", "svipd", signal.SIGKILL)
        c.start_svipd("h1", wait=False)
        wait_until(lambda: c.hosts["h1"].log().count(GOES_ON) > run, 10, "h1 has started")
    c.wait_holder("h1")
    wait_until(lambda: c.instance("h1")["holding"], 10, "h1 holds")
    assert changes(c) == ["add"]


def test_after_a_reload_a_successor_with_the_new_file_goes_on(lasting):
    c = lasting
    second = type(c.instances[0])("second", 6379, ("10.77.0.51",))
    text = c.config(c.instances + [second])
    for name in c.nodes:
        c.write_config(name, text)
        c.signal(name, signal.SIGHUP)
    wait_until(lambda: all(c.instance(n, second) for n in c.nodes), 10, "all have reloaded")
    c.wait_peers()
    before = until(c)
    wait_until(lambda: until(c) > before + 0.5, 10, "h1 has renewed")
    c.end("h1", "svipd", signal.SIGKILL)
    c.start_svipd("h1")
    assert GOES_ON in c.hosts["h1"].log()
    wait_until(lambda: c.instance("h1")["holding"], 10, "h1 holds")
    assert changes(c) == ["add"]


WORTHLESS = {
    "another boot": (lambda c: replaced(c, BOOT, b"00000000-0000-4000-8000-000000000000"), "of another boot"),
    "another namespace": (lambda c: replaced(c, NETWORK, bytes(8)), "of another network namespace"),
    "another node": (lambda c: replaced(c, NODE + 8, bytes([10, 77, 0, 12])), "of another node"),
    "too far ahead": (lambda c: replaced(c, UNTIL, struct.pack("=q", int(now() * 1000) + 3600000)),
                      "further ahead than a lease"),
    "prolonged by hand": (lambda c: (r := record_of(c).read_bytes())[:UNTIL] + struct.pack("=q", int(now() * 1000) + 2000)
                          + r[UNTIL + 8:], "damaged, or written with another key"),
}


@pytest.mark.parametrize("case", WORTHLESS)
def test_a_record_that_is_worthless_has_the_address_earned_anew(lasting, case):
    c, (forged, words) = lasting, WORTHLESS[case]
    c.end("h1", "svipd", signal.SIGKILL)
    record_of(c).write_bytes(forged(c))
    c.start_svipd("h1")
    assert words in c.hosts["h1"].log()
    is_earned_anew(c)
    assert_goes_on(c)


def is_earned_anew(c):
    wait_until(lambda: len(changes(c)) >= 3 and c.instance("h1")["holding"], 20, lambda: f"h1 holds\n{c.describe()}")
    assert changes(c) == ["add", "del", "add"], "removed first"
    assert GOES_ON not in c.hosts["h1"].log()


def assert_goes_on(c):
    """And the next restart is as good as ever."""
    before = changes(c)
    c.end("h1", "svipd", signal.SIGUSR2)
    c.start_svipd("h1")
    assert GOES_ON in c.hosts["h1"].log()
    wait_until(lambda: c.instance("h1")["holding"], 10, "h1 holds")
    assert changes(c) == before


def _link(path):
    os.rename(path, path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


@pytest.mark.parametrize("spoil", [_link, lambda path: path.chmod(0o644), lambda path: os.chown(path, 0, 0),
                                   lambda path: os.link(path, path.with_suffix(".twin")),
                                   lambda path: (path.unlink(), os.mkfifo(path, 0o600))],
                         ids=["a link", "readable by others", "of root", "with two names", "a fifo"])
def test_a_record_that_is_not_its_own_is_left_alone(lasting, spoil):
    c = lasting
    c.end("h1", "svipd", signal.SIGKILL)
    spoil(record_of(c))
    before = os.lstat(record_of(c))
    c.start_svipd("h1")
    assert "a restart will let go of the addresses for a moment" in c.hosts["h1"].log()
    is_earned_anew(c)
    after = os.lstat(record_of(c))
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)


def test_a_successor_that_comes_after_the_lease_earns_it_anew(lasting):
    """The kernel's lifetime of the address, whole seconds, may not be over then: the record's time decides."""
    c = lasting
    c.end("h1", "svipd", signal.SIGKILL)
    time.sleep(max(0, until(c) - now()) + 0.01)
    c.start_svipd("h1")
    assert "svipd.holds: not taken over: over" in c.hosts["h1"].log()
    is_earned_anew(c)


def test_a_successor_that_comes_after_all_is_over_earns_it_anew(cluster):
    cluster.end("h1", "svipd", signal.SIGKILL)
    cluster.wait_holder(None, timeout=cluster.bound + 2)
    cluster.start_svipd("h1")
    is_earned_anew(cluster)


def test_a_successor_finds_an_address_missing_and_earns_it_anew(lasting):
    c = lasting
    c.end("h1", "svipd", signal.SIGKILL)
    c.delete_vip("h1")
    c.start_svipd("h1")
    assert "an address is not as it left it" in c.hosts["h1"].log()
    is_earned_anew(c)
