"""Decide what is to be done about a Job, given what the queue says of its run and the cluster of the Job.

Pure functions of both: the reconciler acts on them, and only while they still hold.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from oxmq.kubernetes.diagnosis.job_state import JobPhase
from oxmq.kubernetes.naming import Identity
from oxmq.ops.remote_runs import RemoteRun, RunState

Action = Literal["follow", "adopt", "wait", "keep", "delete", "forget"]
"""Workers follow and adopt, or wait for somebody to take the job; the cluster keeps; the reconciler does the rest."""


class Step(Struct, frozen=True):
    """Hold what is to be done about a Job, and why.

    Attributes:
        action: what.
        queue_says: what the queue says of the run, in a few words.
        why: a sentence.
        patient: whether to wait for the grace of orphans first.
    """

    action: Action
    queue_says: str
    why: str
    patient: bool = False


def decide(identity: Identity, phase: JobPhase, state: RunState, *, expired: bool = False) -> Step:
    """Return what is to be done about a Job.

    Args:
        identity: which run the Job stands for.
        phase: how the cluster says that the Job is.
        state: what the queue says.
        expired: whether the Job ended so long ago that the cluster should have deleted it.
    """
    if phase in ("complete", "failed"):
        return _decide_finished(identity, state, expired=expired)
    run = state.run
    if not state.exists or state.timestamp != identity.timestamp:
        return Step("delete", "no such job", "its job was removed", patient=True)
    if state.ended:
        return Step("delete", "ended", "its job has ended", patient=True)
    if state.cancelled:
        return Step("delete", "cancelled", "its job was cancelled")
    if run is None:
        return Step("delete", "no run", "its job knows of no run", patient=True)
    return _decide_of_run(identity, state, run)


def _decide_of_run(identity: Identity, state: RunState, run: RemoteRun) -> Step:
    if run.number > identity.number or state.attempts_made >= identity.attempt:
        return Step("delete", f"run {run.number} of attempt {run.attempt}", "a later run has taken its place")
    if run.phase == "over":
        return Step("delete", "over", "nothing more is wanted of this run")
    if run.number < identity.number:
        return Step("delete", f"run {run.number}", "its job knows of no such run", patient=True)
    if state.current is None or run.attempt != identity.attempt:
        return Step("delete", f"attempt {state.attempts_made + 1}", "its job does not want this attempt", patient=True)
    if run.phase == "spawning":
        return Step("adopt", "spawning", "whoever holds its job adopts it")
    return Step("follow", "spawned", "whoever holds its job follows it")


def _decide_finished(identity: Identity, state: RunState, *, expired: bool) -> Step:
    says = "ended" if state.ended else "not ended"
    if expired:
        return Step("delete", says, "its time to live is long over, and the cluster has not deleted it")
    run = state.run
    if state.ended and run is not None and run.number == identity.number and run.phase != "over":
        return Step("forget", says, "its job has ended: what the pod left is no longer wanted")
    return Step("keep", says, "the cluster deletes it when its time to live is over")


#: In what order a report shows runs.
ORDER: Final[tuple[Action, ...]] = ("delete", "wait", "forget", "adopt", "follow", "keep")
#: What is to be done about a run whose Job is not there, by how far the run has come.
IF_MISSING: Final = {
    "spawning": Step("wait", "spawning", "whoever holds its job asks for the pod again"),
    "spawned": Step("wait", "spawned", "whoever holds its job fails the attempt, unless the pod left its result"),
}
