"""Run the measurements round by round, the peers in turn, so that the drift of the machine meets all of them alike."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import setup
from bench.disturbance import TOLERATED, Disturbance
from bench.figures import Figures
from bench.roster import MEASUREMENTS, Entry
from bench.server import Server

#: Seconds after which one measurement is given up.
TIMEOUT = 120
#: Jobs below which a figure says nothing.
FEWEST_JOBS = 8
#: How often one measurement is made at most.
MOST_ATTEMPTS = 3


@dataclass
class Plan:
    """How much is measured: `scale` multiplies every number of jobs, `jobs` replaces it.

    A measurement that other programs disturbed is repeated up to twice, as long as all repetitions together took less
    than `patience` seconds; the least disturbed one counts.
    """

    entries: Sequence[Entry]
    rounds: int
    scale: float = 1.0
    patience: float = 0.0
    jobs: int | None = None
    measurements: Sequence[str] = MEASUREMENTS

    def count(self, entry: Entry, measurement: str) -> int:
        """Return how many jobs one measurement takes; 0 leaves it out."""
        usual = entry.count(measurement)
        if usual and self.jobs and measurement != "pickup":
            return self.jobs
        return usual and max(FEWEST_JOBS, int(usual * self.scale))


@dataclass
class Record:
    """All that was measured: for each peer and measurement one entry a round, None where it failed."""

    figures: dict[str, dict[str, list[Figures | None]]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def note(self, entry: Entry, measurement: str, figures: Figures | None) -> None:
        """Append the figures of one round."""
        self.figures.setdefault(entry.name, {}).setdefault(measurement, []).append(figures)


def run(plan: Plan, server: Server) -> Record:
    """Make all rounds; a peer that fails once is not asked for that measurement again."""
    record = Record()
    for number in range(plan.rounds):
        for measurement in plan.measurements:
            for entry in in_turn(plan.entries, number):
                measure_once(plan, server, record, entry, measurement)
        say(f"round {number + 1} of {plan.rounds} done")
    return record


def in_turn(entries: Sequence[Entry], number: int) -> list[Entry]:
    """Return the peers, in every other round backwards: neighbours stay neighbours, and nobody is always first."""
    return list(entries) if number % 2 == 0 else list(reversed(entries))


def measure_once(plan: Plan, server: Server, record: Record, entry: Entry, measurement: str) -> None:
    """Make one measurement on an empty server."""
    jobs = plan.count(entry, measurement)
    failed = f"{entry.name} {measurement}" in record.errors
    if not jobs or failed:
        record.note(entry, measurement, None)
        return
    try:
        figures = least_disturbed(plan, server, entry, measurement, jobs)
    except subprocess.SubprocessError as error:
        record.errors[f"{entry.name} {measurement}"] = explain(error)
        record.note(entry, measurement, None)
        say(f"{entry.name} {measurement}: failed\n{explain(error)}")
    else:
        record.note(entry, measurement, figures)


def least_disturbed(plan: Plan, server: Server, entry: Entry, measurement: str, jobs: int) -> Figures:
    """Return the first measurement that nothing disturbed, else the least disturbed one."""
    made = [measure_alone(server, entry, measurement, jobs)]
    while made[-1].disturbed_by > TOLERATED and len(made) < MOST_ATTEMPTS and plan.patience > 0:
        begin = time.monotonic()
        made.append(measure_alone(server, entry, measurement, jobs))
        plan.patience -= time.monotonic() - begin
    return min(made, key=lambda figures: figures.disturbed_by)


def measure_alone(server: Server, entry: Entry, measurement: str, jobs: int) -> Figures:
    """Make one measurement on an empty server and note what else the machine did meanwhile."""
    server.empty()
    weight = server.data_bytes()
    with Disturbance(server) as disturbance:
        figures = ask(entry, server.url, measurement, jobs)
    figures.disturbed_by = disturbance.cores
    say(describe(entry, measurement, figures))
    if figures.waiting:
        figures.bytes_per_job = (server.data_bytes() - weight) / figures.waiting
    return figures


def ask(entry: Entry, url: str, measurement: str, jobs: int, backlog: int = 0, timeout: float = TIMEOUT) -> Figures:
    """Start the peer's process and return what it measured."""
    kind, _, concurrency = measurement.partition("_") if measurement.startswith("process") else (measurement, "", "1")
    command = [
        *entry.command(), "--url", url, "--measurement", kind, "--jobs", str(jobs), "--concurrency", concurrency,
        "--backlog", str(backlog),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=setup.ROOT, env=entry.variables(), capture_output=True, text=True, timeout=timeout, check=True
    )
    return Figures.from_json(done.stdout.splitlines()[-1])


def explain(error: subprocess.SubprocessError) -> str:
    """Return the end of what a failed process said."""
    output: str | bytes = getattr(error, "stderr", None) or ""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    return "\n".join([str(error)[-200:], *text.splitlines()[-5:]])


def describe(entry: Entry, measurement: str, figures: Figures) -> str:
    """Return one line of progress."""
    noise = f"  disturbed by {figures.disturbed_by:.2f} cores" if figures.disturbed_by > TOLERATED else ""
    if figures.rate is None:
        middle = sorted(figures.latencies)[len(figures.latencies) // 2]
        return f"{entry.name:14} {measurement:15} {middle:10.2f} ms{noise}"
    return f"{entry.name:14} {measurement:15} {figures.rate:10,.0f} jobs/s  Redis {figures.redis_cpu:6.1f} µs{noise}"


def say(text: str) -> None:
    """Tell on the error stream how far it is."""
    print(text, file=sys.stderr, flush=True)
