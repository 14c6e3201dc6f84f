"""The result of one measurement, as it travels between the processes: one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from bench.meter import Reading


@dataclass
class Figures:
    """What one measurement of one peer gave.

    `rate` is jobs per second, processor times are microseconds per job, `latencies` milliseconds, `bytes_per_job` the
    memory that Redis needs for one waiting job; `waiting` is how many jobs were left there;
    `disturbed_by` how many cores other programs used meanwhile.
    """

    jobs: int
    rate: float | None = None
    redis_cpu: float | None = None
    own_cpu: float | None = None
    bytes_per_job: float | None = None
    waiting: int = 0
    disturbed_by: float = 0.0
    latencies: list[float] = field(default_factory=list)
    version: str = ""

    @classmethod
    def between(cls, begin: Reading, end: Reading, jobs: int) -> Self:
        """Return the figures of `jobs` jobs that were done between two readings."""
        return cls(
            jobs=jobs,
            rate=jobs / (end.clock - begin.clock),
            redis_cpu=(end.redis_cpu - begin.redis_cpu) / jobs * 1e6,
            own_cpu=(end.own_cpu - begin.own_cpu) / jobs * 1e6,
        )

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read the line that a peer's process printed."""
        fields: dict[str, Any] = json.loads(line)
        return cls(**fields)

    def to_json(self) -> str:
        """Return the line that a peer's process prints."""
        return json.dumps(asdict(self))
