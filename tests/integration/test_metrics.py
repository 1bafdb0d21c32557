# SPDX-License-Identifier: BSD-2-Clause
"""Metrics: the same in the status, in svipctl's text and over HTTP; and whoever reads them isn't felt."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import netns
import pytest
from cluster import REPO
from netns import now, wait_until

PORT = 9478


def promtool(*args, text=None):
    """Runs promtool, of the PATH or of ./bootstrap deps; skips where there is none."""
    path = shutil.which("promtool") or str(REPO / "build" / "tools" / "promtool")
    if not os.access(path, os.X_OK):
        pytest.skip("no promtool (Debian package prometheus)")
    return subprocess.run([path, *args], input=text, capture_output=True, text=True, timeout=60)


def samples(text):
    """{(name, (label, …)): value}"""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            key = name.removeprefix("svipd_"), tuple(re.findall(r'\w+="([^"]*)"', labels or ""))
            assert key not in found, key
            found[key] = float(value)
    return found


def metrics(c, name):
    done = c.svipctl(name, "metrics")
    assert done.returncode == 0, done.stderr
    return samples(done.stdout)


class Web:
    """Asks a host's svipd from the client."""

    def __init__(self, c, name, source="client"):
        self.c, self.name, self.source = c, name, source

    def ask(self, method="GET", path="/metrics", limit=5):
        with netns.inside(self.c.hosts[self.source].ns):
            web = http.client.HTTPConnection(self.c.address(self.name), PORT, timeout=limit)
            web.connect()
        try:
            web.request(method, path)
            answer = web.getresponse()
            return answer.status, answer.read().decode(), answer
        finally:
            web.close()

    def open(self):
        with netns.inside(self.c.hosts[self.source].ns):
            return socket.create_connection((self.c.address(self.name), PORT), timeout=5)


def served(make_cluster, **options):
    return make_cluster(settings={"metrics-listen": f'"0.0.0.0:{PORT}"'}, **options)


def test_metrics_say_what_the_status_says(make_cluster):
    c = served(make_cluster)
    wait_until(lambda: all(v == 1 for (n, _), v in metrics(c, "h1").items() if n in ("peer_config_match", "sentinel_agrees")),
               10, "all agree", every=0.2)
    text = c.svipctl("h1", "metrics").stdout
    said, status = samples(text), c.status("h1")
    vip = status["instances"][0]
    assert said["vip_held", ("mymaster",)] == 1 and said["vip_state", ("mymaster", "master")] == 1
    assert said["vip_epoch", ("mymaster",)] == vip["epoch"]
    assert 0 < said["vip_lease_remaining_seconds", ("mymaster",)] <= c.lease
    assert said["vip_confirmations", ("mymaster",)] == 3 and said["quorum", ()] == 1
    assert said["vip_transitions_total", ("mymaster", "master")] == 1
    assert said["vip_announcements_total", ("mymaster",)] > 0
    assert abs(said["start_timestamp_seconds", ()] - (time.time() - status["uptime_ms"] / 1000)) < 5
    assert [said["peer_up", (c.address(n),)] for n in ("h2", "h3")] == [1, 1]
    assert said["sentinel_up", (c.address("h2") + ":26379",)] == 1
    assert said["heartbeats_refused_total", ("bad-tag",)] == 0
    # the same over HTTP, but for what grows
    code, body, answer = Web(c, "h1").ask()
    assert code == 200 and answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(body).keys() == said.keys()
    done = promtool("check", "metrics", text=body)
    assert done.returncode == 0 and not (done.stdout + done.stderr).strip(), done.stdout + done.stderr


def test_alerts_find_what_they_are_for():
    done = promtool("check", "rules", str(REPO / "doc" / "alerts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("test", "rules", str(REPO / "tests" / "metrics" / "alerts_test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_and_dashboard_know_no_other_names_than_the_manual():
    known = set(re.findall(r"^\.Ql ([a-z_]+)", (REPO / "doc" / "svipctl.8").read_text(), re.M))
    dashboard = json.loads((REPO / "doc" / "grafana.json").read_text())
    asked = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
    asked += re.findall(r"expr: (.*)", (REPO / "doc" / "alerts.yml").read_text())
    asked += [v["query"] for v in dashboard["templating"]["list"]]
    names = set(re.findall(r"svipd_([a-z_]+)", " ".join(asked)))
    assert len(names) > 25 and not names - known, names - known
    panels = dashboard["panels"]
    assert len({p["id"] for p in panels}) == len({p["title"] for p in panels}) == len(panels)


def test_a_move_is_counted_where_it_went_from_and_to(make_cluster):
    c = make_cluster()
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    released = {k[1][1]: v for k, v in metrics(c, "h1").items() if k[0] == "vip_releases_total"}
    assert sum(released.values()) == 1 and set(released) <= {"newer-epoch", "peer-newer", "other-named"}, released
    assert metrics(c, new)["vip_transitions_total", ("mymaster", "master")] == 1
    assert metrics(c, "h1")["vip_held", ("mymaster",)] == 0


def test_only_reading_one_page_is_served(make_cluster):
    c = served(make_cluster, probe=False)
    web = Web(c, "h2")
    assert web.ask("HEAD")[:2] == (200, "")
    assert int(web.ask("HEAD")[2].getheader("Content-Length")) > 1000
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"):
        code, _, answer = web.ask(method)
        assert code == 405 and answer.getheader("Allow") == "GET, HEAD", method
    for path in ("/", "/metrics/", "/metrics/../x", "/status", "/" + "x" * 2000):
        assert web.ask(path=path)[0] == 404, path
    # What is no HTTP is closed, and nobody minds.
    for words in (b"\0" * 4000, b"GET\r\n\r\n", b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 20000, b"\xff\xfe" * 10 + b"\r\n\r\n"):
        with web.open() as s:
            try:
                s.sendall(words)
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                pass
    assert web.ask()[0] == 200


def test_silent_and_greedy_readers_do_not_keep_others_out_for_long(make_cluster):
    c = served(make_cluster, probe=False)
    greedy = Web(c, "h1")
    silent = [greedy.open() for _ in range(12)]
    begun = now()
    # Four of one address at most: another one is served at once.
    assert Web(c, "h1", "h3").ask()[0] == 200
    wait_until(lambda: _answers(greedy), 30, "who was silent is gone", every=0.5)
    assert now() - begun > 5, "until then this address has had its share"
    for s in silent:
        s.close()


def _answers(web):
    try:
        return web.ask(limit=2)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


FLOOD = """
import socket, sys, time
end, n = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    for address in sys.argv[2:]:
        try:
            with socket.create_connection((address, 9478), timeout=0.05) as s:
                s.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                n += 1
        except OSError:
            pass
print(n)
"""


def test_a_flood_of_readers_costs_no_lease_and_no_move(make_cluster, record):
    c = served(make_cluster)
    pid = c.hosts["h1"].procs["svipd"].pid

    def used():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    with netns.inside(c.hosts["client"].ns):
        flood = subprocess.Popen(["/usr/bin/python3", "-c", FLOOD, "9", *(c.address(n) for n in c.nodes)],
                                 stdout=subprocess.PIPE, text=True)
    before, begun = used(), now()
    time.sleep(4)
    cost = (used() - before) / (now() - begun)
    assert c.observer.moves("10.77.0.50") == ["h1"]
    c.sentinel_failover(via="h2")
    new = c.wait_settled(but=["h1"])
    held = c.observer.holds("10.77.0.50")
    connections = int(flood.communicate(timeout=20)[0])
    assert c.observer.moves("10.77.0.50") == ["h1", new]
    record("a flood of readers, share of a core, %", 100 * cost)
    record("a planned move meanwhile, gap of the address", 1000 * (held[-1].start - held[0].end))
    assert connections > 100 and cost < 0.25, f"{connections} connections, {cost:.0%} of a core"


def test_metrics_begin_and_end_with_a_reload(make_cluster):
    c = make_cluster(probe=False)
    assert not _answers(Web(c, "h1"))
    c.write_config("h1", c.config(metrics_listen=f'"0.0.0.0:{PORT}"'))
    assert c.svipctl("h1", "reload").returncode == 0
    wait_until(lambda: _answers(Web(c, "h1")), 10, "it listens")
    assert c.svipctl("h1", "config", "diff").returncode == 0, "the nodes may differ in it"
    # Taken by another program: a warning, and once it is free they are there.
    with netns.inside(c.hosts["h2"].ns):
        taken = socket.create_server(("0.0.0.0", PORT))
    c.write_config("h2", c.config(metrics_listen=f'"0.0.0.0:{PORT}"'))
    assert c.svipctl("h2", "reload").returncode == 0
    wait_until(lambda: "metrics-listen 0.0.0.0:9478: Address already in use" in c.hosts["h2"].log(), 10, "it warns")
    taken.close()
    wait_until(lambda: _answers(Web(c, "h2")), 10, "it listens")
    c.write_config("h1", c.config())
    assert c.svipctl("h1", "reload").returncode == 0
    wait_until(lambda: not _answers(Web(c, "h1")), 10, "it doesn't any more")
