# SPDX-License-Identifier: BSD-2-Clause
"""svipd beside the ways that people use instead, on the same hosts in network namespaces, in one run and by turns.

    run                                     all of it: hours
    run --runs 1 --only svipd --scenario planned
    run --skip path,steady --runs 3         the scenes alone

Every result becomes a line of JSON in bench.jsonl in the output folder at once. --report FILE puts the figures between the markers of
a Markdown file and draws the timelines into the folder bench beside it. Needs root.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE)]

import report  # noqa: E402
import scenes  # noqa: E402
import steady  # noqa: E402
import takeover  # noqa: E402
from ways import WAYS  # noqa: E402

PARTS = ("path", "scenes", "steady")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=10, metavar="N", help="of each way and scene (10)")
    p.add_argument("--only", default=",".join(WAYS), metavar="WAY,...", help="some of " + ", ".join(WAYS))
    p.add_argument("--scenario", metavar="SCENE,...", help="some of " + ", ".join(scenes.SCENES) + "; and nothing else")
    p.add_argument("--skip", default="", metavar="PART,...", help="some of " + ", ".join(PARTS))
    p.add_argument("--takes", type=int, default=1000, metavar="N", help="of the path (1000)")
    p.add_argument("--seconds", type=int, default=600, metavar="N", help="of the steady cost, for each (600)")
    p.add_argument("--jobs", type=int, default=1, metavar="N", help="clusters at the same time (1); more is noise for all")
    p.add_argument("-o", "--out", default="bench", metavar="DIR", help="the output folder (bench)")
    p.add_argument("--report", metavar="FILE", help="a Markdown file with the two markers; else bench.md in the output folder")
    p.add_argument("--only-report", action="store_true", help="run nothing; report what is in the output folder")
    p.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = p.parse_args()
    args.only = args.only.split(",")
    args.skip = args.skip.split(",") if args.skip else []
    if args.scenario:
        args.skip = ["path", "steady"]
    args.scenario = args.scenario.split(",") if args.scenario else list(scenes.SCENES)
    for given, known in ((args.only, WAYS), (args.scenario, scenes.SCENES), (args.skip, PARTS)):
        for name in given:
            if name not in known:
                p.error(f"{name}: not one of {', '.join(known)}")
    return args


def one(way, scene):
    """A run in a process of its own: its record, or one with an error."""
    done = subprocess.run([sys.executable, __file__, "--one", way, scene], text=True, capture_output=True, stdin=subprocess.DEVNULL)
    with contextlib.suppress(ValueError, IndexError):
        return json.loads(done.stdout.splitlines()[-1])
    return {"bench": "error", "who": way, "scene": scene, "error": (done.stderr or done.stdout)[-2000:]}


def main():
    args = arguments()
    if args.one:
        print(json.dumps(scenes.run(*args.one)), flush=True)
        return 0
    if os.geteuid() != 0:
        sys.exit("bench: this makes network namespaces: run it as root")
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    results = out / "bench.jsonl"
    errors = 0

    def write(record):
        nonlocal errors
        record = {"when": round(time.time(), 1), "load": round(os.getloadavg()[0], 1), **record}
        with open(results, "a") as f:
            print(json.dumps(record), file=f)
        if record["bench"] == "error":
            errors += 1
        print(report.line(record), flush=True)

    if not args.only_report:
        if "path" not in args.skip:
            takeover.measure(args.takes, write)
        if "scenes" not in args.skip:
            todo = [(way, scene) for _ in range(args.runs) for scene in args.scenario for way in args.only if scenes.applies(way, scene)]
            with ThreadPoolExecutor(args.jobs) as pool:
                for record in pool.map(lambda x: one(*x), todo):
                    write(record)
        if "steady" not in args.skip:
            steady.measure(args.seconds, write)
    records = [json.loads(text) for text in results.read_text().splitlines()]
    text = report.markdown(records, (Path(args.report).resolve().parent if args.report else out) / "bench")
    if args.report:
        report.put(Path(args.report), text)
    else:
        (out / "bench.md").write_text(text)
    print(text)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
