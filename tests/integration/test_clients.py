# SPDX-License-Identifier: BSD-2-Clause
"""What clients feel: real ones, through the virtual address, across each kind of move."""

import os
import signal
import statistics

import clients
from netns import now, wait_until

VIP = "10.77.0.50"
MOVES = int(os.environ.get("SVIP_MOVES", "2"))  # of each kind

WRITERS = {"redis-py's writes": clients.writes, "redis-py's pipelines": clients.pipelines,
           "redis-py's transactions": clients.transactions}
WAITERS = {"a blocked BLPOP": clients.blocked, "a subscriber": clients.subscribed}

# What is promised, in s, of the better half of the moves: this machine may be busy.
PLANNED = 1.5   # a writer waits, with Sentinel's part
BEYOND = 0.05   # a writer waits longer than Sentinel needs
NOTICED = 0.05  # the address has gone until who only waits is told


class Crowd:
    """One client of each kind."""

    def __init__(self, cluster):
        self.c = cluster
        host = cluster.hosts["client"]
        self.writers = {name: cluster.add(clients.Client(host.ns, VIP, work)) for name, work in WRITERS.items()}
        self.writers["hiredis"] = cluster.add(clients.Hiredis(host.ns, VIP, host.dir))
        self.writers["redis-cli"] = cluster.add(clients.Cli(host.ns, VIP))
        self.waiters = {name: cluster.add(clients.Client(host.ns, VIP, work)) for name, work in WAITERS.items()}
        for client in self.waiters.values():
            client.wait_ready()
        self.wait_writing()

    def wait_writing(self):
        for client in self.writers.values():
            client.wait_writing()

    def gaps(self, since):
        """The longest gap of each writer until all write again, in s."""
        self.wait_writing()
        until = now()
        return {name: client.gap(since, until) for name, client in self.writers.items()}

    def told(self, since, gone):
        """When each who only waits was told, in s after the address had gone; they have to be there again, too."""
        ends = {}
        for name, client in self.waiters.items():
            ends[name] = wait_until(lambda client=client: next((r["t"] for r in client.ends() if r["t"] > since), None), 5,
                                    f"{name} is told") - gone
            client.wait_ready(gone)
        return ends

    def writes(self):
        """How many writes have been acknowledged until now."""
        return sum(len(client.acks()) for client in self.writers.values())

    def assert_nothing_lost(self, master):
        with self.c.redis(master) as r:
            lost = {name: found for name, client in self.writers.items() if (found := client.lost(r))}
        assert not lost, lost


def gone(c, holder, since):
    """When the address left a host."""
    return next(h.end for h in c.observer.holds(VIP) if h.host == holder and h.end and h.end > since)


def aborts(c):
    """How many failovers Sentinels have given up."""
    return sum(c.hosts[n].log("sentinel").count("-failover-abort-") for n in c.sentinels)


def get_ready(c, master):
    """Has the old masters follow the new one, as Sentinel would 8 s later and would hear of 10 s later; waits for all to be well."""
    def follow(name):
        with c.redis(name) as r:
            return r.call("ROLE")[0] == "slave" or r.call("REPLICAOF", c.address(master), "6379")
    for name in c.nodes:
        if name != master:
            wait_until(lambda name=name: follow(name), 10, f"Redis on {name} answers")
    c.wait_replicas(master, timeout=90)
    c.wait_sentinels(timeout=90)
    c.wait_calm()
    c.wait_peers()


def planned_moves(c, record, order, afterwards=lambda old: None):
    """Moves the address away from its holder by order(holder), MOVES times; nothing may be lost, and all are told."""
    crowd, holder, longest, told = Crowd(c), "h1", [], []
    for _ in range(MOVES):
        since, given_up = now(), aborts(c)
        try:
            order(holder)
            new = c.wait_settled(but=[holder])
        except AssertionError:
            if aborts(c) == given_up:
                raise
            record("given up by Sentinel", 1)  # as it does when it was stopped for a moment (TILT); still nothing may be lost
            new = c.wait_settled(timeout=60)
            crowd.wait_writing()
            crowd.assert_nothing_lost(new)
            afterwards(holder)
            holder = c.wait_settled(timeout=60)
            get_ready(c, holder)
            continue
        left, gaps = gone(c, holder, since), crowd.gaps(since)
        record("the address nowhere", (c.observer.holds(VIP)[-1].start - left) * 1000)
        for name, gap in gaps.items():
            record(f"longest gap of {name}", gap * 1000)
        record("longest gap of any writer", max(gaps.values()) * 1000)
        notices = crowd.told(since, left)
        for name, after in notices.items():
            record(f"address gone until {name} was told", after * 1000)
        crowd.assert_nothing_lost(new)
        longest.append(max(gaps.values()))
        told.append(max(notices.values()))
        afterwards(holder)
        get_ready(c, new)
        holder = new
    crowd.assert_nothing_lost(holder)
    record("acknowledged writes, none lost", crowd.writes())
    assert longest, "Sentinel has given up each"
    assert statistics.median_low(longest) <= PLANNED, longest
    assert statistics.median_low(told) <= NOTICED, told


def test_bare_failovers_lose_no_acknowledged_write(make_cluster, record):
    c = make_cluster(failover_timeout=4000)
    planned_moves(c, record, lambda h: c.sentinel_failover(via=h, timeout=40))


def test_handovers_lose_no_acknowledged_write(make_cluster, record):
    def handover(holder):
        done = c.svipctl(holder, "handover", "mymaster", timeout=70)
        assert done.returncode == 0, done.stdout + done.stderr

    c = make_cluster(failover_timeout=4000)
    planned_moves(c, record, handover)


def test_shutdowns_of_the_host_lose_no_acknowledged_write(make_cluster, record):
    def shut_down(holder):  # in the order of the units
        assert c.stop_svipd(holder, timeout=25) == 0
        c.end(holder, "redis-6379", signal.SIGTERM)
        c.end(holder, "sentinel", signal.SIGTERM)
        c.power_off(holder)

    c = make_cluster(failover_timeout=4000, settings={"handover-on-stop": '"on"'})
    planned_moves(c, record, shut_down, c.boot)


def test_a_killed_master_costs_clients_little_more_than_sentinel_needs(make_cluster, record):
    # With 1 s a Sentinel may take the new master for dead, whose first PING it sends late.
    c = make_cluster(down_after=3000, failover_timeout=4000)
    crowd, poller, holder, beyond = Crowd(c), c.poller(), "h1", []
    for _ in range(MOVES):
        since = now()
        c.kill_redis(holder)
        new = c.wait_settled(but=[holder])
        named, taken = poller.majority_since(c.address(new), since), c.observer.holds(VIP)[-1].start
        gaps = crowd.gaps(since)
        record("kill -9 until the majority's word", (named - since) * 1000)
        record("address gone until the majority's word", (named - gone(c, holder, since)) * 1000)
        record("majority's word until the address is there", (taken - named) * 1000)
        for name, client in crowd.writers.items():
            first = next(t for _, t in client.acks() if t > named)
            record(f"majority's word until {name} go on", (first - named) * 1000)
            beyond.append(first - named)
        record("longest gap of any writer", max(gaps.values()) * 1000)
        crowd.told(since, gone(c, holder, since))
        c.start_redis(holder)
        get_ready(c, new)
        holder = new
    assert statistics.median_low(beyond) <= BEYOND, beyond
