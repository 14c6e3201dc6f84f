"""`python -m bench`: measure all peers in turn, print one table, write JSON and a chart."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import depth, report, setup
from bench.roster import MEASUREMENTS, Entry, chosen
from bench.rounds import Plan, run, say
from bench.server import fresh_server

#: Peers whose layout is BullMQ's and that are compared in depth.
DEEP = ("oxmq", "bullmq")
ROUNDS = 3
#: Seconds for the repetition of disturbed measurements, so that a busy machine does not prolong a run for ever.
PATIENCE = 60.0
RESULTS = Path(__file__).resolve().parent / "results"
QUICK_SCALE = 0.25


def main() -> int:
    """Run the benchmark; return 1 if nothing could be measured."""
    arguments = parser().parse_args()
    setup.main()
    entries = installed(chosen(arguments.only))
    if not entries:
        return 1
    plan = Plan(
        entries,
        rounds=arguments.rounds or (1 if arguments.quick else ROUNDS),
        scale=QUICK_SCALE if arguments.quick else 1.0,
        patience=0 if arguments.quick else PATIENCE,
        jobs=arguments.jobs,
        measurements=arguments.measure or MEASUREMENTS,
    )
    with fresh_server() as server:
        setting = report.Setting.now(server.name, plan.rounds, arguments.quick)
        record = run(plan, server)
        deep = depth.compare([e for e in entries if e.name in DEEP], server) if arguments.deep else None
    print(report.write(record, setting, arguments.output, deep))
    return 0


def installed(entries: Sequence[Entry]) -> list[Entry]:
    """Return the peers that can be measured here; say which cannot."""
    for entry in entries:
        if not entry.is_installed():
            say(f"{entry.name}: not installed, left out")
    return [entry for entry in entries if entry.is_installed()]


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(prog="python -m bench", description="Measure oxmq beside its peers.")
    made.add_argument("--quick", action="store_true", help="one short round: under two minutes, rough figures")
    made.add_argument("--only", type=names, metavar="NAMES", help="only these peers, separated by commas")
    made.add_argument("--measure", type=names, metavar="NAMES", help="only these measurements, separated by commas")
    made.add_argument(
        "--jobs", type=int, help="this many jobs in every measurement, instead of about two seconds' worth"
    )
    made.add_argument("--rounds", type=int, help=f"how often everything is measured (default {ROUNDS})")
    made.add_argument("--output", type=Path, default=RESULTS, help="where latest.md, latest.json, latest.svg go")
    made.add_argument("--deep", action="store_true", help="also compare queues with 1,000 and 1,000,000 waiting jobs")
    return made


def names(text: str) -> list[str]:
    """Split a list of names."""
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
