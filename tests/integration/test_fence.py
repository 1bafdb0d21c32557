# SPDX-License-Identifier: BSD-2-Clause
"""The fence seen from outside: the last answer of a holder that was killed or stopped, against its lease's end.

SVIP_FENCE_RUNS: how often each (3; the figures in doc/SAFETY.md are from 50).
"""

import os
import signal
import statistics
import struct
import time

import pytest
from lastword import KINDS, LastWord
from netns import now, wait_until

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
