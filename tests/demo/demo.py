# SPDX-License-Identifier: BSD-2-Clause
"""A minute of svipd: three hosts in network namespaces, with real Redis and Sentinel, and what can befall them.

    demo.py            runs the show
    demo.py --shell    only builds the hosts, and tells how to enter them

Needs root, redis-server, redis-sentinel, nft and ip. SVIPD and SVIPCTL name the programs to use. Touches nothing
outside the namespaces that it makes, and removes them at the end.
"""

import argparse
import os
import shutil
import signal
import sys
import textwrap
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "integration"))

from cluster import Cluster, program  # noqa: E402
from netns import now, wait_until  # noqa: E402

VIP = "10.77.0.50"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
NEEDED = {"redis-server": "redis-server", "redis-sentinel": "redis-sentinel", "nft": "nftables", "ip": "iproute2"}


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def say(text="", indent=3, code=None):
    """Prints a paragraph of at most 80 columns."""
    for line in textwrap.wrap(text, 79, initial_indent=" " * indent, subsequent_indent=" " * indent) or [""]:
        print(paint(line, code) if code else line, flush=True)


def heading(number, text):
    print(f"\n{paint(number, '1;36')}  {paint(text, '1')}", flush=True)


def at(ms, text, code=None):
    print(f"   {ms:6.0f} ms  {paint(text, code) if code else text}", flush=True)


def why(c, name):
    """What the host's own svipd says about it: paragraphs whose further lines are indented."""
    paragraphs = []
    for line in c.svipctl(name, "why", c.instances[0].name).stdout.splitlines():
        if paragraphs and line.startswith(" ") and not line.lstrip().startswith("next:"):
            paragraphs[-1] += " " + line.strip()
        else:
            paragraphs.append(line.strip())
    print(paint(f"   svipctl why, on {name}:", "2"))
    for text in paragraphs:
        say(text, 6, "2")


class Show:
    """The cluster, the client that writes all the time, and the poller of the Sentinels."""

    def __init__(self, cluster):
        self.c = cluster
        self.writer = self.poller = None

    def act(self, number, title, first, happen, reason=None):
        """Lets something happen to the holder, waits until all is well, tells the story in milliseconds."""
        c = self.c
        old = next(iter(c.holders()))
        heading(number, title.format(old))
        begin = happen(old)
        new = c.wait_settled(but=[old], timeout=60)
        self.writer.wait_writing(timeout=60)
        gap, _, went_on = self.writer.outage(begin)
        holds = c.observer.holds(VIP)
        story = [(begin, first.format(old), None)]
        left = next(h for h in reversed(holds) if h.host == old)
        if c.hosts[old].on:
            story.append((left.end, f"{old} has let go of the address", None))
        named = self.poller.majority_since(c.address(new), begin)
        if named:
            story.append((named, f"a majority of the Sentinels names {new}", None))
        story.append((holds[-1].start, f"{new} holds the address", "32"))
        story.append((went_on, "the client writes again", None))
        for when, text, code in sorted(story, key=lambda s: s[0]):
            at((when - begin) * 1000, text, code)
        with c.redis(new) as r:
            lost = self.writer.lost(r, begin)
        say(f"The client could not write for {gap * 1000:.0f} ms. Acknowledged writes lost: {lost}.")
        if reason:
            say(reason)
        why(c, new)
        return old, new


def start(c):
    heading("1", "Start")
    c.up()
    c.start(svipd=False)
    begin = now()
    for name in c.nodes:
        c.start_svipd(name, wait=False)
    c.wait_holder("h1")
    c.wait_peers()
    show = Show(c)
    show.writer, show.poller = c.writer(), c.poller()
    at((c.observer.holds(VIP)[0].start - begin) * 1000, "after the start of svipd, h1 holds the address", "32")
    why(c, "h1")
    return show


def rejoin(c, name):
    """Sentinel would do that within about ten seconds."""
    master = c.named()
    with c.redis(name) as r:
        r.call("REPLICAOF", c.address(master), 6379)


def run(c):
    print(paint("svipd: a virtual address that follows the master Redis Sentinel names", "1"))
    print()
    say("Three hosts, h1, h2 and h3, each with Redis, Sentinel and svipd, and a client. "
        f"All that follows is measured from outside of svipd. The client writes 200 times a second to {VIP}.")
    show = start(c)

    old, _ = show.act("2", "The Redis of {} is killed", "kill -9 of Redis on {}", c.kill_redis,
                      "Most of it is Sentinel's time: 1.5 seconds until it believes it, then its vote.")
    c.start_redis(old)
    wait_until(lambda: c.redis(old).call("PING") == "PONG", 10, "Redis is back")
    rejoin(c, old)
    say(f"Redis on {old} is started again and becomes a replica.")

    time.sleep(3)
    old, new = show.act("3", "Power fails on {}", "{} is off", c.power_off,
                        "Nobody can ask a dead host whether it still holds. So the new one waits until the old "
                        "lease has run out for sure.")
    c.boot(old)
    wait_until(lambda: c.redis(old).call("PING") == "PONG", 10, "Redis is back")
    rejoin(c, old)
    say(f"{old} is booted. It does not take the address back.")
    c.wait_sentinels(40)
    c.wait_peers()

    show.act("4", "A planned failover: SENTINEL FAILOVER, {} lives", "SENTINEL FAILOVER",
             lambda old: c.sentinel_failover(via=old),
             "The old holder lives and says that it has let go: nobody has to wait.")
    c.wait_sentinels(40)

    def cut(host):
        c.isolate(host)
        return now()
    old, new = show.act("5", "The network of {} is cut", "{} is cut off from all others", cut,
                        "The host that was cut off cannot know who is master now, so it let go by its own clock.")
    why(c, old)
    c.heal()
    c.wait_peers()
    time.sleep(1)
    say(f"The network is whole again. {' and '.join(sorted(c.holders()))} still holds the address.")

    problems = c.problems()
    print()
    moves = c.observer.moves(VIP)
    if problems:
        say("What must never be has been seen:", 0, "1;31")
        for problem in problems:
            say(problem, 3)
        return 1
    say(f"The address went {' > '.join(moves)}. By the kernels' own word it was never on two hosts at once.", 0, "1")
    return 0


def shell(c):
    start(c)
    ctl = os.path.relpath(program("svipctl"))
    print("\nThe hosts are up. In another terminal, as root:\n")
    for name, host in c.hosts.items():
        print(f"   ip netns exec {host.ns:18} bash    # {name}, {host.ip4}")
    print()
    for name in c.nodes:
        print(f"   {ctl} -s {c.hosts[name].socket} status")
    print("\nThings to try on h1:\n")
    print("   redis-cli shutdown nosave")
    print("   redis-cli -p 26379 sentinel failover mymaster")
    print(f"   ip addr del {VIP}/32 dev eth0")
    print("   ip link set eth0 down")
    print(f"\nOn the client, redis-cli -h {VIP} reaches the master, wherever it is.")
    print(f"Logs and configuration of h1 are in {c.dir}/h1.")
    print("\nEnter or Ctrl-C ends it and removes everything.", flush=True)
    try:
        if not sys.stdin.readline():
            signal.pause()
    except KeyboardInterrupt:
        print()
    return 0


def main():
    parser = argparse.ArgumentParser(description="A minute of svipd in network namespaces.")
    parser.add_argument("--shell", action="store_true", help="leave the hosts up and tell how to enter them")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("demo: needs root, to make network namespaces")
    for name, package in NEEDED.items():
        if not shutil.which(name):
            sys.exit(f"demo: {name} is missing: apt install {package}")
    try:
        program("svipd"), program("svipctl")
    except FileNotFoundError as error:
        sys.exit(f"demo: {error}")
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda number, frame: sys.exit(128 + number))
    try:
        with Cluster(down_after=1500, failover_timeout=3000, log_level="info") as c:
            status = shell(c) if options.shell else run(c)
        if not options.shell:
            say("Everything made for this is gone again.", 0)
        return status
    except KeyboardInterrupt:
        print("\ndemo: ended; everything made for it is gone again")
        return 130
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
