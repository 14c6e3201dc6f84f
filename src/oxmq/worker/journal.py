"""Write a log line for each thing that happens to a job: what became of it, and how long it took."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from oxmq.codec import read_options
from oxmq.logs import JOB_LOGGER, one_line
from oxmq.ops.lifecycle import Outcome
from oxmq.worker.run import Run, Stop

logger = logging.getLogger(JOB_LOGGER)

#: How runs end that are no end of the job, by the outcome's kind.
_ELSEWISE = {
    "release": ("handed_back", "was handed back to the queue"),
    "postpone": ("postponed", "asked to be run later"),
    "park": ("parked", "waits for its children"),
}


class Journal:
    """Write the lines of one worker's jobs. What nobody wants to read costs a look at an attribute.

    Args:
        queue: the queue that is worked.
        worker: the worker's name.
    """

    __slots__ = ("_queue", "_worker", "tells_ends", "tells_starts")

    def __init__(self, queue: str, worker: str) -> None:
        self._queue = queue
        self._worker = worker
        self.tells_starts = self.tells_ends = False
        self.look()

    def look(self) -> None:
        """See once more what is wanted: levels may change while the worker runs."""
        self.tells_starts = logger.isEnabledFor(logging.DEBUG)
        self.tells_ends = logger.isEnabledFor(logging.INFO)

    def started(self, run: Run) -> None:
        """Say that a job starts."""
        self._write(logging.DEBUG, run, "started", "started", {"wait": _wait(run)})

    def ended(self, outcome: Outcome, run: Run) -> None:
        """Say what became of a run."""
        if outcome.kind in ("failed", "retry", "delay"):
            self._failed(outcome, run)
        elif not self.tells_ends:
            return
        elif outcome.kind == "completed":
            times = _times(run)
            words = f"completed in {times['duration']:g} s"
            wait = times["wait"]
            words = words if wait is None else f"{words}, waited {wait:g} s"
            self._write(logging.INFO, run, "completed", words, times)
        else:
            event, words = _ELSEWISE[outcome.kind]
            self._write(logging.INFO, run, event, words, _times(run))

    def stalled(self, job_ids: Iterable[str]) -> None:
        """Say that jobs were found whose worker had fallen silent."""
        self._warn(job_ids, "stalled", "was found without its worker: it is run again, or has failed")

    def lost(self, job_ids: Iterable[str]) -> None:
        """Say that jobs that run here belong to somebody else by now."""
        self._warn(job_ids, "lock_lost", "lost its lock while it runs here: what becomes of it is decided elsewhere")

    def _failed(self, outcome: Outcome, run: Run) -> None:
        level = logging.ERROR if outcome.kind == "failed" else logging.WARNING
        if not logger.isEnabledFor(level):
            return
        reason, cause = one_line(str(outcome.value)), _cause(run)
        fields: dict[str, object] = {**_times(run), "reason": reason, "cause": cause}
        made, allowed = run.record.attempts_made + 1, int(read_options(run.record.opts).attempts)
        if outcome.kind == "failed":
            self._write(level, run, "failed", f"failed for good in attempt {made}: {reason}", fields)
            return
        delay = outcome.delay_ms / 1000
        fields |= {"attempts": allowed, "delay": delay}
        when = f"in {delay:g} s" if delay else "at once"
        words = f"failed in attempt {made} of {allowed} and is run again {when}: {reason}"
        self._write(level, run, "retrying", words, fields)

    def _write(self, level: int, run: Run, event: str, words: str, fields: Mapping[str, object]) -> None:
        record = run.record
        name = one_line(record.name, 100)
        extra: dict[str, object] = {
            "event": event,
            "job": one_line(record.id, 200),
            "task": name,
            "queue": self._queue,
            "attempt": record.attempts_made + 1,
            "worker": self._worker,
            **fields,
            **getattr(run, "trace", {}),
        }
        logger.log(level, "job %s (%s) of queue %s %s", extra["job"], name, self._queue, words, extra=extra)

    def _warn(self, job_ids: Iterable[str], event: str, words: str) -> None:
        for job_id in job_ids:
            shown = one_line(job_id, 200)
            extra = {"event": event, "job": shown, "queue": self._queue, "worker": self._worker}
            logger.warning("job %s of queue %s %s", shown, self._queue, words, extra=extra)


def _cause(run: Run) -> str:
    if run.stop is Stop.TIMEOUT:
        return "timeout"
    if run.stop is Stop.CANCELLED:
        return "cancelled"
    return str(getattr(run, "refused", "error"))


def _times(run: Run) -> dict[str, float | None]:
    return {"duration": round(run.ended - run.started, 6), "wait": _wait(run)}


def _wait(run: Run) -> float | None:
    waited = run.waited_ms
    return None if waited is None else waited / 1000
