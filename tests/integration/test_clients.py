# SPDX-License-Identifier: BSD-2-Clause
"""What clients feel: real ones, through the virtual address, across each kind of move."""

import os
import signal

import clients
import pytest
from netns import now, wait_until

VIP = "10.77.0.50"
MOVES = int(os.environ.get("SVIP_MOVES", "2"))  # of each kind

WRITERS = {"writes": clients.writes, "pipelines": clients.pipelines, "transactions": clients.transactions}
WAITERS = {"a blocked BLPOP": clients.blocked, "a subscriber": clients.subscribed}


class Crowd:
    """One client of each kind."""

    def __init__(self, cluster):
        self.c = cluster
        ns = cluster.hosts["client"].ns
        self.writers = {name: cluster.add(clients.Client(ns, VIP, work)) for name, work in WRITERS.items()}
        self.waiters = {name: cluster.add(clients.Client(ns, VIP, work)) for name, work in WAITERS.items()}
        self.cli = cluster.add(clients.Cli(ns, VIP, cluster.hosts["client"].dir))
        for client in self.waiters.values():
            client.wait_ready()
        self.wait_writing()

    def wait_writing(self):
        for client in self.writers.values():
            client.wait_writing()

    def felt(self, since, left, record, what):
        """Records what a move was like for them; returns (writes lost, longest gap in s)."""
        self.wait_writing()
        until = now()
        gaps = {name: client.gap(since, until) for name, client in self.writers.items()}
        for name, gap in gaps.items():
            record(f"{what}: longest gap of redis-py's {name}", gap * 1000)
        for name, client in self.waiters.items():
            end = wait_until(lambda client=client: next((r["t"] for r in client.ends() if r["t"] > since), None), 5,
                             f"{name} is told")
            record(f"{what}: address gone until {name} was told", (end - left) * 1000)
        return max(gaps.values())

    def lost(self):
        with self.c.redis(next(iter(self.c.holders()))) as r:
            return {name: client.lost(r) for name, client in self.writers.items()} | {"redis-cli": self.cli.lost()}


def move(c, crowd, holder, order, record, what):
    """Moves the address away from `holder`; returns who has it then."""
    since = now()
    order(holder)
    new = c.wait_settled(but=[holder])
    left = next(h.end for h in c.observer.holds(VIP) if h.host == holder and h.end and h.end > since)
    gap = crowd.felt(since, left, record, what)
    record(f"{what}: longest gap of a writer", gap * 1000)
    return new


def test_bare_failovers_lose_no_acknowledged_write(make_cluster, record):
    c = make_cluster(failover_timeout=4000)
    crowd, holder = Crowd(c), "h1"
    for _ in range(MOVES):
        holder = move(c, crowd, holder, lambda h: c.sentinel_failover(via=h, timeout=40), record, "SENTINEL FAILOVER")
        c.wait_replicas(holder, timeout=90)
    assert not any(crowd.lost().values()), crowd.lost()


def test_a_killed_master_costs_clients_little_more_than_sentinel_needs(make_cluster, record):
    c = make_cluster(failover_timeout=4000)
    crowd, poller, holder = Crowd(c), c.poller(), "h1"
    for _ in range(MOVES):
        since = now()
        c.kill_redis(holder)
        new = c.wait_settled(but=[holder])
        named = poller.majority_since(c.address(new), since)
        crowd.wait_writing()
        for name, client in crowd.writers.items():
            first = next(t for _, t in client.acks() if t > named)
            record(f"kill -9: majority's word until redis-py's {name} go on", (first - named) * 1000)
        c.start_redis(holder)
        c.wait_replicas(new, timeout=90)
        holder = new
