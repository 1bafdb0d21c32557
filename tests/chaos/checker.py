# SPDX-License-Identifier: BSD-2-Clause
"""Proves from a record (see record.py) what svipd promises, and counts what it doesn't. Reads nothing but the record.

never two   No two hosts hold an address, and no two answer for it: Observer.violations and Prober.violations.
by a word   A host that holds an address at t was, within [t - W, t], named by a majority of the Sentinels, each of which had at
            some time in that window a way to it and at some time a way from it. W = lease + guard of the holder + allowance.
recovery    While nothing is broken, the named master holds within READY seconds once a majority has named it with one epoch,
            none of that majority sees it down, and its Redis says that it is master. And at the end it holds.
service     While nothing is broken and the named master holds for READY seconds, a write through the address is acknowledged.
whole       Nothing is proved by witnesses that were not there: each has seen something, and the record has an end.

The allowance is for the witnesses, not for svipd:
- A hold's end is dated when the observer was told. 0.1 s, and the longest lag of its notifications about that time.
- Between two polls of a Sentinel that gave two answers it may have said either. After a silence of more than SILENCE seconds
  of a Sentinel that was running, it may have said anything since its last answer ("blind"; the sum is in the table).
  A Sentinel that was killed or stopped says nothing from then on; it is asked again from just before it is started or goes on.
- A pair of hosts counts as cut from the moment the cut was made for certain until just before it is undone.
- The epoch isn't looked at, nor the flags: this is what must be true at least, however the messages ran.
"""

import bisect
import re
import statistics
from collections import Counter

from observer import Observer, Prober
from record import read

SILENCE = 0.25
READY = 10.0
LATEST = 2.2  # the largest guard: what is waited for while the others' are not known
WAITS = "named, nothing broken there, not held"
ALLOWANCE = 0.1
INF = float("inf")
PREFIXES = ("svipd", "redis", "sentinel", "link", "hand")  # of kinds of faults that have two words


# ---- sets of times: sorted lists of (from, to) that don't touch ----

def union(spans):
    out = []
    for a, b in sorted(s for s in spans if s[0] <= s[1]):
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return out


def complement(spans, low=-INF, high=INF):
    out, at = [], low
    for a, b in spans:
        if a > at:
            out.append((at, min(a, high)))
        at = max(at, b)
    if at < high:
        out.append((at, high))
    return [s for s in out if s[0] < s[1]]


def intersect(x, y):
    out, i, j = [], 0, 0
    while i < len(x) and j < len(y):
        a, b = max(x[i][0], y[j][0]), min(x[i][1], y[j][1])
        if a <= b:
            out.append((a, b))
        if x[i][1] < y[j][1]:
            i += 1
        else:
            j += 1
    return out


def lasting(spans, seconds):
    """Each moment in the set, and the `seconds` after it."""
    return union((a, b + seconds) for a, b in spans)


def at_least(sets, number):
    """The times that are in at least `number` of the sets."""
    edges = sorted([(a, -1) for s in sets for a, _ in s] + [(b, 1) for s in sets for _, b in s])
    out, depth, begun = [], 0, None
    for t, what in edges:
        depth -= what
        if begun is None and depth >= number:
            begun = t
        elif begun is not None and depth < number:
            out.append((begun, t))
            begun = None
    return union(out)


class Figures:
    """What was counted, of one round or of several."""

    def __init__(self):
        self.sums, self.worst, self.words, self.outages = {}, {}, {}, {}
        self.parts = Counter()

    def add(self, name, value):
        self.sums[name] = self.sums.get(name, 0) + value

    def most(self, name, value):
        self.worst[name] = max(self.worst.get(name, value), value)

    def count(self, name, words):
        self.words.setdefault(name, Counter()).update(words)

    def outage(self, kind, seconds, lost):
        """lost: acknowledged writes."""
        self.outages.setdefault(kind, []).append((seconds, lost))

    def merge(self, other):
        for name, value in other.sums.items():
            self.add(name, value)
        for name, value in other.worst.items():
            self.most(name, value)
        for name, words in other.words.items():
            self.count(name, words)
        for kind, some in other.outages.items():
            self.outages.setdefault(kind, []).extend(some)
        self.parts.update(other.parts)

    def lines(self):
        out = [f"{v if isinstance(v, int) else format(v, '.2f'):>10}  {k}" for k, v in self.sums.items()]
        out += [f"{v:10.2f}  most: {k}" for k, v in self.worst.items()]
        out += [f"{sum(words.values()):10}  {name}: {', '.join(f'{n} {w}' for w, n in words.most_common())}"
                for name, words in self.words.items()]
        out += [f"{seconds:10.2f}  seconds of outage: {what}" for what, seconds in self.parts.most_common()]
        out.append(f"{'faults':>10} {'felt':>6} {'median':>7} {'worst':>7} {'lost':>6}  outage (s) of a writer that began meanwhile, "
                   "and acknowledged writes lost")
        out += [f"{n:10} {felt:6} {middle:7.2f} {worst:7.2f} {lost:6}  {kind}" for kind, n, felt, middle, worst, lost in self.table()]
        return out

    def markdown(self):
        """The tables for doc/RESULTS.md."""
        out = ["| fault | times | felt | median outage, s | longest, s | acknowledged writes lost |", "|---|---:|---:|---:|---:|---:|"]
        for kind, n, felt, middle, worst, lost in self.table():
            out.append(f"| {kind} | {n} | {felt} | " + (f"{middle:.2f} | {worst:.2f}" if felt else "– | –") + f" | {lost} |")
        out += ["", "| | |", "|---|---:|"]
        out += [f"| {k} | {v if isinstance(v, int) else format(v, '.1f')} |" for k, v in self.sums.items()]
        out += [f"| most {k} | {v:.2f} |" for k, v in self.worst.items()]
        out += [f"| {name} | {', '.join(f'{n} {w}' for w, n in words.most_common())} |" for name, words in self.words.items()]
        return out + [f"| seconds of outage: {what} | {seconds:.0f} |" for what, seconds in self.parts.most_common()]

    def table(self):
        """(kind, faults, how many were felt, median and longest outage of these, acknowledged writes lost) for each kind."""
        for kind, some in sorted(self.outages.items()):
            felt = [x for x, _ in some if x] or [0.0]
            yield kind, len(some), sum(x > 0 for x, _ in some), statistics.median(felt), max(felt), sum(n for _, n in some)


class Checker:
    """violations: list of (time, text); figures: what the table says; timeline(t): what happened around a time; long: outages
    that no fault explains, as violations are; only people can judge those."""

    def __init__(self, lines):
        """lines: what read() gives."""
        self.lines = lines
        self.setup = lines["setup"][0]
        self.end = lines["end"][0]["t"] if lines.get("end") else max(e["t"] for e in lines["address"])
        self.instances = {i["name"]: i for i in self.setup["instances"]}
        self.instance_of = {v: i["name"] for i in self.instances.values() for v in i["vips"]}
        self.host_of = {a: n for n, addresses in self.setup["addresses"].items() for a in addresses}
        self.observer = Observer.of(lines.get("address", []), [(p["host"], p["t"]) for p in lines.get("power", [])])
        self.prober = Prober.of([p["answer"] for p in lines.get("probe", [])], self.setup["macs"])
        lags = [e["lag_ms"] for e in lines.get("address", []) if "lag_ms" in e]
        self.lag = (max(lags) - min(lags)) / 1000 if lags else 0.0
        self._lags = [(e["t"], (e["lag_ms"] - min(lags)) / 1000) for e in lines.get("address", []) if "lag_ms" in e]
        self.holds = self.observer.holds()
        self.blind = 0.0
        self.violations, self.long = [], []
        self.figures = Figures()
        self.acks = {}      # writer -> (vip, [(number, asked, answered)])
        for a in lines.get("acks", []):
            self.acks.setdefault(a["writer"], (a["vip"], []))[1].extend(a["acks"])

    @classmethod
    def of_file(cls, path):
        return cls(read(path))

    def check(self):
        """All checks; returns the violations."""
        self._named = {name: self._who_named(name) for name in self.instances}
        self._never_two()
        self._by_a_word()
        self._recovery()
        self._whole()
        for line in self.lines.get("ailment", []):
            self.violations.append((line.get("t", self.end), "ailment: " + line["text"]))
        self.violations.sort()
        self._figures()
        return self.violations

    # ---- never two ----

    def _never_two(self):
        found = self.observer.violations()
        slow = self.lines.get("slow", [])

        def late(host, t):
            return max((s["late"] for s in slow if s["host"] == host and s["t"] <= t <= s["until"] + s["late"]), default=0.0)
        found += self.prober.violations(self.observer, 0.05 + self.lag, late)
        for text in found:
            self.violations.append((self._time_in(text), "two: " + text))

    def _time_in(self, text):
        """The latest begin that a text of a witness names."""
        times = [float(x) for x in re.findall(r"\b\d+\.\d{6}\b", text)]
        begins = [float(x) for x in re.findall(r"(\d+\.\d{6}) …", text)]
        return max(begins or times, default=self.end)

    # ---- by a majority's word ----

    def _down(self, host, key):
        """When a program can't have done anything."""
        out, since = [], None
        for p in self.lines.get("process", []):
            if (p["host"], p["key"]) != (host, key):
                continue
            if p["state"] != "up" and since is None:
                since = p["t"]
            elif p["state"] == "up" and since is not None:
                out.append((since, p["t"]))
                since = None
        return union(out + ([(since, INF)] if since is not None else []))

    def _who_named(self, instance):
        """sentinel -> host -> the times when it may have named it."""
        found = {}
        for sentinel in self.setup["sentinels"]:
            speaking = complement(self._down(sentinel, "sentinel"))
            said = [r for r in self.lines.get("sentinel", []) if (r["instance"], r["sentinel"]) == (instance, sentinel)]
            said.sort(key=lambda r: r["heard"])
            spans = {host: [] for host in self.setup["addresses"]}
            for r, following in zip(said, said[1:] + [None]):
                host = self.host_of.get(r["address"])
                until = following["heard"] if following else INF
                since = r["asked"] if r["before"] is None else r["before"]
                if r["before"] is None or r["heard"] - r["before"] > SILENCE:
                    dark = intersect([(-INF if r["before"] is None else r["before"], r["heard"])], speaking)
                    if r["before"] is not None:
                        self.blind += sum(b - a for a, b in dark)
                    for name in spans:
                        spans[name] += dark
                    since = r["asked"]
                if following and following["heard"] - following["before"] > SILENCE:
                    until = following["before"]
                if host:
                    spans[host].append((since, until))
            found[sentinel] = {name: intersect(union(some), speaking) for name, some in spans.items()}
        return found

    def _open(self, a, b):
        """When a frame may have gone from a to b."""
        if a == b:
            return [(-INF, INF)]
        out, since = [], -INF
        for p in self.lines.get("paths", []):
            shut = [a, b] in p["closed"]
            if shut and since is not None:
                out.append((since, p["t"]))
                since = None
            elif not shut and since is None:
                since = p["from"]
        return union(out + ([(since, INF)] if since is not None else []))

    def _fenced(self, host, vip):
        """When the packet filter let nothing through for an address."""
        table, until, out, at = False, 0.0, [], -INF
        for e in self.lines.get("address", []) + [{"t": INF, "host": host, "what": "end"}]:
            if e.get("host") != host or e["what"] not in ("table", "fence", "end") or e.get("vip", vip) != vip:
                continue
            if table and until < e["t"]:
                out.append((max(at, until), e["t"]))
            at = e["t"]
            if e["what"] == "table":
                table, until = e["there"], 0.0
            elif e["what"] == "fence":
                table, until = True, e["until"]
        return union(out)

    def _guard(self, hold):
        found = [g["seconds"] for g in self.lines.get("guard", []) if g["host"] == hold.host and g["t"] <= hold.start]
        return found[-1] if found else self.setup["guard"]

    def _word(self, instance, host, window):
        """When a hold is covered by a majority's word of the last `window` seconds."""
        sets = []
        for sentinel in self.setup["sentinels"]:
            ways = intersect(lasting(self._paths[host, sentinel], window), lasting(self._paths[sentinel, host], window))
            sets.append(intersect(lasting(self._named[instance][sentinel][host], window), ways))
        return at_least(sets, len(self.setup["sentinels"]) // 2 + 1)

    def _by_a_word(self):
        hosts = {h.host for h in self.holds}
        self._paths = {(a, b): self._open(a, b) for a in self.setup["addresses"] for b in self.setup["addresses"]}
        lease = self.setup["lease"]
        for vip in self.instance_of:
            for host in hosts:
                self._held_by_a_word(vip, host, lease)

    def _lag_about(self, a, b):
        """The longest lag of a notification in that time, or of any when there was none."""
        return max((lag for t, lag in self._lags if a <= t <= b + 0.5), default=self.lag)

    def _held_by_a_word(self, vip, host, lease):
        instance, fenced, words = self.instance_of[vip], self._fenced(host, vip), {}
        for hold in (h for h in self.holds if (h.vip, h.host) == (vip, host)):
            guard = self._guard(hold)
            end = min(hold.end if hold.end is not None else self.end, self.end)
            held = intersect([(hold.start, end)], complement(fenced))

            def bare(window):
                if window not in words:
                    words[window] = complement(self._word(instance, host, window))
                return [s for s in intersect(held, words[window]) if s[1] > s[0]]
            for a, b in bare(lease + guard + ALLOWANCE):
                if b in [s[1] for s in held] and b - a <= self._lag_about(a - lease - guard, b):
                    continue  # it had gone, and the observer was told later
                self.violations.append((a, f"no word: {host} holds {vip} {a:.6f} … {b:.6f} ({(b - a) * 1000:.1f} ms), no majority "
                                           f"had named it for {lease + guard:.2f} s; the hold is {hold}"))
            low, high = 0.0, lease + guard + 0.2
            for _ in range(7):
                middle = (low + high) / 2
                low, high = (middle, high) if bare(round(middle, 6)) else (low, middle)
            self.figures.most(f"share of lease + guard of {guard:g} s that a hold was older than its word", high / (lease + guard))

    # ---- recovery ----

    def _recovery(self):
        took, slow = [], 0.0
        quiet = [(q["t"], q["until"]) for q in self.lines.get("quiet", [])]
        for q, (begin, end) in enumerate(quiet):
            last = q == len(quiet) - 1
            for name in self.instances:
                samples = [s for s in self.lines.get("settle", []) if s["instance"] == name and begin <= s["t"] <= end]
                since = key = None
                held, serving = False, None
                for s in samples:
                    ready = s["named"] and not s["down"] and s["agreed"] and s["role"] == "master"
                    held = bool(ready) and all(h == [s["named"]] for h in s["holders"].values())
                    serving = (s["t"] if serving is None else serving) if held else None
                    if held and s["t"] - serving > READY:
                        slow = max(slow, self._served(name, serving))
                        serving = INF
                    if not ready or s["named"] != key:
                        key, since, told = (s["named"], s["t"], False) if ready else (None, None, False)
                    if since is None:
                        continue
                    if held and not told:
                        told = True
                        took.append(s["t"] - since)
                    if not held and s["t"] - since > READY and not told:
                        told = True
                        self.violations.append((s["t"], f"recovery: {name}: {key} is named and its Redis is master since "
                                                        f"{since:.3f}, but the holders are {s['holders']} at {s['t']:.3f}"))
                if last and samples and not held:
                    self.violations.append((samples[-1]["t"], f"recovery: {name} has not settled {end - begin:.0f} s after "
                                                              f"all was healed: {samples[-1]}"))
        if quiet:
            begin, end = quiet[-1]
            self.figures.most("seconds from the last heal until all has settled", end - begin)
        self.figures.add("recoveries looked at", len(took))
        self.figures.most("seconds from ready to held in quiet times", max(took, default=0.0))

    def _served(self, instance, since):
        """Each writer was served within READY seconds. Returns how long the slowest has waited."""
        slowest = 0.0
        for vip, acks in self.acks.values():
            if self.instance_of[vip] != instance:
                continue
            first = next((a[2] for a in acks if a[1] >= since), INF)
            if first - since > READY:
                self.violations.append((since, f"service: {instance} is held and nothing is broken since {since:.3f}, but no write to "
                                               f"{vip} was acknowledged for {READY:g} s"))
            else:
                slowest = max(slowest, first - since)
        return slowest

    def _whole(self):
        """Every witness was there."""
        missing = [] if self.lines.get("end") else ["end"]
        for name, i in self.instances.items():
            missing += [f"word of {s} about {name}" for s in self.setup["sentinels"]
                        if not any((r["instance"], r["sentinel"]) == (name, s) for r in self.lines.get("sentinel", []))]
            last = max((q["t"] for q in self.lines.get("quiet", [])), default=INF)
            if not any(x["instance"] == name and x["t"] >= last for x in self.lines.get("settle", [])):
                missing.append(f"look at {name} after all was healed")
            for vip in i["vips"]:
                if not any(e.get("vip") == vip for e in self.lines.get("address", [])):
                    missing.append(f"notification of {vip}")
                if not any(p["answer"]["vip"] == vip for p in self.lines.get("probe", [])):
                    missing.append(f"answer for {vip}")
                if not any(v == vip and acks for v, acks in self.acks.values()):
                    missing.append(f"acknowledged write to {vip}")
        self.violations += [(self.end, f"not whole: the record has no {what}") for what in missing]

    # ---- figures ----

    def _figures(self):
        f, faults = self.figures, self.lines.get("fault", [])
        f.add("seconds", round(self.end - self.setup["t"]))
        f.add("faults", sum(x["phase"] == "begin" for x in faults))
        f.add("faults that could not be done then", sum(x["phase"] == "skip" for x in faults))
        f.add("holds", len(self.holds))
        hosts = {}
        for h in self.holds:
            hosts.setdefault(h.vip, []).append(h.host)
        f.add("moves to another host", sum(a != b for s in hosts.values() for a, b in zip(s, s[1:])))
        said = {}
        for r in self.lines.get("sentinel", []):
            said.setdefault((r["instance"], r["sentinel"]), []).append(r["address"])
        f.add("times that a Sentinel named another than before", sum(a != b for s in said.values() for a, b in zip(s, s[1:])))
        f.add("writes acknowledged", sum(len(acks) for _, acks in self.acks.values()))
        f.add("of these lost", sum(len(x["lost"] or ()) for x in self.lines.get("lost", [])))
        f.add("answers for an address looked at", len(self.lines.get("probe", [])))
        f.add("seconds in which a Sentinel was not seen", self.blind)
        f.most("lag of the observer, ms", self.lag * 1000)
        change = re.compile(r"(\w+) -> (\w+) reason=([\w-]+)")
        changes = [m.groups() for m in (change.search(x["line"]) for x in self.lines.get("log", [])) if m]
        f.count("takes", [why for a, b, why in changes if b == "master"])
        f.count("releases", [why for a, b, why in changes if a == "master" and b != "master"])
        f.count("idle subscribers", [{"begin": "subscribed", "end": "told"}.get(x["what"]) or f"not told, {self._untold(x)}"
                                     for x in self.lines.get("idle", [])])
        self._outages(faults)

    def _untold(self, x):
        """Why a subscriber was not told within 5 s that its holder holds no more."""
        hold = next((h for h in reversed(self.holds) if (h.vip, h.host) == (x["vip"], x["host"]) and h.start <= x["t"]), None)
        if hold is None or hold.end is None or hold.end > x["t"]:
            hold = next((h for h in reversed(self.holds) if (h.vip, h.host) == (x["vip"], x["host"])
                         and h.end is not None and h.end <= x["t"]), None)
        if hold is None:
            return "for no hold was seen"
        end = (hold.end - 0.1, hold.end + 0.1)
        if any(p["host"] == x["host"] and end[0] <= p["t"] <= end[1] for p in self.lines.get("power", [])):
            return "for the power was gone"
        if intersect(self._down(x["host"], "svipd"), [(hold.end - 0.02, hold.end)]):
            return "for svipd was down"
        if not intersect(intersect(self._paths[x["host"], "client"], self._paths["client", x["host"]]), [end]):
            return "for it was cut off"
        change = re.compile(rf"{re.escape(self.instance_of[x['vip']])}: master -> [\w-]+ reason=([\w-]+)")
        said = [(abs(line["t"] - hold.end), change.search(line["line"])) for line in self.lines.get("log", [])
                if line["host"] == x["host"] and abs(line["t"] - hold.end) < 0.3]
        reason = min(((d, m[1]) for d, m in said if m), default=(0, "unknown"))[1]
        if reason not in ("link-down", "lease-expired"):
            self.long.append((hold.end, f"a subscriber to {x['vip']} on {x['host']} was not told (reason: {reason})"))
        return f"reason {reason}"

    def _outages(self, faults):
        """For each fault the longest gap of any writer that began meanwhile, and what was acknowledged meanwhile and is lost. Faults
        overlap: a gap counts for all of them. Where they came one after the other, each lasts until the next."""
        gaps, lost = [], []
        for vip, acks in self.acks.values():
            times = [a[2] for a in acks]
            some = [(a, b - a) for a, b in zip(times, times[1:] + [self.end]) if b - a > 0.25]
            self._explain(vip, some)
            gaps += some
        for x in self.lines.get("lost", []):
            when = {a[0]: a[2] for a in self.acks.get(x["writer"], ("", ()))[1]}
            lost += [when[number] for number in x["lost"] or ()]
        gaps.sort()
        lost.sort()
        starts = [g[0] for g in gaps]
        ends = {x["n"]: x["t"] for x in faults if x["phase"] == "end"}
        begun = [x for x in faults if x["phase"] == "begin"]
        for x, following in zip(begun, begun[1:] + [None]):
            until = max(ends.get(x["n"], x["done"] + 1.0), x["done"])
            if self.setup.get("alone"):
                until = following["t"] - 0.1 if following else self.end
            some = gaps[bisect.bisect_left(starts, x["t"] - 0.1):bisect.bisect_right(starts, until)]
            words = x["what"].split()
            self.figures.outage(" ".join(words[:2] if words[0] in PREFIXES else words[:1]),
                                max((length for _, length in some), default=0.0),
                                bisect.bisect_right(lost, until) - bisect.bisect_left(lost, x["t"] - 0.1))

    def _healthy(self, host, instance, key, good):
        """When what the doctor has last heard there about `key` was good."""
        out, since = [], None
        for x in (x for x in self.lines.get("health", []) if (x["host"], x["instance"]) == (host, instance) and key in x):
            if good(x) and since is None:
                since = x["t"]
            elif not good(x) and since is not None:
                out.append((since, x["t"]))
                since = None
        return union(out + ([(since, INF)] if since is not None else []))

    def _guard_unknown(self, host, instance):
        """When svipd there said that it waits for each other node's echo (doc/SAFETY.md, "The guard")."""
        out, since, change = [], None, re.compile(rf"{re.escape(instance)}: [\w-]+ -> [\w-]+ reason=([\w-]+)")
        for x in (x for x in self.lines.get("log", []) if x["host"] == host):
            reason = change.search(x["line"])
            if reason and since is not None:
                out.append((since, x["t"]))
            if reason:
                since = x["t"] if reason[1] == "guard-unknown" else None
        return union(out + ([(since, INF)] if since is not None else []))

    def _writes_wait(self, host, instance):
        """When svipd there said that clients' writes wait (svipd.conf(5), hold-writes)."""
        out, wait = [], re.compile(rf"{re.escape(instance)}: (?:clients' writes go on|.*writes wait, for (\d+) ms)")
        for x in (x for x in self.lines.get("log", []) if x["host"] == host):
            if (said := wait.search(x["line"])):
                if out:
                    out[-1] = (out[-1][0], min(out[-1][1], x["t"]))
                if said[1]:
                    out.append((x["t"] - 0.1, x["t"] + int(said[1]) / 1000 + 0.1))
        return union(out)

    def _agreed(self, instance, majority):
        """When a majority of the Sentinels saw their master up, with one epoch."""
        out = []
        for epoch in {x["epoch"] for x in self.lines.get("health", []) if x.get("epoch")}:
            out += at_least([self._healthy(s, instance, "down", lambda x: x["down"] is False and x["epoch"] == epoch)
                             for s in self.setup["sentinels"]], majority)
        return union(out)

    def _explain(self, vip, gaps):
        """Whose an outage was, moment by moment; and which can't be explained by what was broken."""
        instance, key = self.instance_of[vip], f"redis-{self.instances[self.instance_of[vip]]['port']}"
        majority, nodes = len(self.setup["sentinels"]) // 2 + 1, self.setup["nodes"]
        held, named, sets = {}, {}, {}

        def put(what, spans):
            sets[what] = union(sets.get(what, []) + spans)
        for host in nodes:
            end = [(h.start, self.end if h.end is None else h.end) for h in self.holds if (h.vip, h.host) == (vip, host)]
            held[host] = intersect(union(end), complement(self._fenced(host, vip)))
            named[host] = at_least([self._named[instance][s][host] for s in self.setup["sentinels"]], majority)
        reach = {h: intersect(self._open(h, "client"), self._open("client", h)) for h in nodes}
        for h in nodes:
            put("held, but the client is cut off", intersect(held[h], complement(reach[h])))
        for h in nodes:
            put("held, but Redis is down there", intersect(held[h], self._down(h, key)))
        for h in nodes:
            put("held by one that isn't named any more", intersect(held[h], complement(named[h])))
        slow = {h: union((x["t"], x["until"]) for x in self.lines.get("slow", []) if x["host"] == h) for h in nodes}
        for h in nodes:
            put("held, but its line is slow", intersect(held[h], slow[h]))
        for h in nodes:
            put("held, but writes wait for a failover", intersect(held[h], self._writes_wait(h, instance)))
        for h in nodes:
            put("held", held[h])
        put("nobody is named by a majority", complement(union(s for h in nodes for s in named[h])))
        for h in nodes:
            put("named, but Redis is down there", intersect(named[h], self._down(h, key)))
        for h in nodes:
            put("named, but svipd is down there", intersect(named[h], self._down(h, "svipd")))
        for h in nodes:
            ways = [intersect(intersect(self._paths[h, s], self._paths[s, h]), complement(self._down(s, "sentinel")))
                    for s in self.setup["sentinels"]]
            put("named, but cut off from a majority", intersect(named[h], complement(at_least(ways, majority))))
        for h in nodes:
            put("named, but Redis says there that it is no master", intersect(named[h], complement(
                self._healthy(h, instance, "role", lambda x: x["role"] == "master"))))
        put("named, but no majority sees it up with one epoch", complement(self._agreed(instance, majority)))
        for h in nodes:
            put("named, but its line is slow", intersect(named[h], slow[h]))
        for h in nodes:
            put("named, but it can't know yet how long the others wait for it", intersect(named[h], self._guard_unknown(h, instance)))
        put(WAITS, [(-INF, INF)])
        most = {"held": 2.0, WAITS: self.setup["lease"] * 1.02 + LATEST + 0.5}
        for begin, length in gaps:
            rest, parts, longest = [(begin, begin + length)], {}, {}
            for what, spans in sets.items():
                mine = intersect(rest, spans)
                parts[what] = sum(b - a for a, b in mine)
                # Each that is named anew waits anew.
                longest[what] = max((b - a for h in nodes for a, b in intersect(mine, named[h])), default=0.0)
                rest = intersect(rest, complement(spans))
            self.figures.parts.update({what: seconds for what, seconds in parts.items() if seconds})
            if any(longest[what] > limit for what, limit in most.items()):
                self.long.append((begin, f"{vip} was out for {length:.2f} s: " + ", ".join(
                    f"{seconds:.2f} s {what}" for what, seconds in parts.items() if seconds > 0.01)))

    # ---- for people ----

    def timeline(self, t, before=6.0, after=2.5):
        """What happened around a time, line by line; renewals and repeated words are left out."""
        low, high, out = t - before, t + after, []

        def add(when, text):
            if low <= when <= high:
                out.append((when, text))
        for x in self.lines.get("fault", []):
            add(x["t"], f"nemesis    #{x['n']} {x['phase']} {x['what']}" + (f" ({x['why']})" if "why" in x else ""))
        for p in self.lines.get("process", []):
            add(p["t"], f"process    {p['key']} on {p['host']} {p['state']}")
        for p in self.lines.get("paths", []):
            add(p["t"], "paths      closed: " + (" ".join(f"{a}>{b}" for a, b in p["closed"]) or "none"))
        until = {}
        for e in self.lines.get("address", []):
            if e["what"] in ("add", "del", "less"):
                add(e["t"], f"address    {e['host']} {e['vip']} {e['what']}")
            elif e["what"] == "table":
                add(e["t"], f"filter     {e['host']} {'made' if e['there'] else 'GONE'}")
            elif e["what"] == "fence":
                last = until.get((e["host"], e["vip"]), 0.0)
                if last and last < e["t"]:
                    add(last, f"filter     {e['host']} {e['vip']} ran out")
                if e["until"] <= e["t"] or last < e["t"]:
                    add(e["t"], f"filter     {e['host']} {e['vip']} " + (
                        "shut" if e["until"] <= e["t"] else f"open until {e['until']:.3f}"))
                until[e["host"], e["vip"]] = e["until"]
        said = {}
        for r in self.lines.get("sentinel", []):
            key = r["instance"], r["sentinel"]
            if said.get(key) != r["address"] or (r["before"] and r["heard"] - r["before"] > SILENCE):
                add(r["heard"], f"sentinel   {r['sentinel']} names {self.host_of.get(r['address'], r['address'])} for {r['instance']}"
                    + (f", silent for {r['heard'] - r['before']:.2f} s" if r["before"] and r["heard"] - r["before"] > SILENCE else ""))
            said[key] = r["address"]
        for x in self.lines.get("log", []):
            add(x["t"], f"log        {x['host']}: {x['line']}")
        first = {}
        for a in self.prober.answers():
            first.setdefault((a["vip"], a["kind"]), []).append(a)
        for (vip, kind), some in first.items():
            for a, b in zip([None] + some, some):
                if a is None or a["host"] != b["host"]:
                    add(b["t"], f"prober     {b['host']} {kind}s for {vip}")
        for s in self.lines.get("settle", []):
            if not all(h == [s["named"]] for h in s["holders"].values()):
                add(s["t"], f"settle     {s['instance']}: named {s['named']} down={s['down']} role={s['role']} {s['holders']}")
        return [f"{when:.3f} {when - t:+7.3f}  {text}" for when, text in sorted(out)]
