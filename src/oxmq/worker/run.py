"""Hold one run of a job: from the moment it was taken until its outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

from msgspec import UnsetType

from oxmq.records import JobRecord
from oxmq.tracing import Attempt


class Stop(Enum):
    """Say why a run is being stopped."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    HAND_BACK = "hand back"


class Run:
    """Hold what the worker knows of a job that it is running.

    Attributes:
        record: the job.
        token: the token under which it is locked.
        task: the handler's task.
        stop: why the task was cancelled; None while it was not.
        reason: in words, where it was cancelled by somebody.
        started: when it started, on the loop's clock.
        ended: when its outcome was settled, on the same clock.
        delay: for how many milliseconds the job was held back when it was added; false for none.
        on_progress: called with the job and its progress when the handler reports some.
        guarded: whether it must be admitted before the handler is called.
        refused: why it was not admitted, for log lines; not there otherwise.
        trace: the ids of its span, for log lines; not there where there is none.
        timer: what is to happen at the time limit.
        reported: whether its outcome is settled, whatever the handler still does.
        attempt: what telemetry sees of it; None where there is none.
    """

    __slots__ = (
        "attempt", "delay", "ended", "guarded", "on_progress", "reason", "record", "refused", "reported", "started",
        "stop", "task", "timer", "token", "trace",
    )  # fmt: skip

    delay: float | UnsetType
    ended: float
    guarded: bool
    reason: str
    refused: str
    trace: dict[str, str]

    def __init__(
        self, record: JobRecord, token: str, started: float, on_progress: Callable[[object, object], None]
    ) -> None:
        self.record = record
        self.token = token
        self.started = started
        self.on_progress = on_progress
        self.task: asyncio.Task[None] | None = None
        self.stop: Stop | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.reported = False
        self.attempt: Attempt | None = None

    @property
    def waited_ms(self) -> int | None:
        """Return for how long the job could have run before it did; None where it had been started before."""
        record = self.record
        if record.attempts_started != 1 or record.processed_on is None:
            return None
        due = record.timestamp + int(self.delay or 0) if record.due_on is None else record.due_on
        return max(0, record.processed_on - due)

    @property
    def stop_requested(self) -> bool:
        """Tell whether the handler should stop: for those that run in a thread, which nobody can stop."""
        return self.stop is not None

    @property
    def handed_back(self) -> bool:
        """Tell whether the handler should stop because the job goes back to the queue."""
        return self.stop is Stop.HAND_BACK

    def tell_progress(self, job: object, progress: object) -> None:
        self.on_progress(job, progress)

    def hand_back(self) -> None:
        """Ask the handler to stop, for the job goes back to the queue."""
        self.cancel(Stop.HAND_BACK)

    def cancel(self, why: Stop) -> None:
        """Ask the handler to stop."""
        if self.stop is None and self.task is not None and not self.reported:
            self.stop = why
            self.task.cancel()
