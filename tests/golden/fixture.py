"""Read golden fixtures: one scenario run with a real BullMQ, and the keyspace that it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, cast

from msgspec import Struct

from tests.golden.keyspace import Json, Keyspace

FIXTURES: Final = Path(__file__).parent / "fixtures"

#: What we take as the standard where two versions of BullMQ differ.
LEADING_VERSION: Final = "6.7.0"

Step = dict[str, Json]


class Fixture(Struct, frozen=True):
    """Hold one fixture file.

    Attributes:
        name: the scenario's name.
        version: the version of BullMQ that wrote it.
        start_ms: where the frozen clock stands at first.
        queues: names of the queues; the first is the one meant when a step names none.
        queue_options: options of every queue, in BullMQ's spelling.
        worker_options: options of every worker, in BullMQ's spelling.
        steps: the calls, with their outcomes.
        snapshots: keyspaces on the way, by name.
        keys: the keyspace at the end.
    """

    path: Path
    name: str
    version: str
    start_ms: int
    queues: list[str]
    queue_options: dict[str, Json]
    worker_options: dict[str, Json]
    steps: list[Step]
    snapshots: dict[str, Keyspace]
    keys: Keyspace

    @property
    def twin(self) -> Fixture | None:
        """Return the same scenario's fixture by the leading version: from the same folder, else from ours."""
        name = f"{self.name}.{LEADING_VERSION}.json"
        candidates = (self.path.with_name(name), FIXTURES / name)
        return next((read_fixture(path) for path in candidates if path.is_file()), None)


def read_fixture(path: Path) -> Fixture:
    """Return the content of one fixture file."""
    content = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    scenario = content["scenario"]
    return Fixture(
        path=path,
        name=scenario["name"],
        version=content["bullmq"],
        start_ms=scenario["clock_start_ms"],
        queues=scenario["queues"],
        queue_options=scenario.get("queue_options", {}),
        worker_options=scenario.get("worker_options", {}),
        steps=scenario["steps"],
        snapshots=content.get("snapshots", {}),
        keys=content["keys"],
    )


def read_fixtures(folder: Path) -> list[Fixture]:
    """Return all fixtures of a folder in the order of their file names."""
    return [read_fixture(path) for path in sorted(folder.glob("*.json"))]
