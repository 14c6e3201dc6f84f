"""Compare a queue that is nearly empty with one in which a million jobs wait: nothing may get slower."""

from __future__ import annotations

import subprocess
from typing import Any

from bench.roster import Entry
from bench.rounds import ask, describe, explain, say
from bench.server import Server

#: Jobs that wait besides those that are measured.
BACKLOGS = (1_000, 1_000_000)
#: Jobs that are measured.
JOBS = 20_000
MEASUREMENTS = ("add_single", "add_bulk", "process_100")
#: Seconds for one measurement: the million has to be added first.
TIMEOUT = 600


def compare(entries: list[Entry], server: Server) -> dict[str, Any]:
    """Return for each peer and measurement the rates, one for each of `BACKLOGS`."""
    return {
        entry.name: {name: [measure(entry, server, name, backlog) for backlog in BACKLOGS] for name in MEASUREMENTS}
        for entry in entries
    }


def measure(entry: Entry, server: Server, measurement: str, backlog: int) -> float | None:
    """Return the jobs per second beside a backlog, or None if that failed."""
    server.empty()
    jobs = JOBS // 4 if measurement == "add_single" else JOBS
    try:
        figures = ask(entry, server.url, measurement, jobs, backlog, TIMEOUT)
    except subprocess.SubprocessError as error:
        say(f"{entry.name} {measurement} beside {backlog:,}: failed\n{explain(error)}")
        return None
    say(f"{describe(entry, measurement, figures)}  beside {backlog:,}")
    return figures.rate
