"""Read what a Job says of itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from oxmq.kubernetes.diagnosis.fields import Fields, entries, find, text, true_condition, whole

JobPhase = Literal["active", "complete", "failed", "suspended"]
"""Whether a Job is over, as its conditions say."""


class JobState(Struct, frozen=True):
    """Hold what a Job says of itself.

    Attributes:
        phase: whether it is over. It is so for good with ``complete`` and ``failed``.
        reason: why it failed, in one word such as ``BackoffLimitExceeded``; also while it is about to.
        message: the same in a sentence.
        is_ending: the outcome is decided, and the Job waits for its pods to end. Only newer servers say so.
        is_deleted: somebody has asked for its deletion.
        deadline: after how many seconds the cluster stops it; None for never.
    """

    phase: JobPhase
    reason: str = ""
    message: str = ""
    is_ending: bool = False
    is_deleted: bool = False
    deadline: int | None = None


def job_phase(job: object) -> JobPhase:
    """Return whether a Job is over: by its conditions alone, for its counts run ahead of them and behind."""
    return job_state(job).phase


def job_state(job: object) -> JobState:
    """Read a Job; whatever it lacks is taken for not having happened."""
    status = find(job, "status")
    over = _first_true(status, ("Complete", "Failed"))
    hint = true_condition(status, "FailureTarget")
    failure = hint if over is None else over
    return JobState(
        phase=_phase(status, over),
        reason=text(failure, "reason"),
        message=text(failure, "message"),
        is_ending=over is None and (hint is not None or true_condition(status, "SuccessCriteriaMet") is not None),
        is_deleted=bool(text(job, "metadata", "deletionTimestamp")),
        deadline=whole(job, "spec", "activeDeadlineSeconds"),
    )


def _phase(status: object, over: Fields | None) -> JobPhase:
    if over is not None:
        return "complete" if over["type"] == "Complete" else "failed"
    return "suspended" if true_condition(status, "Suspended") is not None else "active"


def _first_true(status: object, kinds: tuple[str, ...]) -> Fields | None:
    found = (item for item in entries(find(status, "conditions")) if item.get("type") in kinds)
    return next((item for item in found if item.get("status") == "True"), None)
