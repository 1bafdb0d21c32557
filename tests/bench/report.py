# SPDX-License-Identifier: BSD-2-Clause
"""Results as tables of Markdown and as timelines in SVG. Only reads records; measures nothing."""

import math
import statistics
from html import escape
from pathlib import Path

from scenes import SCENES
from ways import WAYS

BEGIN, END = "<!-- tests/bench: begin -->", "<!-- tests/bench: end -->"
PATH = {"svipd": "svipd", "floor": "the floor: an address added, one gratuitous ARP", "keepalived": "keepalived, VRRPv3"}


# ---- numbers ----

def line(r):
    """A result in a few words, while it runs."""
    who = f"{r['who']:11}"
    if r["bench"] == "path":
        return f"{who} path           take {middle(r['take'], 2)} ms, release {middle(r['release'], 2)} ms"
    if r["bench"] == "scene":
        return f"{who} {r['scene']:14} outage {r['outage']} ms, {r['after_word']} ms after the word, two holders {r['two']} ms, lost {r['lost']}"
    if r["bench"] == "steady":
        return f"{who} steady         {r['cpu']} s a minute, {r['wakes']} wake-ups a second, {r['kib']} KiB, {r['packets']} packets a second"
    return f"{who} {r['scene']:14} failed: {r['error'][-300:]}"


def number(x, digits=0):
    return "never" if x == math.inf else "–" if x is None else f"{x:.{digits}f}"


def middle(values, digits=0):
    return number(statistics.median(values) if values else None, digits)


def spread(values, digits=0):
    """Median and range; None among the values means never."""
    some = sorted(math.inf if v is None else v for v in values)
    if not some:
        return "–"
    median, low, high = statistics.median(some), some[0], some[-1]
    return number(median, digits) + ("" if low == high else f" ({number(low, digits)} to {number(high, digits)})")


def ratio(values, ours):
    """How many times svipd's median."""
    some, own = ([math.inf if v is None else v for v in x] for x in (values, ours))
    if not some or not own or statistics.median(own) in (0, math.inf):
        return "–"
    times = statistics.median(some) / statistics.median(own)
    return "∞" if times == math.inf else f"{times:.2g}" if times < 100 else f"{times:.0f}"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


# ---- tables ----

def path_table(records):
    """The last run of each."""
    rows = {r["who"]: r for r in records if r["bench"] == "path"}
    if "floor" not in rows:
        return ""
    text = ""
    for kind, title in (("take", "deciding packet to first announcement"), ("release", "deciding packet to the address gone")):
        base = rows["floor"][kind]
        text += f"| ms, {title} | times | median | 95 % | 99 % | slowest | to the floor: median | 95 % | 99 % |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        for who in (w for w in PATH if w in rows):
            v = rows[who][kind]
            some, least = ([percentile(x, share) for share in (0.5, 0.95, 0.99)] for x in (v, base))
            text += (f"| {PATH[who]} | {len(v)} | " + " | ".join(f"{t:.2f}" for t in some) + f" | {max(v):.1f} | "
                     + " | ".join(f"{a / b:.1f}" for a, b in zip(some, least)) + " |\n")
        text += "\n"
    return text


def scene_table(scene, records):
    found = {w: [r for r in records if r["bench"] == "scene" and r["scene"] == scene and r["who"] == w] for w in WAYS}
    ours = [r["outage"] for r in found["svipd"]]
    text = (f"**{SCENES[scene][1][:1].upper()}{SCENES[scene][1][1:]}** ([timeline](bench/{scene}.svg))\n\n| ms | runs | outage | to svipd's | majority's word to a write "
            "that is kept | two holders | acknowledged writes lost | idle subscriber told |\n|---|---:|---|---:|---|---|---|---|\n")
    for way, rows in found.items():
        if rows:
            address = way not in ("haproxy", "redis-py")
            text += (f"| {WAYS[way].title} | {len(rows)} | {spread([r['outage'] for r in rows])} | "
                     f"{ratio([r['outage'] for r in rows], ours)} | {spread([r['after_word'] for r in rows if r['word']])} | "
                     f"{spread([r['two'] for r in rows]) if address else '–'} | {spread([r['lost'] for r in rows if r['lost'] is not None])} | "
                     f"{'–' if scene == 'boot' else spread([r['told'] for r in rows])} |\n")
    return text + "\n" if any(found.values()) else ""


def steady_table(records):
    rows = {r["who"]: r for r in records if r["bench"] == "steady"}
    if not rows:
        return ""
    text = ("| the holder's manager, idle | seconds | processor, s a minute | private memory, KiB | PSS, KiB | wake-ups a second | packets a second |\n"
            "|---|---:|---:|---:|---:|---:|---:|\n")
    for who, r in rows.items():
        text += f"| {WAYS[who].title} | {r['seconds']:.0f} | {r['cpu']:.2f} | {r['kib']} | {r['pss']} | {r['wakes']:.0f} | {r['packets']:.0f} |\n"
    return text + "\n"


def markdown(records, out):
    """The whole section; draws the timelines into out/."""
    loads = sorted(r["load"] for r in records)
    failed = [r for r in records if r["bench"] == "error"]
    scene = "".join(scene_table(s, records) for s in SCENES)
    text = ""
    if loads:
        text += f"Load of the machine in this run: {loads[0]} to {loads[-1]}. {len(failed)} runs failed and aren't counted.\n\n"
    text += path_table(records) + scene + steady_table(records)
    draw_all(records, Path(out))
    return text.rstrip("\n") + "\n"


def put(path, text):
    """Replaces what stands between the markers."""
    old = path.read_text()
    head, found, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not found or not end:
        raise SystemExit(f"bench: {path} has no markers")
    path.write_text(head + BEGIN + "\n" + text + END + tail)


# ---- timelines ----

COLOURS = {"h1": "#4878a8", "h2": "#d8963c", "h3": "#7f6aa8"}
LEFT, WIDTH, ROW, TOP = 190, 720, 46, 62
NOISE = 60  # ms that no client minds and a busy machine makes


def draw_all(records, out):
    for scene in SCENES:
        rows = []
        for way in WAYS:
            some = [r for r in records if r["bench"] == "scene" and r["scene"] == scene and r["who"] == way]
            some = [r for r in some if "gone" in r] or some
            if some:
                rows.append(sorted(some, key=lambda r: math.inf if r["outage"] is None else r["outage"])[len(some) // 2])
        if rows:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{scene}.svg").write_text(draw(scene, rows))


def merged(spans):
    joined = []
    for a, b in spans:
        if joined and a - joined[-1][1] < NOISE:
            joined[-1][1] = b
        else:
            joined.append([a, b])
    return joined


def last_change(r):
    """When nothing new happens any more, in ms."""
    spans = r["served"]
    times = [t for a, b in zip(spans, spans[1:]) if b[0] - a[1] > 200 for t in (a[1], b[0])] + [span[0] for span in spans[:1]]
    times += [t for span in r.get("gone", []) for t in span]
    times += [t for h in r["holds"] for t in h[1:] if t is not None] + [r["word"] or 0]
    return max(times)


def draw(scene, rows):
    """One run of each way, that with the median outage."""
    end = max(2000, min(max(last_change(r) for r in rows) + 1500, max(r["watched"] for r in rows)))
    x = lambda ms: LEFT + WIDTH * (min(max(ms, -1000), end) + 1000) / (end + 1000)  # noqa: E731
    height = TOP + ROW * len(rows) + 62
    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="20" font-size="15" font-weight="bold">{escape(SCENES[scene][1])}</text>',
           '<text x="10" y="40">Time 0 is the event; dashed: a majority of Sentinels names the new master. '
           'Of each way the run with the median outage.</text>']

    def bar(a, b, y, h, colour, title):
        svg.append(f'<rect x="{x(a):.1f}" y="{y}" width="{max(0.8, x(b) - x(a)):.1f}" height="{h}" fill="{colour}"><title>{escape(title)}</title></rect>')

    for i, r in enumerate(rows):
        y = TOP + ROW * i
        outage = "never served again" if r["outage"] is None else f"{r['outage']:.0f} ms out" if r["outage"] > NOISE else "no outage"
        svg.append(f'<text x="10" y="{y + 12}" font-weight="bold">{escape(WAYS[r["who"]].title)}</text>')
        svg.append(f'<text x="10" y="{y + 27}" fill="#555">{outage}, {r["lost"]} lost</text>')
        bar(-1000, r["watched"], y, 14, "#f2c6c2", "writes are not served")
        for a, b in merged(r["served"]):
            bar(a, b, y, 14, "#7fb77e", f"writes are acknowledged, {a:.0f} to {b:.0f} ms")
        for a, b in merged(r.get("gone", [])):
            bar(a, b, y, 14, "#c0392b", f"writes are acknowledged and lost, {a:.0f} to {b:.0f} ms")
        for host, a, b in r["holds"]:
            lane = y + 17 + 6 * (int(host[1:]) - 1)
            bar(a, r["watched"] if b is None else b, lane, 5, COLOURS.get(host, "#999"), f"{host} has the address")
        if r["word"]:
            svg.append(f'<line x1="{x(r["word"]):.1f}" x2="{x(r["word"]):.1f}" y1="{y - 4}" y2="{y + 36}" stroke="black" stroke-dasharray="3 2"/>')
    bottom = TOP + ROW * len(rows)
    svg.append(f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{TOP - 8}" y2="{bottom}" stroke="#c0392b"/>')
    step = next(s for s in (500, 1000, 2000, 5000, 10000) if end / s <= 12)
    for t in range(0, int(end) + 1, step):
        svg.append(f'<line x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="#555"/>')
        svg.append(f'<text x="{x(t):.1f}" y="{bottom + 17}" text-anchor="middle" fill="#555">{t / 1000:g} s</text>')
    legend = [("#7fb77e", "writes acknowledged"), ("#c0392b", "acknowledged and lost"), ("#f2c6c2", "not served"), *((c, f"{h} has the address") for h, c in COLOURS.items())]
    at = 10
    for colour, text in legend:
        svg.append(f'<rect x="{at}" y="{bottom + 32}" width="12" height="12" fill="{colour}"/><text x="{at + 17}" y="{bottom + 42}">{text}</text>')
        at += 30 + round(6.3 * len(text))
    return "\n".join([*svg, "</svg>"]) + "\n"
