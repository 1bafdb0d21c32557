#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Heartbeats, announcements and the conflict watch between two network namespaces. Needs root, ip, nft, tcpdump.

usage: network.py HANDS      (the program of tests/smoke/hands.c)
Makes its own namespaces, touches nothing else, removes them at the end. TAP on stdout.
"""
import hashlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

HANDS = os.path.abspath(sys.argv[1])
A, B = (f"svipsmoke{os.getpid()}{c}" for c in "ab")
V4, V6 = ["10.9.0.1", "10.9.0.2"], ["fd09::1", "fd09::2"]
VIP4, VIP6 = "10.9.0.50", "fd09::50"
MACS = ["02:00:00:00:09:01", "02:00:00:00:09:02"]
FOREIGN = "02:00:00:00:09:99"
count = failed = 0


def run(*cmd, ns=None, check=True):
    cmd = (["ip", "netns", "exec", ns] if ns else []) + list(cmd)
    return subprocess.run(cmd, check=check, capture_output=True, text=True).stdout


def spawn(ns, *args):
    return subprocess.Popen(["ip", "netns", "exec", ns, HANDS, *map(str, args)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def verdict(name, good, seen=""):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for line in str(seen).strip().splitlines()[-12:]:
        print("#  ", line)
    sys.stdout.flush()


def set_up():
    for ns in (A, B):
        run("ip", "netns", "add", ns)
        run("ip", "link", "set", "lo", "up", ns=ns)
    link_up()


def link_up():
    run("ip", "link", "add", "va", "address", MACS[0], "netns", A, "type", "veth",
        "peer", "vb", "address", MACS[1], "netns", B)
    for i, ns in enumerate((A, B)):
        dev = "va" if i == 0 else "vb"
        run("ip", "addr", "add", V4[i] + "/24", "dev", dev, ns=ns)
        run("ip", "addr", "add", V6[i] + "/64", "dev", dev, "nodad", ns=ns)
        run("ip", "link", "set", dev, "up", ns=ns)
    time.sleep(0.3)


def counters(text):
    last = text.strip().splitlines()[-1]
    return {k: int(v) for k, v in (p.split("=") for p in last.split() if "=" in p)}


def beat(nodes, group, unicast, keys=(1, 1), ttl=(255, 255), seconds=1.2, during=None):
    procs = [spawn(ns, "beat", seconds, keys[i], group, unicast, ttl[i], i, *nodes)
             for i, ns in enumerate((A, B))]
    if during:
        during()
    texts = [p.communicate()[0] for p in procs]
    return texts, [counters(t) for t in texts]


class Capture:
    """tcpdump on one side: (time, line) of each frame."""

    def __init__(self, ns, dev, what):
        self.out = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would hold it up
        self.p = subprocess.Popen(["ip", "netns", "exec", ns, "tcpdump", "-i", dev, "-n", "-e", "-tt", "-v",
                                   "-s", "300", "-B", "8192", "--immediate-mode", "-l", *what.split()], stdout=self.out,
                                  stderr=subprocess.PIPE, text=True)
        self.p.stderr.readline()
        time.sleep(0.3)

    def lines(self):
        time.sleep(0.2)
        self.p.terminate()
        self.p.communicate()
        self.out.seek(0)
        out = []
        for line in self.out.read().splitlines():
            if re.match(r"\d+\.\d+ ", line):
                out.append(line)
            elif out:
                out[-1] += line
        return [(float(l.split()[0]), l) for l in out]


def heartbeats():
    for name, nodes, group in (("IPv4", V4, "239.83.86.80"), ("IPv6", V6, "ff02::5356")):
        for how, g, u in (("multicast", group, "off"), ("unicast", "off", "unicast"), ("both", group, "unicast")):
            texts, c = beat(nodes, g, u)
            want = 18 if how == "both" else 9
            verdict(f"{name} {how}: both hear each other, and not themselves",
                    all(x["accepted"] >= want and x["accepted"] == x["received"] and x["send_errors"] == 0
                        for x in c), "\n".join(t.splitlines()[-1] for t in texts))
    texts, c = beat(V4, "239.83.86.80", "unicast", keys=(1, 2))
    verdict("another key: nothing is accepted, the node is unknown",
            all(x["accepted"] == 0 and x["bad-tag"] >= 18 for x in c) and "unknown 02" in texts[0] and
            "unknown 01" in texts[1], texts[0])


def ttl():
    for name, nodes, group, rule in (("IPv4", V4, "239.83.86.80", "ip ttl set 254"),
                                     ("IPv6", V6, "ff02::5356", "ip6 hoplimit set 254")):
        run("nft", f"table inet t {{ chain c {{ type filter hook output priority 0; udp dport 27000 {rule}; }}; }}", ns=A)
        texts, c = beat(nodes, group, "unicast")
        verdict(f"{name}: a TTL of 254 is refused, 255 taken",
                c[1]["accepted"] == 0 and c[1]["low-ttl"] >= 18 and c[0]["accepted"] >= 18, texts[1])
        texts, c = beat(nodes, group, "unicast", ttl=(255, 254))
        verdict(f"{name}: and taken where ttl-min allows it", c[1]["accepted"] >= 18,
                texts[1].splitlines()[-1])
        run("nft", "flush", "ruleset", ns=A)


def source():
    run("ip", "addr", "flush", "dev", "va", ns=A)
    for a in (VIP4 + "/24", V4[0] + "/24"):
        run("ip", "addr", "add", a, "dev", "va", ns=A)
    for a in (V6[0] + "/64", VIP6 + "/64"):
        run("ip", "addr", "add", a, "dev", "va", "nodad", ns=A)
    plain = run("ip", "route", "get", V4[1], ns=A) + run("ip", "route", "get", V6[1], ns=A)
    cap = Capture(B, "vb", "udp port 27000 and ether src " + MACS[0])
    beat(V4, "239.83.86.80", "unicast", seconds=0.5)
    beat(V6, "ff02::5356", "unicast", seconds=0.5)
    lines = [l for _, l in cap.lines()]
    own = [l for l in lines if f"{V4[0]}.27000 >" in l or f"{V6[0]}.27000 >" in l]
    verdict("the VIP is never the source, though routes prefer it",
            len(lines) >= 8 and own == lines and f"src {VIP4}" in plain and f"src {VIP6}" in plain,
            plain + "\n".join(lines[:1] + lines[-1:]))
    verdict("network control: CS6 in both families",
            any("tos 0xc0" in l for l in lines) and any("class 0xc0" in l for l in lines))
    for a in (VIP4 + "/24",):
        run("ip", "addr", "del", a, "dev", "va", ns=A)
    run("ip", "addr", "del", VIP6 + "/64", "dev", "va", ns=A)
    run("ip", "addr", "replace", V4[0] + "/24", "dev", "va", ns=A)


def link_trouble():
    def down_and_up():
        time.sleep(0.5)
        run("ip", "link", "del", "va", ns=A)
        time.sleep(0.5)
        link_up()

    texts, c = beat(V4, "239.83.86.80", "unicast", seconds=3, during=down_and_up)
    late = [re.findall(r"^(\d+) heard", t, re.M) for t in texts]
    verdict("interface deleted and made again: errors are counted, then both groups are joined anew",
            all(x["send_errors"] > 0 for x in c) and all(l and int(l[-1]) > 2700 for l in late) and
            all(t.count("joined") >= 2 for t in texts), "\n".join(l for l in texts[0].splitlines() if "heard" not in l))
    texts, c = beat(V4, "239.83.86.80", "off", seconds=0.8)
    verdict("multicast after that", all(x["accepted"] >= 5 for x in c))


def flood():
    def garbage():
        start = b"SVIP\1\0\0\0" + hashlib.blake2b(b"smoke", digest_size=8).digest()
        code = ("import socket,os,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                "s.setsockopt(socket.IPPROTO_IP,socket.IP_TTL,255)\n"
                "e=time.time()+1.5\nn=0\nwhile time.time()<e:\n n+=1\n"
                f" b=bytearray(([{start!r},{start[:9]!r},b''][n%3])+os.urandom(n%1300))\n"
                " if n%3==0: b[5]=n//3%256\n"
                " s.sendto(b,('10.9.0.1',27000))\n")
        run("python3", "-c", code, ns=B)

    texts, c = beat(V4, "off", "unicast", seconds=2, during=garbage)
    refused = c[0]["received"] - c[0]["accepted"]
    verdict("a flood of garbage is refused, heartbeats are still heard, the log stays short",
            refused > 1000 and c[0]["accepted"] >= 15 and texts[0].count("refused:") <= 8,
            f"{refused} refused in 1.5 s\n" + texts[0].splitlines()[-1])


def neighbours(ns):
    text = run("ip", "neigh", "show", ns=ns)
    return {l.split()[0]: l.split()[4] for l in text.splitlines() if "lladdr" in l}


def forget_neighbours():
    """A knows nobody any more, so nobody is asked but told; nor does B, so that it doesn't ask A whether it is still there."""
    for ns, dev in ((B, "vb"), (A, "va")):
        for family in ("-4", "-6"):
            run("ip", family, "neigh", "flush", "dev", dev, "nud", "all", ns=ns, check=False)
    for line in run("ip", "neigh", "show", "dev", "va", "nud", "permanent", ns=A).splitlines():
        run("ip", "neigh", "del", line.split()[0], "dev", "va", ns=A)


def announcements():
    forget_neighbours()
    for vip in (VIP4, VIP6):
        run("ip", "neigh", "replace", vip, "lladdr", FOREIGN, "dev", "vb", "nud", "reachable", ns=B)
    cap = Capture(B, "vb", "(arp or icmp6) and ether src " + MACS[0])
    text = spawn(A, "announce", 2.5, "va", "-", "-", VIP4, VIP6).communicate()[0]
    frames = [(t, l) for t, l in cap.lines() if VIP4 in l or VIP6 in l]
    verdict("neighbour tables of the other side are put right at once",
            all(neighbours(B).get(v) == MACS[0] for v in (VIP4, VIP6)), neighbours(B))
    kinds = [("request" if "Request who-has" in l else "reply" if "Reply" in l else "na", t) for t, l in frames]
    first = frames[0][0] if frames else 0
    times = sorted({round(t - first, 1) for _, t in kinds})
    spread = kinds[2][1] - first if len(kinds) > 2 else -1
    verdict("both ARP forms and an NA at 0, 0.1, 0.3, 0.7 s, then every 0.5 s or so",
            times[:4] == [0, 0.1, 0.3, 0.7] and [k for k, _ in kinds[:3]] == ["request", "reply", "na"] and
            len(kinds) % 3 == 0 and 6 * 3 <= len(kinds) <= 9 * 3,
            text + f"{times}, first three within {spread * 1e6:.0f} us\n" + "\n".join(l for _, l in frames[:3]))
    verdict("NA says O alone, to all nodes, hop limit 255",
            any("hlim 255" in l and "ff02::1" in l and "Flags [override]" in l and "bad" not in l
                for _, l in frames))


def many():
    forget_neighbours()
    vips = [f"10.9.1.{i}" for i in range(1, 101)] + [f"fd09::1:{i:x}" for i in range(1, 29)]
    cap = Capture(B, "vb", "(arp or icmp6) and ether src " + MACS[0])
    text = spawn(A, "announce", 0.05, "va", "-", "-", *vips).communicate()[0]
    frames = [l for _, l in cap.lines() if "10.9.1." in l or "fd09::1:" in l]
    verdict("128 addresses: 228 frames in the first burst, none lost", len(frames) == 228 and
            "frames=228 errors=0" in text, f"{len(frames)} seen\n" + text)


def know(*lines):
    """Neighbours of A: (address, MAC, state)."""
    subprocess.run(["ip", "netns", "exec", A, "ip", "-batch", "-"], check=True, text=True, capture_output=True,
                   input="".join(f"neigh replace {a} lladdr {m} dev va nud {n}\n" for a, m, n in lines))


def asked(frames):
    """(time, whom, MAC it was sent to) of each question in a virtual address's name."""
    found = []
    for t, line in frames:
        m = (re.search(rf"who-has (\S+?)(?: \(\S+\))? tell {VIP4},", line) or
             re.search(rf"{VIP6} > \S+: .*solicitation.*who has ([0-9a-f:]+)", line))
        if m and m[1] not in (VIP4, VIP6):
            found.append((t, m[1], re.search(r"> ([0-9a-f:]{17})", line)[1]))
    return found


def announce(seconds, *vips, stop="-", may="-"):
    """(output, frames seen on the other side)"""
    cap = Capture(B, "vb", "(arp or icmp6) and ether src " + MACS[0])
    text = spawn(A, "announce", seconds, "va", may, stop, *vips).communicate()[0]
    return text, cap.lines()


def questions():
    deaf = f"""table arp t {{ chain c {{ type filter hook input priority 0; arp daddr ip {VIP4} drop; }}; }}
               table ip6 t {{ chain c {{ type filter hook input priority 0; ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert drop; }}; }}"""
    run("nft", deaf, ns=B)
    for state in ("stale", "reachable"):
        forget_neighbours()
        for vip in (VIP4, VIP6):
            run("ip", "neigh", "replace", vip, "lladdr", FOREIGN, "dev", "vb", "nud", state, ns=B)
        announce(0.2, VIP4, VIP6)
        verdict(f"{state}: who ignores announcements keeps the old MAC while nobody asks him",
                all(neighbours(B).get(v) == FOREIGN for v in (VIP4, VIP6)), neighbours(B))
        know((V4[1], MACS[1], "stale"), (V6[1], MACS[1], "stale"))
        _, frames = announce(0.2, VIP4, VIP6)
        verdict(f"{state}: a question puts it right",
                all(neighbours(B).get(v) == MACS[0] for v in (VIP4, VIP6)), neighbours(B))
    run("nft", "delete table arp t; delete table ip6 t", ns=B)
    found = asked(frames)
    first = min(t for t, _ in frames)
    announced = max(t for t, line in frames if t < first + 0.05 and "solicitation" not in line and "Request who-has " + V4[1] not in line)
    verdict("it goes to the neighbour alone, after the announcements",
            [(w, m) for _, w, m in found] == [(V4[1], MACS[1]), (V6[1], MACS[1])] and found[0][0] > announced,
            f"{(found[0][0] - first) * 1e6:.0f} us after the first frame, {found}" if found else frames)
    verdict("a solicitation has a right checksum, hop limit 255 and the MAC in it",
            any("hlim 255" in l and "source link-address option" in l and MACS[0] in l.split("option")[-1] and "bad" not in l
                for _, l in frames), [l for _, l in frames if "solicitation" in l])
    _, frames = announce(0.9, VIP4, VIP6)
    found = asked(frames)
    times = sorted({round(t - found[0][0], 1) for t, _, _ in found}) if found else []
    verdict("asked with the first step and with the third, not with the others", times == [0, 0.3] and len(found) == 4, found)


def left_out():
    forget_neighbours()
    good = {"stale": "10.9.0.11", "reachable": "10.9.0.12", "delay": "10.9.0.13", "probe": "10.9.0.14", "permanent": "10.9.0.15"}
    bad = {"noarp": "10.9.0.21", "failed": "10.9.0.22", "incomplete": "10.9.0.23"}
    know(*((a, f"02:00:00:00:0a:{i:02x}", n) for i, (n, a) in enumerate((good | bad).items())),
         ("10.9.0.24", "01:00:5e:00:00:01", "permanent"), ("10.9.0.25", "00:00:00:00:00:00", "permanent"),
         ("10.9.0.26", MACS[0], "permanent"), (VIP4, MACS[1], "stale"))
    found = asked(announce(0.1, VIP4)[1])
    verdict("asked is whom the cache knows, and nobody else", sorted(w for _, w, _ in found) == sorted(good.values()), found)


def gateways():
    forget_neighbours()
    know(*((f"10.9.0.{i}", f"02:00:00:00:0b:{i:02x}", "stale") for i in range(10, 20)), ("fe80::9:9", "02:00:00:00:0b:99", "stale"),
         ("fd09::7", "02:00:00:00:0b:98", "stale"))
    run("ip", "route", "add", "default", "nexthop", "via", "10.9.0.19", "nexthop", "via", "10.9.0.254", ns=A)
    run("ip", "route", "add", "192.0.2.0/24", "via", "10.9.0.253", ns=A)
    run("ip", "route", "add", "default", "via", "10.9.0.252", "metric", "9", ns=A)
    run("ip", "route", "add", "default", "via", "10.9.0.251", "table", "77", ns=A)
    run("ip", "-6", "route", "add", "default", "via", "fe80::9:9", "dev", "va", ns=A)
    run("ip", "-6", "route", "add", "default", "via", "fe80::9:8", "dev", "va", "metric", "2048", ns=A)
    found = asked(announce(0.1, VIP4, VIP6)[1])
    v4, v6 = [f[1:] for f in found if "." in f[1]], [f[1:] for f in found if ":" in f[1]]
    every = "ff:ff:ff:ff:ff:ff"
    verdict("gateways of default routes come first, all hear the question for one whose MAC is unknown",
            sorted(v4[:3]) == [("10.9.0.19", "02:00:00:00:0b:13"), ("10.9.0.252", every), ("10.9.0.254", every)] and
            len(v4) == 12 and v6[:2] == [("fe80::9:9", "02:00:00:00:0b:99"), ("fe80::9:8", "33:33:ff:09:00:08")] and
            ("fd09::7", "02:00:00:00:0b:98") in v6, f"{v4}\n{v6}")
    for line in (("-4", "default"), ("-4", "default"), ("-4", "192.0.2.0/24"), ("-6", "default"), ("-6", "default")):
        run("ip", line[0], "route", "del", line[1], ns=A, check=False)
    run("ip", "route", "flush", "table", "77", ns=A)


def crowds():
    for count, vips, want in ((300, [VIP4], 300), (1200, [VIP4], 1024), (300, [VIP4] + [f"10.9.3.{i}" for i in range(1, 50)], 4096)):
        forget_neighbours()
        know(*((f"10.9.{4 + i // 250}.{i % 250 + 1}", f"02:00:00:01:{i // 250:02x}:{i % 250 + 1:02x}", "permanent") for i in range(count)))
        text, frames = announce(0.29, *vips)
        times = [t for t, l in frames if "Request" in l and not re.search(r"who-has (\S+) .*tell \1,", l)]
        took = times[-1] - times[0] if times else 0
        # The last one takes 16 turns with 10 ms between: the third step of a slow machine's schedule may come first.
        verdict(f"{count} neighbours, {len(vips)} addresses: {want} questions, not all at once",
                len(times) == want if want < 4096 else 1024 < len(times) <= want and took > 0.02,
                f"{text}{len(times)} seen, within {took * 1000:.0f} ms")
    text, _ = announce(0.2, VIP4, stop=0)
    verdict("after a stop nobody is asked", counters(text)["frames"] == 2, text)
    text, _ = announce(0.2, VIP4, may=0)
    verdict("nor when the hold has ended", counters(text)["frames"] == 2 and "may not" in text, text)
    forget_neighbours()


def stopping():
    forget_neighbours()
    cap = Capture(B, "vb", "arp and ether src " + MACS[0])
    spawn(A, "announce", 2, "va", "-", 350, VIP4).communicate()
    frames = [t for t, l in cap.lines() if VIP4 in l]
    verdict("after a stop not one frame leaves", len(frames) == 6 and frames[-1] - frames[0] < 0.35,
            [round(t - frames[0], 3) for t in frames])
    cap = Capture(B, "vb", "arp and ether src " + MACS[0])
    text = spawn(A, "announce", 2, "va", 200, "-", VIP4).communicate()[0]
    frames = [t for t, l in cap.lines() if VIP4 in l]
    verdict("a hold that has ended ends the burst before the next frame",
            len(frames) == 4 and text.count("may not") == 1, text)
    run("ip", "link", "set", "va", "down", ns=A)
    text = spawn(A, "announce", 1, "va", "-", "-", VIP4).communicate()[0]
    run("ip", "link", "set", "va", "up", ns=A)
    run("ip", "addr", "replace", V6[0] + "/64", "dev", "va", "nodad", ns=A)
    verdict("interface down: frames are counted as errors, one line in the log",
            "frames=0" in text and text.count("not sent") == 1, text)


def conflicts():
    time.sleep(1)
    text = spawn(A, "watch", 2.5, "va", VIP4, VIP6).communicate()[0]
    verdict("nobody else: no conflict", "conflicts=0" in text, text)
    run("ip", "addr", "add", VIP4 + "/32", "dev", "vb", ns=B)
    run("ip", "addr", "add", VIP6 + "/128", "dev", "vb", "nodad", ns=B)
    text = spawn(A, "watch", 2.5, "va", VIP4).communicate()[0]
    verdict("a silent other holder answers the probe (IPv4)", f"{VIP4} {MACS[1]}" in text, text)
    text = spawn(A, "watch", 2.5, "va", VIP6).communicate()[0]
    verdict("a silent other holder answers the probe (IPv6)", f"{VIP6} {MACS[1]}" in text, text)
    p = spawn(A, "watch", 0.8, "va", VIP4, VIP6)
    time.sleep(0.4)
    spawn(B, "announce", 0.01, "vb", "-", "-", VIP4, VIP6).communicate()
    text = p.communicate()[0]
    verdict("announcements are heard at once, counted each, told once a second",
            "conflicts=3" in text and text.count(" conflict 0 ") == 1, text)
    p = spawn(A, "watch", 1.8, "va", "10.9.0.77")
    time.sleep(0.4)
    spawn(B, "announce", 0.01, "vb", "-", "-", VIP4, VIP6).communicate()
    spawn(A, "announce", 0.01, "va", "-", "-", "10.9.0.77").communicate()
    text = p.communicate()[0]
    verdict("other addresses and our own announcements are no conflict", "conflicts=0" in text, text)


def main():
    try:
        set_up()
        for part in (heartbeats, ttl, source, link_trouble, flood, announcements, questions, left_out, gateways, crowds, many,
                     stopping, conflicts):
            part()
        print(f"1..{count}")
    finally:
        for ns in (A, B):
            run("ip", "netns", "del", ns, check=False)
    return 1 if failed else 0


sys.exit(main())
