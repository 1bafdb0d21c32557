# SPDX-License-Identifier: BSD-2-Clause
"""How many instructions lie between the input that decides and the first announcement: a regression shows without a clock."""

import os
import re
import shutil

import pytest
from cluster import program
from netns import wait_until

# Measured: 22,000 to 37,000 (GCC 12, -O2): a heartbeat decides, or a Sentinel's reply. What the kernel does isn't counted.
CEILING = 60_000

pytestmark = pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind")


def start_counted(c, name):
    """svipd under callgrind, which counts from each reading of a socket and writes the sum down at each announcement's begin. Not
    before ordinary processes: it is fifty times slower, and would be ended as a runaway."""
    host = c.hosts[name]
    c.write_config(name)
    os.chmod(host.dir, 0o777)
    c._spawn(host, "svipd", ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "valgrind", "-q", "--tool=callgrind",
                             f"--callgrind-out-file={host.dir}/counts.%p", "--zero-before=on_readable", "--dump-after=announcer_start",
                             program("svipd"), "-n", "-f", str(host.dir / "svipd.conf"), "-s", host.socket,
                             "-p", str(host.dir / "svipd.pid")])
    wait_until(lambda: c.svipctl(name, "version").returncode == 0, 60, lambda: f"svipd on {name} answers\n{host.log()[-2000:]}")


def counts(host):
    """Of the announcements that have begun, in their order."""
    found = {}
    for path in host.dir.glob("counts.*.*"):
        text = path.read_text()
        if "Trigger: --dump-after=announcer_start" in text and (m := re.search(r"^(?:summary|totals): (\d+)", text, re.M)):
            found[int(path.name.rpartition(".")[2])] = int(m[1])
    return [found[k] for k in sorted(found)]


def test_the_takeover_path_stays_short(make_cluster, record):
    c = make_cluster(start=False, hosts=2, extra=("s1",), sentinels=("h1", "h2", "s1"), lease=5.0)
    c.start(svipd=False)
    c.start_svipd("h1")
    start_counted(c, "h2")
    c.wait_holder("h1")
    c.sentinel_failover(via="h2")
    c.wait_holder("h2", timeout=60)
    host = c.hosts["h2"]
    wait_until(lambda: counts(host), 20, "the count is written down")
    n = counts(host)[-1]
    record("instructions from the deciding input to the announcement", n)
    assert 1_000 < n < CEILING
    c.stop_svipd("h2", timeout=60)
