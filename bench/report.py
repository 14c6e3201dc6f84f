"""Write what a run found: a table for people, JSON for programs, a chart for the README."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import chart, table
from bench.disturbance import TOLERATED
from bench.rounds import Record
from bench.summary import Summary


@dataclass(frozen=True)
class Setting:
    """Where and how a run was made."""

    server: str
    rounds: int
    quick: bool
    cores: int
    python: str
    load: float
    when: str

    @classmethod
    def now(cls, server: str, rounds: int, quick: bool) -> Setting:
        """Describe this machine at this moment."""
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return cls(server, rounds, quick, os.cpu_count() or 1, platform.python_version(), load(), when)

    def sentence(self) -> str:
        """Return the small print."""
        kind = "quick run, " if self.quick else ""
        return (
            f"{kind}{self.server} with the append-only file synced every second, {self.cores} cores, "
            f"Python {self.python}, load {self.load:.1f} before the start, medians of {self.rounds} rounds, {self.when}"
        )


def load() -> float:
    """Return how many programs want to run, so that a reader sees whether the machine was busy with something else."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def write(record: Record, setting: Setting, folder: Path, depth: dict[str, Any] | None = None) -> str:
    """Write all three files into `folder` and return the text of the table."""
    summary = Summary.of(record)
    text = document(summary, record, setting, depth)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.md").write_text(text, encoding="utf-8")
    (folder / "latest.json").write_text(as_json(record, summary, setting, depth), encoding="utf-8")
    (folder / "latest.svg").write_text(chart.draw(summary, setting.sentence()), encoding="utf-8")
    return text


def disturbance(record: Record) -> str:
    """Return a sentence on how much else the machine did."""
    made = [f for peer in record.figures.values() for rounds in peer.values() for f in rounds if f]
    spoiled = sum(f.disturbed_by > TOLERATED for f in made)
    return f"Other programs disturbed {spoiled} of {len(made)} measurements."


def document(summary: Summary, record: Record, setting: Setting, depth: dict[str, Any] | None) -> str:
    """Return the whole text."""
    parts = [
        f"{setting.sentence()}. {disturbance(record)}",
        "Jobs per second unless the row says otherwise:\n\n" + table.figures_table(summary),
        "Times the figure of BullMQ on Node, round by round (↑ more is better, ↓ less is better):\n\n"
        + table.ratios_table(summary),
        table.peers_table(summary),
    ]
    if depth:
        parts.append("With many jobs waiting:\n\n" + table.depth_table(depth))
    if record.errors:
        parts.append("Failed: " + ", ".join(record.errors) + ".")
    return "\n\n".join(parts) + "\n"


def as_json(record: Record, summary: Summary, setting: Setting, depth: dict[str, Any] | None) -> str:
    """Return everything that was measured, with the medians and ratios on top."""
    rounds = {
        peer: {name: [asdict(f) if f else None for f in figures] for name, figures in measurements.items()}
        for peer, measurements in record.figures.items()
    }
    content = {
        "setting": asdict(setting),
        "summary": asdict(summary),
        "depth": depth,
        "errors": record.errors,
        "rounds": rounds,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
