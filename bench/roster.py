"""Who is measured, how its process is started, and with how many jobs."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final

from bench import setup

#: The measurements in the order in which they are made; a process measurement carries its concurrency.
MEASUREMENTS: Final = (
    "add_single", "add_concurrent", "add_bulk", "process_1", "process_10", "process_100", "pickup",
)  # fmt: skip

#: The peer that everything is compared with.
YARDSTICK: Final = "bullmq"


@dataclass(frozen=True)
class Entry:
    """One peer.

    `jobs` says how many jobs each of `MEASUREMENTS` takes so that it lasts about two seconds; 0 leaves it out.
    Peers that share BullMQ's layout add the same number in bulk: its stream of events is capped, so that the memory
    for one job depends on how many there are. `guarantees` is what a job can count on when a worker dies.
    """

    name: str
    title: str
    guarantees: str
    jobs: tuple[int, int, int, int, int, int, int]
    module: str = ""
    environment: str = ""

    def command(self) -> list[str]:
        """Return the start of the command line of the peer's process."""
        if self.name == YARDSTICK:
            return [setup.node(), "bench/node/peer.mjs"]
        python = str(setup.python(self.environment)) if self.environment else sys.executable
        return [python, "-m", f"bench.peers.{self.module}"]

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the peer's process."""
        here = {**os.environ, "BENCH_NODE_PACKAGES": str(setup.NODE_PACKAGES), "NODE_ENV": "production"}
        return here if self.environment else {**here, "PYTHONPATH": str(setup.ROOT / "src")}

    def is_installed(self) -> bool:
        """Tell whether the peer can be measured here."""
        if self.name == YARDSTICK:
            return setup.are_node_packages_installed()
        return not self.environment or setup.is_installed(self.environment)

    def count(self, measurement: str) -> int:
        """Return how many jobs a measurement takes."""
        return self.jobs[MEASUREMENTS.index(measurement)]


AT_LEAST_ONCE: Final = "at least once"

ROSTER: Final = (
    Entry(
        "oxmq", "oxmq", f"{AT_LEAST_ONCE}, fenced; result kept",
        (8_000, 40_000, 50_000, 6_000, 40_000, 60_000, 100), "oxmq",
    ),
    Entry(
        "bullmq", "BullMQ (Node)", f"{AT_LEAST_ONCE}, fenced; result kept",
        (8_000, 20_000, 50_000, 5_000, 20_000, 25_000, 100),
    ),
    Entry(
        "bullmq-python", "bullmq (Python)", f"{AT_LEAST_ONCE}, fenced; result kept",
        (8_000, 10_000, 50_000, 4_000, 5_000, 4_000, 100), "bullmq_python", "bullmq-python",
    ),
    Entry(
        "saq", "SAQ", AT_LEAST_ONCE,
        (8_000, 12_000, 12_000, 3_000, 4_000, 4_000, 100), "saq", "saq",
    ),
    Entry(
        "arq", "arq", AT_LEAST_ONCE,
        (3_000, 4_000, 4_000, 200, 4_000, 4_000, 50), "arq", "arq",
    ),
    Entry(
        "taskiq", "Taskiq (streams)", AT_LEAST_ONCE,
        (8_000, 8_000, 8_000, 6_000, 6_000, 6_000, 100), "taskiq", "taskiq",
    ),
    Entry(
        "dramatiq", "Dramatiq", AT_LEAST_ONCE,
        (15_000, 10_000, 15_000, 3_000, 5_000, 6_000, 50), "dramatiq", "dramatiq",
    ),
    Entry(
        "celery", "Celery", f"{AT_LEAST_ONCE} (acks_late)",
        (4_000, 3_000, 4_000, 2_000, 2_000, 2_000, 50), "celery", "celery",
    ),
    Entry(
        "rq", "RQ", "a dead worker's job fails",
        (6_000, 4_000, 12_000, 600, 1_000, 0, 50), "rq", "rq",
    ),
)  # fmt: skip


def chosen(names: list[str] | None) -> list[Entry]:
    """Return the peers of these names, or all; exit with a sentence if one is unknown."""
    known = {entry.name: entry for entry in ROSTER}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SystemExit(f"Unknown peer {', '.join(unknown)}; there are: {', '.join(known)}.")
    return [known[name] for name in names] if names else list(ROSTER)
