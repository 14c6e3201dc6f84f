"""Write down what every process of a test does, so that afterwards somebody can judge the whole.

All processes append lines of JSON to one file. A line is written in one call to a file opened for appending, so that
lines never mix, and what a process wrote survives its death.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Literal

import msgspec

What = Literal["ready", "add", "start", "end", "cut", "accept", "retry", "fail", "lock_lost", "health", "error"]
"""Producers write ``add``; workers all the others. ``cut`` ends a run whose handler was cancelled."""

How = Literal["", "invoke", "ok", "fail", "info"]
"""How an ``add`` went: begun, done, not done, or nobody can say."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Hold one line.

    Attributes:
        at: seconds of the machine's monotonic clock, which all processes share.
        pid: who wrote it.
        key: the payload's own name, which no library knows: it stays the same whatever id the job gets.
        started: which start of the job this is, as the job says.
        made: how many attempts have ended, as the job says.
        stalls: how often the job was recovered, as the job says.
    """

    at: float
    pid: int
    what: What
    how: How = ""
    key: str = ""
    job_id: str = ""
    started: int = 0
    made: int = 0
    stalls: int = 0
    token: str = ""
    note: str = ""

    def line(self, since: float) -> str:
        """Return the record for people, its time in seconds after `since`."""
        details = {
            name: value
            for name in ("how", "job_id", "started", "made", "stalls", "token", "note")
            if (value := getattr(self, name))
        }
        told = " ".join(f"{name}={value}" for name, value in details.items())
        return f"{self.at - since:8.3f} s  process {self.pid}  {self.what} {told}"


class Writer:
    """Append to the history at `path`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(
        self,
        what: What,
        how: How = "",
        *,
        key: str = "",
        job_id: str = "",
        started: int = 0,
        made: int = 0,
        stalls: int = 0,
        token: str = "",
        note: str = "",
    ) -> None:
        """Append one record, stamped with the time and this process."""
        record = Record(
            at=monotonic(), pid=os.getpid(), what=what, how=how, key=key, job_id=job_id,
            started=started, made=made, stalls=stalls, token=token, note=note[:500],
        )  # fmt: skip
        os.write(self._file, msgspec.json.encode(record) + b"\n")


class Reader:
    """Read a history while it is being written: each record once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._records: list[Record] = []

    def records(self) -> list[Record]:
        """Return everything written so far, in order of time."""
        self._records += self._news()
        return sorted(self._records, key=lambda record: record.at)

    def _news(self) -> Iterator[Record]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield msgspec.json.decode(line, type=Record)
