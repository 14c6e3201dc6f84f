"""Runs of jobs in pods, as the tests of their scripts need them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from oxmq.ops import remote_runs
from oxmq.ops.remote_runs import Left, RemoteRun, RunState
from tests.scripts.bench import NOW, Bench

RUN = RemoteRun(number=1, attempt=1, namespace="jobs", name="report-1", phase="spawned", uid="u1", at_ms=NOW)
#: What a pod wrote, which goes when nothing more is wanted of its run.
LEFT = {"oxmq:heart": str(NOW), "oxmq:pod": "pod-1", "oxmq:left": '{"number":1,"result":"2"}'}
#: What stands where a run is expected and is none.
NO_RUNS = (
    "", "null", "[]", "7", '"run"', "{", "{}", '{"number":"1"}', '{"number":null,"attempt":1}', "\x00", "[" * 5_000,
    '{"number":{},"attempt":{},"phase":[]}', '{"run":' * 2_000 + "1" + "}" * 2_000,
)  # fmt: skip


def run_of(**fields: Any) -> RemoteRun:
    """Return the run with some fields changed."""
    return structs.replace(RUN, **fields)


def start(bench: Bench, run: RemoteRun = RUN, fields: Mapping[str, Any] | None = None) -> None:
    """Have job ``a`` run in a pod, and set fields of its hash."""
    bench.start("a")
    note(bench, run)
    if fields:
        bench.client.hset("bull:q:a", mapping=fields)


def note(bench: Bench, run: RemoteRun = RUN, token: str = "t", *, fresh: bool = False) -> None:
    bench.run(remote_runs.note_run(bench.keys, "a", token, run, fresh=fresh))


def beat(bench: Bench, number: int = 1, pod: str = "pod-1", *, now: int = NOW, added: int | None = None) -> bool:
    return bench.run(remote_runs.beat_run(bench.keys, "a", number, pod, now, added_ms=added))


def leave(bench: Bench, number: int = 1, pod: str = "pod-1", *, added: int | None = None, **fields: Any) -> bool:
    given: dict[str, Any] = {"result": "2"} | fields
    left = Left(number=number, **given)
    return bench.run(remote_runs.leave_result(bench.keys, "a", pod, left, added_ms=added))


def end(bench: Bench, run: RemoteRun = RUN) -> bool:
    return bench.run(remote_runs.end_run(bench.keys, "a", run))


def state(bench: Bench) -> RunState:
    return bench.run(remote_runs.get_run_state(bench.keys, "a"))


#: Why a pod's run is not wanted: what is written into the job's hash, and what the pod says of itself.
UNWANTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "completed": ({"finishedOn": NOW}, {}),
    "cancelled": ({"cancelledOn": NOW}, {}),
    "the attempt has ended": ({"atm": 1}, {}),
    "the attempt has ended, in the words of old versions": ({"attemptsMade": 1}, {}),
    "an earlier run": ({}, {"number": 0}),
    "a run that is not there yet": ({}, {"number": 2}),
    "another pod has it": ({"oxmq:pod": "pod-2"}, {}),
    "a job of the same id that was added before": ({}, {"added": NOW - 1}),
    "a job of the same id without a time": ({"timestamp": "soon"}, {"added": NOW}),
    "over": ({"oxmq:run": '{"number":1,"attempt":1,"phase":"over"}'}, {}),
    "of no attempt": ({"oxmq:run": '{"number":1,"phase":"spawned"}'}, {}),
    "a number as text": ({"oxmq:run": '{"number":"1","attempt":1,"phase":"spawned"}'}, {}),
    **{f"no run: {text:.20}": ({"oxmq:run": text}, {}) for text in NO_RUNS},
}
