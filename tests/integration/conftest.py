# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures: clusters that are checked and removed at the end of each test, and the record of what was measured.

    ./run                              all tests; needs root, about seven minutes
    ./run test_failover.py -k planned  some of them

In the environment: SVIPD and SVIPCTL (the programs to test), SVIP_RESULTS (a file that gets a JSON line for each
measurement), SVIP_KEEP (a directory that gets all files of clusters of failed tests), SVIP_LOSS_SECONDS (how long
the tests under loss run, 60), SVIP_FAILOVERS (how many failovers in a row, 2), SVIP_MOVES (moves of each kind under clients, 2), SVIP_SEED (of hostile heartbeats), SVIP_RESTARTS
(of the holder in a row, 5), SVIP_GENTLE (not empty: at a test's end the daemons are stopped, not killed, so that a build with
--enable-coverage writes down what has run; `make coverage-report` then tells).
"""

import json
import os
import signal
import statistics
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, close_all, program  # noqa: E402

_recorded = []


def pytest_configure(config):
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: pytest.exit("ended by a signal", 143))


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("these tests make network namespaces: run them as root", 2)


def pytest_sessionfinish(session):
    close_all()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs the test and then the checkers, so that what they find is the test's failure."""
    names = pyfuncitem._fixtureinfo.argnames
    pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    problems = [p for cluster in getattr(pyfuncitem, "clusters", []) for p in cluster.problems()]
    assert not problems, "\n".join(problems)
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for cluster in getattr(item, "clusters", []):
            report.sections.append((f"cluster {cluster.prefix}", story(cluster)))


def story(cluster):
    """What is worth reading after a failure."""
    parts = []
    if cluster.observer:
        try:
            parts += [str(h) for h in cluster.observer.holds()] + [f"PROBLEM: {p}" for p in cluster.problems()[:5]]
        except RuntimeError as error:
            parts.append(str(error))
    for host in cluster.hosts.values():
        lines = host.log().splitlines()
        if lines:
            parts += [f"--- svipd on {host.name} ({len(lines)} lines)", *lines[-60:]]
    keep = os.environ.get("SVIP_KEEP")
    if keep and cluster.dir.exists():
        os.system(f"mkdir -p '{keep}' && cp -r '{cluster.dir}' '{keep}/'")
        parts.append(f"all files are in {keep}/{cluster.dir.name}")
    return "\n".join(parts)


@pytest.fixture
def make_cluster(request):
    """make_cluster(**options) -> a Cluster with a network and a prober; start=False: no programs yet.

    At the end of the test every cluster is checked: never two holders, never two answerers, nothing has crashed.
    """
    made = request.node.clusters = []

    def make(start=True, probe=True, settle=True, **options):
        program("svipd"), program("svipctl")
        cluster = Cluster(**options)
        made.append(cluster)
        cluster.up()
        if probe:
            cluster.prober()
        if start:
            cluster.start()
            if settle:
                for instance in cluster.instances:
                    cluster.wait_holder("h1", instance=instance)
                cluster.wait_peers()
        return cluster

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(make_cluster):
    """Three hosts, all well, h1 holds."""
    return make_cluster()


@pytest.fixture
def record(request):
    """record(what, value): notes a measurement; a JSON line in $SVIP_RESULTS, and a median at the end."""
    def note(what, value, **more):
        line = {"test": request.node.name, "what": what, "value": round(value, 3), **more}
        _recorded.append(line)
        path = os.environ.get("SVIP_RESULTS")
        if path:
            with open(path, "a") as f:
                f.write(json.dumps(line) + "\n")
    return note


def pytest_terminal_summary(terminalreporter):
    if not _recorded:
        return
    rows = {}
    for line in _recorded:
        rows.setdefault((line["test"], line["what"]), []).append(line["value"])
    terminalreporter.write_line("")
    terminalreporter.write_line(f"{'median, ms':>12} {'n':>3}  what (test)")
    for (test, what), values in rows.items():
        terminalreporter.write_line(f"{statistics.median(values):12.1f} {len(values):3}  {what} ({test})")
