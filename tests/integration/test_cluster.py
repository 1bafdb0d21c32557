# SPDX-License-Identifier: BSD-2-Clause
"""svipctl --cluster: what every node answers, from any of them; of their histories one."""

import json

import pytest
from netns import wait_until


def steps(c, name):
    """The merged history as (host, step or "from → to"), by time."""
    answer = json.loads(c.svipctl(name, "-j", "--cluster", "history").stdout)
    found = []
    for n in answer["nodes"]:
        host = c.host_of(n["node"])
        found += [(e["time_us"], 0, host, f"{e['from']} → {e['to']}") for e in n["answer"]["history"]]
        found += [(e["time_us"], 1, host, e["step"]) for e in n["answer"]["steps"]]
    return [(host, what) for _, _, host, what in sorted(found)]


@pytest.mark.parametrize("how", ["failover", "handover"])
def test_a_move_is_one_timeline_of_all_nodes(cluster, how):
    c = cluster
    c.wait_replicas("h1")
    if how == "failover":
        c.sentinel_failover()
    else:
        assert c.svipctl("h1", "handover", "mymaster", timeout=30).returncode == 0
    wait_until(lambda: c.holders() not in (set(), {"h1"}), 20, c.describe)
    new = next(iter(c.holders()))
    wait_until(lambda: {host for host, what in steps(c, "h3") if what == "master-switched"} == set(c.nodes), 10, c.describe)
    every = steps(c, "h3")
    move = every[every.index(("h1", "writes-wait")):]
    order = [("h1", "writes-wait"), ("h1", "released"), (new, "taken"), (new, "announced")]
    at = [move.index(o) for o in order]
    assert at == sorted(at), move
    said = c.svipctl("h3", "--cluster", "history")
    assert said.returncode == 0 and "NODE" in said.stdout, said.stdout + said.stderr
    assert max(map(len, said.stdout.splitlines())) <= 80
    lines = [line for line in said.stdout.splitlines() if " released " in line]
    assert lines and c.address("h1") in lines[-1] and " ms" in lines[-1], said.stdout


def test_who_does_not_answer_is_named(cluster):
    c = cluster
    said = c.svipctl("h2", "--cluster", "status")
    assert said.returncode == 0 and all(f"{c.address(n)}:\n" in said.stdout for n in c.nodes), said.stdout
    said = c.svipctl("h2", "--cluster", "why", "mymaster")
    assert said.returncode == 0 and said.stdout.count("3 of 3 Sentinels") >= 1, said.stdout
    c.stop_svipd("h3")
    said = c.svipctl("h2", "--cluster", "status")
    assert said.returncode == 1 and f"{c.address('h3')}: connection refused" in said.stdout, said.stdout
    said = c.svipctl("h2", "--cluster", "reload")
    assert said.returncode == 2 and "status, why and history" in said.stderr
