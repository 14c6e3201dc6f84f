"""Describe the runs of jobs in pods: which pod runs an attempt, whether it lives, and what it left.

An attempt has one run. The worker that holds the job's lock notes it, before and after it asks for the pod; the pod
says that it lives and leaves its result; whoever holds the lock then ends the job. Another worker that takes the job
finds the run and follows it on. A run that a disruption ended is followed by another one of the same attempt, with the
next number.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from msgspec import Struct, structs

from oxmq.errors import job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, Word, command, run_script, text

_T = TypeVar("_T")

Phase = Literal["spawning", "spawned", "over"]
"""The pod is about to be asked for, and may be there; it was; nothing more is wanted of it."""


class RemoteRun(Struct, frozen=True, kw_only=True):
    """Hold a run.

    Attributes:
        number: counts the runs of a job, from 1; what an earlier run says is refused.
        attempt: the attempt that it is of, from 1.
        namespace: where it runs.
        name: the Kubernetes Job's.
        phase: how far it has come.
        uid: the Kubernetes Job's; empty before it exists.
        at_ms: when it was begun, in milliseconds since the epoch.
        disruptions: how many runs of this attempt were ended by what was not their fault.
    """

    number: int
    attempt: int
    namespace: str
    name: str
    phase: Phase
    uid: str = ""
    at_ms: int = 0
    disruptions: int = 0


class Left(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hold what a pod left of its run: a result, or how it failed.

    Attributes:
        number: the run's.
        result: what the task returned, as JSON text; None when it failed.
        message: the reason of the failure.
        trace: the stack trace.
        signal: the name of the `JobSignal` that the task raised, if it raised one.
        seconds: what that signal says.
    """

    number: int
    result: str | None = None
    message: str = ""
    trace: str = ""
    signal: str = ""
    seconds: float = 0.0


class RunState(Struct, frozen=True, kw_only=True):
    """Hold what a job says of its run.

    Attributes:
        exists: whether there is such a job.
        timestamp: when it was added, in milliseconds since the epoch.
        ended: whether it has completed or failed.
        cancelled: whether somebody has cancelled it.
        attempts_made: how many attempts have ended.
        run: its last run; None when there was none, or what is noted cannot be read.
        pod: the pod that has it, where it runs a task.
        heart_ms: when that pod last said that it lives.
        left: what its pod left.
    """

    exists: bool
    timestamp: int
    ended: bool
    cancelled: bool
    attempts_made: int
    run: RemoteRun | None
    pod: str
    heart_ms: int | None
    left: Left | None

    @property
    def current(self) -> RemoteRun | None:
        """Return the run of the attempt under way, if there is one that is still wanted."""
        run = self.run
        if run is None or self.ended or run.phase == "over" or run.attempt != self.attempts_made + 1:
            return None
        return run

    @property
    def result(self) -> Left | None:
        """Return what the pod of the last run left."""
        return (
            self.left
            if self.run is not None and self.left is not None and self.left.number == self.run.number
            else None
        )


_FIELDS = (
    "timestamp", "finishedOn", "cancelledOn", "atm", "attemptsMade", "oxmq:run", "oxmq:pod", "oxmq:heart", "oxmq:left",
)  # fmt: skip


def get_run_state(keys: QueueKeys, job_id: str) -> Call[RunState]:
    """Read what a job says of its run, whether the job exists or not."""
    return command("HMGET", keys.job(job_id), *_FIELDS, decode=_state)


def note_run(keys: QueueKeys, job_id: str, token: str, run: RemoteRun, *, fresh: bool = False) -> Call[None]:
    """Note a run on the job that is locked by `token`.

    Args:
        fresh: it is another run than the one noted before.
    """

    def decode(reply: Reply) -> None:
        if reply < 0:
            raise job_error(reply, job_id=job_id, queue=keys.name, operation="note_run")

    return run_script(
        "note_run", keys.base, job_id, token, msgspec.json.encode(run), "1" if fresh else "", decode=decode
    )


def beat_run(
    keys: QueueKeys, job_id: str, number: int, pod: str, now_ms: int, *, added_ms: int | None = None
) -> Call[bool]:
    """Say that a run's pod lives; the result is whether it should.

    Args:
        added_ms: when the job was added, as the pod was told: of a later job of the same id it is no pod.
    """
    return run_script("beat_run", keys.base, job_id, number, pod, now_ms, _optional(added_ms), decode=bool)


def leave_result(keys: QueueKeys, job_id: str, pod: str, left: Left, *, added_ms: int | None = None) -> Call[bool]:
    """Leave what became of a run; the result is whether anybody wants it.

    Args:
        added_ms: see `beat_run`.
    """
    written = msgspec.json.encode(left)
    return run_script("leave_result", keys.base, job_id, left.number, pod, written, _optional(added_ms), decode=bool)


def end_run(keys: QueueKeys, job_id: str, run: RemoteRun) -> Call[bool]:
    """Note that nothing more is wanted of a run; the result is whether it was the last that is noted."""
    over = structs.replace(run, phase="over")
    return run_script("end_run", keys.base, job_id, run.number, msgspec.json.encode(over), decode=bool)


_runs = msgspec.json.Decoder(RemoteRun)
_left = msgspec.json.Decoder(Left)


def _state(reply: Reply) -> RunState:
    timestamp, finished, cancelled, made, made_before, run, pod, heart, left = reply
    return RunState(
        exists=timestamp is not None,
        timestamp=_whole(timestamp) or 0,
        ended=finished is not None,
        cancelled=cancelled is not None,
        attempts_made=_whole(made or made_before) or 0,
        run=_read(_runs, run),
        pod=text(pod or b""),
        heart_ms=_whole(heart),
        left=_read(_left, left),
    )


def _read(decoder: msgspec.json.Decoder[_T], value: bytes | None) -> _T | None:
    # Anybody may have written there: what cannot be read counts as nothing.
    try:
        found = None if value is None else decoder.decode(value)
        _ = msgspec.json.encode(found)  # text with half a character in it could be read, and not be written again
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found


def _optional(value: int | None) -> Word:
    return "" if value is None else value


def _whole(value: bytes | None) -> int | None:
    try:
        return None if value is None else int(float(value))
    except (ValueError, OverflowError):
        return None
