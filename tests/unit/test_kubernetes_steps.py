"""What the reconciler does about a Job: the whole table of what the queue says and what the cluster says."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from oxmq.kubernetes.diagnosis.job_state import JobPhase
from oxmq.kubernetes.naming import Identity
from oxmq.kubernetes.steps import IF_MISSING, ORDER, Action, decide
from oxmq.ops.remote_runs import Left, Phase, RemoteRun, RunState

JOB = Identity(owner="o", prefix="bull", queue="q", job_id="1", timestamp=1_000, number=2, attempt=2, task="report")
RUN = RemoteRun(number=2, attempt=2, namespace="jobs", name=JOB.name, phase="spawned", uid="u")
#: A job whose second attempt runs in the pod that is asked about.
WANTED = RunState(
    exists=True, timestamp=1_000, ended=False, cancelled=False, attempts_made=1, run=RUN, pod="", heart_ms=None,
    left=None,
)  # fmt: skip
GONE = RunState(
    exists=False, timestamp=0, ended=False, cancelled=False, attempts_made=0, run=None, pod="", heart_ms=None,
    left=None,
)  # fmt: skip


def said(run: RemoteRun | None = RUN, **fields: Any) -> RunState:
    return structs.replace(WANTED, run=run, **fields)


def run_of(**fields: Any) -> RemoteRun:
    return structs.replace(RUN, **fields)


#: Of a Job that goes on: what the queue says, what is done, and whether that has time.
GOES_ON: dict[str, tuple[RunState, Action, bool]] = {
    "spawned": (WANTED, "follow", False),
    "spawning": (said(run_of(phase="spawning")), "adopt", False),
    "result left, not taken yet": (said(left=Left(number=2, result="1")), "follow", False),
    "removed": (GONE, "delete", True),
    "removed and added again": (said(timestamp=2_000), "delete", True),
    "ended": (said(ended=True, attempts_made=2), "delete", True),
    "ended, the run over": (said(run_of(phase="over"), ended=True), "delete", True),
    "cancelled": (said(cancelled=True), "delete", False),
    "cancelled and ended": (said(cancelled=True, ended=True), "delete", True),
    "no run, or none that can be read": (said(None), "delete", True),
    "over": (said(run_of(phase="over")), "delete", False),
    "the attempt has ended": (said(attempts_made=2), "delete", False),
    "a later run of the attempt": (said(run_of(number=3)), "delete", False),
    "a later run of the next attempt": (said(run_of(number=3, attempt=3), attempts_made=2), "delete", False),
    "a later run that is over": (said(run_of(number=3, phase="over")), "delete", False),
    "an earlier run": (said(run_of(number=1, attempt=1)), "delete", True),
    "an earlier run of the attempt": (said(run_of(number=1)), "delete", True),
    "attempts counted anew": (said(attempts_made=0), "delete", True),
    "its number, of another attempt": (said(run_of(attempt=1), attempts_made=0), "delete", True),
    "its number, of another attempt than is due": (said(run_of(attempt=1)), "delete", True),
}


@pytest.mark.parametrize("phase", ["active", "suspended"])
@pytest.mark.parametrize("case", GOES_ON)
def test_what_is_done_about_a_job_that_goes_on(case: str, phase: JobPhase) -> None:
    state, action, patient = GOES_ON[case]
    step = decide(JOB, phase, state)
    assert (step.action, step.patient) == (action, patient)
    assert (bool(step.why), bool(step.queue_says)) == (True, True)


#: Of a Job that is over: what the queue says, and what is done.
IS_OVER: dict[str, tuple[RunState, Action]] = {
    "spawned": (WANTED, "keep"),
    "spawning": (said(run_of(phase="spawning")), "keep"),
    "removed": (GONE, "keep"),
    "cancelled": (said(cancelled=True), "keep"),
    "no run": (said(None), "keep"),
    "ended": (said(ended=True, attempts_made=2), "forget"),
    "ended before it had noted the pod": (said(run_of(phase="spawning"), ended=True), "forget"),
    "ended and over": (said(run_of(phase="over"), ended=True), "keep"),
    "ended, no run": (said(None, ended=True), "keep"),
    "ended with a later run": (said(run_of(number=3), ended=True), "keep"),
    "ended with an earlier run": (said(run_of(number=1), ended=True), "keep"),
}


@pytest.mark.parametrize("phase", ["complete", "failed"])
@pytest.mark.parametrize("case", IS_OVER)
def test_what_is_done_about_a_job_that_is_over(case: str, phase: JobPhase) -> None:
    state, action = IS_OVER[case]
    assert decide(JOB, phase, state).action == action
    late = decide(JOB, phase, state, expired=True)
    assert (late.action, late.patient) == ("delete", False)


def test_who_is_missing_is_waited_for() -> None:
    assert {phase: step.action for phase, step in IF_MISSING.items()} == {"spawning": "wait", "spawned": "wait"}
    assert sorted(ORDER) == sorted(get_args(Action))


small = st.integers(-1, 4)
runs = st.builds(
    RemoteRun, number=small, attempt=small, namespace=st.just("jobs"), name=st.just("n"),
    phase=st.sampled_from(get_args(Phase)), uid=st.sampled_from(["", "u"]),
)  # fmt: skip
states = st.builds(
    RunState, exists=st.booleans(), timestamp=st.sampled_from([0, 1_000]), ended=st.booleans(),
    cancelled=st.booleans(), attempts_made=small, run=st.none() | runs, pod=st.just(""),
    heart_ms=st.none() | st.integers(), left=st.none() | st.builds(Left, number=small),
)  # fmt: skip
identities = st.builds(
    Identity, owner=st.just("o"), prefix=st.just("bull"), queue=st.just("q"), job_id=st.just("1"),
    timestamp=st.sampled_from([0, 1_000]), number=small, attempt=small, task=st.just("report"),
)  # fmt: skip


def is_wanted(identity: Identity, state: RunState) -> bool:
    """Say whether a job wants a pod, as the pod itself is told that asks."""
    run = state.current
    return (
        state.exists
        and not state.cancelled
        and state.timestamp == identity.timestamp
        and run is not None
        and (run.number, run.attempt) == (identity.number, identity.attempt)
    )


@given(identities, st.sampled_from(["active", "suspended"]), states, st.booleans())
def test_a_job_that_goes_on_is_deleted_exactly_when_it_is_not_wanted(
    identity: Identity, phase: JobPhase, state: RunState, expired: bool
) -> None:
    action = decide(identity, phase, state, expired=expired).action
    assert action in ("follow", "adopt", "delete")
    assert (action != "delete") is is_wanted(identity, state)


@given(identities, st.sampled_from(["complete", "failed"]), states, st.booleans())
def test_a_job_that_is_over_is_kept_until_its_time(
    identity: Identity, phase: JobPhase, state: RunState, expired: bool
) -> None:
    action = decide(identity, phase, state, expired=expired).action
    assert (action == "delete") is expired
    if action == "forget":
        assert state.ended
        assert not is_wanted(identity, state)


@given(identities, st.sampled_from(get_args(JobPhase)), states)
def test_deciding_is_patient_only_where_it_deletes(identity: Identity, phase: JobPhase, state: RunState) -> None:
    step = decide(identity, phase, state)
    assert not step.patient or step.action == "delete"
    assert decide(identity, phase, state) == step
