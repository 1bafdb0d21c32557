# SPDX-License-Identifier: BSD-2-Clause
"""Handing a master over: no acknowledged write is lost, and what can't work leaves everything as it was."""

import json
import signal
import subprocess
import time

from cluster import SENTINEL_PORT, program
from netns import now, wait_until
from resp import pairs

VIP = "10.77.0.50"
STEPS = ["checking", "holding-writes", "catching-up", "asked", "moving", "done"]


def handover(c, name, *args, instance="mymaster", timeout=70):
    """`svipctl handover`: its exit status and its last answer."""
    done = c.svipctl(name, "-j", "handover", instance, *args, timeout=timeout)
    return done.returncode, json.loads(done.stdout)


def steps(answer):
    return [s["step"] for s in answer["steps"]]


def refused(c, name, words, *args, **options):
    """It fails, says why, and nothing has changed."""
    status, answer = handover(c, name, *args, **options)
    assert (status, answer["ok"], answer.get("running", False)) == (1, False, False)
    assert words in answer["message"], answer
    return answer


def unmoved(c, writer, since, longest):
    """h1 holds as ever, and no write has waited longer than that."""
    writer.wait_writing()
    assert c.holders() == {"h1"} and c.named() == "h1"
    assert writer.outage(since)[0] < longest, writer.outage(since)


def set_priority(c, priority, *names):
    """Sets it, and waits until every Sentinel has heard of it."""
    for name in names:
        with c.redis(name) as r:
            r.call("CONFIG", "SET", "replica-priority", str(priority))

    def known(sentinel):
        with c.redis(sentinel, SENTINEL_PORT) as s:
            told = {r["ip"]: r["slave-priority"] for r in map(pairs, s.call("SENTINEL", "REPLICAS", "mymaster"))}
        return all(told[c.address(n)] == str(priority) for n in names)
    wait_until(lambda: all(known(s) for s in c.sentinels), 30, "Sentinels hear of the priority", every=0.2)


def test_handovers_there_and_back_lose_nothing(cluster, record):
    c, last = cluster, "h1"
    writer = c.writer()
    for _ in range(4):
        c.wait_sentinels(timeout=60)
        c.wait_peers()
        asked = now()
        status, answer = handover(c, last)
        assert (status, answer["ok"], steps(answer)) == (0, True, STEPS), answer
        new = c.wait_settled(but=[last])
        writer.wait_writing()
        record("outage of a writer", writer.outage(asked)[0] * 1000)
        record("handover", answer["steps"][-1]["after_ms"])
        record("until asked", answer["steps"][3]["after_ms"])
        last = new
    with c.redis(last) as r:
        assert writer.lost(r) == 0


def test_it_is_refused_where_it_can_not_work(cluster):
    c, since = cluster, now()
    writer = c.writer(timeout=5)
    assert refused(c, "h2", "10.77.0.11 holds: run it there")["error"] == "not-holder"
    assert refused(c, "h1", "no such instance", instance="other")["error"] == "unknown-name"
    assert c.svipctl("h1", "handover", "mymaster", "61").returncode == 2
    assert c.svipctl("h1", "handover").returncode == 2
    c.svipctl("h3", "maintenance", "on")
    wait_until(lambda: c.peer("h1", "h3")["maintenance"], 5, "h1 hears of the maintenance")
    refused(c, "h1", "node 10.77.0.13: maintenance is on there")
    c.stop_svipd("h3")
    wait_until(lambda: c.peer("h1", "h3")["state"] != "alive", 10, "h1 misses h3")
    refused(c, "h1", "node 10.77.0.13: its svipd is not heard")
    for name in ("h2", "h3"):
        c.end(name, "sentinel")
    wait_until(lambda: not c.holders(), 10, "no majority, no holder")
    assert refused(c, "h1", "")["error"] == "not-holder"
    for name in ("h2", "h3"):
        c.start_sentinel(name)
    c.wait_holder("h1")
    unmoved(c, writer, since, 20)


def test_a_minority_that_can_not_elect_is_told_before_writes_wait(cluster):
    """svipd's own majority is there, that of the Sentinels among each other is not."""
    c, since = cluster, now()
    writer = c.writer()
    for name in c.sentinels:
        with c.redis(name, SENTINEL_PORT) as s:
            s.call("SENTINEL", "SET", "mymaster", "quorum", "4")
    refused(c, "h1", "the Sentinels could not fail over: NOQUORUM")
    unmoved(c, writer, since, 1)


def test_a_replica_that_lags_gives_the_writes_back(cluster, record):
    c = cluster
    writer = c.writer(timeout=10)
    c.signal("h2", signal.SIGSTOP, "redis-6379")
    try:
        asked = now()
        answer = refused(c, "h1", "the replica 10.77.0.12:6379 is ")
        assert "bytes behind" in answer["message"] and steps(answer)[:3] == STEPS[:3]
        record("outage of a writer", writer.outage(asked)[0] * 1000)
    finally:
        c.signal("h2", signal.SIGCONT, "redis-6379")
    unmoved(c, writer, asked, 4)


def test_a_replica_that_may_not_be_promoted_is_none(cluster):
    c, since = cluster, now()
    writer = c.writer()
    set_priority(c, 0, "h2", "h3")
    refused(c, "h1", "its priority is 0")
    unmoved(c, writer, since, 1)


def test_the_lowest_priority_alone_counts(cluster):
    c = cluster
    writer = c.writer()
    set_priority(c, 10, "h3")
    c.stop_svipd("h2")
    wait_until(lambda: c.peer("h1", "h2")["state"] != "alive", 10, "h1 misses h2")
    status, answer = handover(c, "h1")
    assert status == 0, answer
    assert c.wait_settled(but=["h1"]) == "h3"
    writer.wait_writing()
    with c.redis("h3") as r:
        assert writer.lost(r) == 0


def test_two_at_once_are_one(cluster):
    c = cluster
    writer = c.writer()
    c.signal("h2", signal.SIGSTOP, "redis-6379")  # so that the first one takes its time
    try:
        first = subprocess.Popen([program("svipctl"), "-s", c.hosts["h1"].socket, "handover", "mymaster"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: "handover: catching-up" in c.hosts["h1"].log(), 5, "the first one has begun")
        assert refused(c, "h1", "under way")["error"] == "handover-running"
        followed = c.svipctl("h1", "handover", "mymaster", "progress")
        out, err = first.communicate(timeout=20)
    finally:
        c.signal("h2", signal.SIGCONT, "redis-6379")
    assert (first.returncode, followed.returncode, err) == (1, 1, "")
    assert out == followed.stdout and [line.split()[2] for line in out.splitlines() if " ms  " in line] == STEPS[:3] + ["failed"]
    writer.wait_writing()


def test_without_hold_writes_they_wait_all_the_same(make_cluster):
    c = make_cluster(settings={"hold-writes": '"off"'})
    writer = c.writer()
    assert handover(c, "h1")[0] == 0
    new = c.wait_settled(but=["h1"])
    writer.wait_writing()
    with c.redis(new) as r:
        assert writer.lost(r) == 0


def test_a_redis_that_dies_ends_it(cluster):
    c = cluster
    c.writer()
    c.signal("h2", signal.SIGSTOP, "redis-6379")
    try:
        first = subprocess.Popen([program("svipctl"), "-s", c.hosts["h1"].socket, "-j", "handover", "mymaster"], text=True,
                                 stdout=subprocess.PIPE)
        wait_until(lambda: "handover: catching-up" in c.hosts["h1"].log(), 5, "it has begun")
        c.kill_redis("h1")
        answer = json.loads(first.communicate(timeout=20)[0])
    finally:
        c.signal("h2", signal.SIGCONT, "redis-6379")
    assert not answer["ok"] and "the local Redis can't be asked" in answer["message"]
    c.wait_settled(but=["h1"])


# ---- handover-on-stop ----

def test_a_stop_hands_over(make_cluster, record):
    c = make_cluster(settings={"handover-on-stop": '"on"'})
    writer = c.writer()
    asked = now()
    assert c.stop_svipd("h1", timeout=20) == 0
    assert "handover: done" in c.hosts["h1"].log("svipd")
    new = c.wait_settled(but=["h1"])
    writer.wait_writing()
    record("outage of a writer", writer.outage(asked)[0] * 1000)
    with c.redis(new) as r:
        assert writer.lost(r) == 0
    assert c.stop_svipd("h3" if new == "h2" else "h2", timeout=5) == 0, "who holds nothing stops at once"


def test_a_stop_that_can_not_hand_over_stops_all_the_same(make_cluster):
    c = make_cluster(settings={"handover-on-stop": '"on"'})
    for name in ("h2", "h3"):
        c.stop_svipd(name)
    wait_until(lambda: c.peer("h1", "h2")["state"] != "alive", 10, "h1 misses h2")
    assert c.stop_svipd("h1", timeout=5) == 0
    assert "handover: failed" in c.hosts["h1"].log("svipd")
    c.wait_holder(None)


def test_a_second_signal_does_not_wait(make_cluster):
    c = make_cluster(settings={"handover-on-stop": '"on"'})
    c.writer()
    c.signal("h2", signal.SIGSTOP, "redis-6379")
    try:
        c.signal("h1", signal.SIGTERM)
        wait_until(lambda: "handover: catching-up" in c.hosts["h1"].log(), 5, "it has begun")
        assert c.stop_svipd("h1", timeout=5) == 0
        assert "failed" in c.hosts["h1"].log() and "svipd stops" in c.hosts["h1"].log()
    finally:
        c.signal("h2", signal.SIGCONT, "redis-6379")


def test_leaving_and_interrupting_hand_nothing_over(make_cluster):
    c = make_cluster(settings={"handover-on-stop": '"on"'})
    c.end("h1", "svipd", signal.SIGUSR2)
    c.start_svipd("h1")
    c.wait_holder("h1")
    c.end("h1", "svipd", signal.SIGINT)
    assert "handover" not in c.hosts["h1"].log()
    assert c.named() == "h1"


# ---- expedite-failover ----

def test_a_redis_that_is_gone_is_not_waited_for(make_cluster, record):
    c = make_cluster(down_after=20000, settings={"expedite-failover": '"300ms"'})
    writer = c.writer()
    killed = c.kill_redis("h1")
    new = c.wait_settled(but=["h1"], timeout=15)
    writer.wait_writing()
    record("outage of a writer", writer.outage(killed)[0] * 1000)
    log = c.hosts["h1"].log()
    assert "reason=redis-gone" in log and log.count("is asked to fail over at once") == 1
    c.start_redis("h1")
    c.wait_replicas(new, timeout=40)
    time.sleep(1)
    assert c.holders() == {new}


def test_without_it_sentinel_alone_decides(make_cluster):
    c = make_cluster(down_after=20000)
    c.kill_redis("h1")
    time.sleep(3)
    assert c.holders() == {"h1"} and c.named() == "h1"
    c.start_redis("h1")


def test_a_quick_restart_is_no_reason_to_fail_over(make_cluster):
    c = make_cluster(down_after=20000, settings={"expedite-failover": '"5s"'})
    for _ in range(2):
        c.kill_redis("h1")
        time.sleep(1)
        c.start_redis("h1")
        time.sleep(1)
    c.writer()
    assert c.holders() == {"h1"} and "redis-gone" not in c.hosts["h1"].log()


def test_a_redis_that_hangs_or_has_too_many_clients_is_not_gone(make_cluster):
    c = make_cluster(down_after=20000, settings={"expedite-failover": '"200ms"'})
    with c.redis("h1") as r:
        r.call("CONFIG", "SET", "maxclients", "1")
        time.sleep(2)
        r.call("CONFIG", "SET", "maxclients", "10000")
    c.signal("h1", signal.SIGSTOP, "redis-6379")
    time.sleep(2)
    c.signal("h1", signal.SIGCONT, "redis-6379")
    c.writer()
    assert "redis-gone" not in c.hosts["h1"].log() and c.named() == "h1"


def test_no_replica_is_asked_for_again_and_then_left_to_sentinel(make_cluster):
    c = make_cluster(down_after=20000, settings={"expedite-failover": '"200ms"'})
    set_priority(c, 0, "h2", "h3")
    c.kill_redis("h1")
    wait_until(lambda: "its own down-after-milliseconds decides" in c.hosts["h1"].log(), 10, "svipd gives up")
    log = c.hosts["h1"].log()
    assert log.count("is asked to fail over at once") == 4 and log.count("reason=redis-gone") == 1
    c.start_redis("h1")
    c.wait_holder("h1")
