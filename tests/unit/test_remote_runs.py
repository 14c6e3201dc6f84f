"""What a job says of its run in a pod, whoever has written it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.keys import QueueKeys
from oxmq.ops import reconciling, remote_runs
from oxmq.ops.remote_runs import Left, RemoteRun, RunState
from tests.support import hostile

KEYS = QueueKeys("q")
RUN = RemoteRun(number=2, attempt=1, namespace="jobs", name="report-1", phase="spawned", uid="u1", at_ms=1)
READ = remote_runs.get_run_state(KEYS, "1")


def state(**fields: bytes) -> RunState:
    """Return what is read of a job's hash; what is not given is not there."""
    names = [str(word) for word in READ.words[2:]]
    assert not fields.keys() - set(names)
    return READ.decode([fields.get(name) for name in names])


def encoded(run: RemoteRun) -> bytes:
    return msgspec.json.encode(run)


def test_a_job_that_is_gone() -> None:
    found = state()
    assert found == RunState(
        exists=False, timestamp=0, ended=False, cancelled=False, attempts_made=0, run=None, pod="", heart_ms=None,
        left=None,
    )  # fmt: skip
    assert (found.current, found.result) == (None, None)


def test_a_job_that_runs() -> None:
    left = Left(number=2, result='"done"')
    found = state(
        **{
            "timestamp": b"1700000000000",
            "atm": b"0",
            "oxmq:run": encoded(RUN),
            "oxmq:pod": b"pod-1",
            "oxmq:heart": b"5",
            "oxmq:left": msgspec.json.encode(left),
        }
    )
    assert (found.exists, found.timestamp, found.pod, found.heart_ms) == (True, 1_700_000_000_000, "pod-1", 5)
    assert (found.current, found.result) == (RUN, left)


@pytest.mark.parametrize(
    "fields",
    [
        {"finishedOn": b"1"}, {"atm": b"1"}, {"attemptsMade": b"1"},
        {"oxmq:run": encoded(msgspec.structs.replace(RUN, phase="over"))},
        {"oxmq:run": encoded(msgspec.structs.replace(RUN, attempt=3))},
    ],
)  # fmt: skip
def test_a_run_that_is_not_of_the_attempt_under_way(fields: dict[str, bytes]) -> None:
    assert state(**({"timestamp": b"1", "oxmq:run": encoded(RUN)} | fields)).current is None


def test_what_an_earlier_run_left_is_no_result() -> None:
    left = msgspec.json.encode(Left(number=1, result="1"))
    assert state(**{"timestamp": b"1", "oxmq:run": encoded(RUN), "oxmq:left": left}).result is None


BROKEN = [
    b"", b"\xff", b"null", b"[]", b"7", b"{", b"{}", b'{"number":"1"}', b"\x00", b"[" * 100_000,
    encoded(RUN)[:-1] + b',"more":' + b"[" * 100_000, encoded(RUN).replace(b"spawned", b"gone"),
    encoded(RUN).replace(b'"u1"', b'"\\ud800"'), encoded(RUN).replace(b'"u1"', b'"\xff"'),
    encoded(RUN).replace(b":2,", b":" + b"9" * 5_000 + b","), encoded(RUN).replace(b":2,", b":1e999,"),
]  # fmt: skip
HOSTILE = [text.encode(errors="surrogatepass") for text in hostile.STRINGS]


def with_more(fields: dict[str, object]) -> bytes:
    """Return the run, with some fields a second time."""
    return encoded(RUN)[:-1] + b"," + msgspec.json.encode(fields)[1:]


#: JSON that is nearly right.
near = st.fixed_dictionaries(
    {},
    optional={
        name: st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
        for name in ("number", "attempt", "namespace", "name", "phase", "uid", "at_ms", "result", "signal", "seconds")
    },
)
written = (
    st.none() | st.binary() | st.sampled_from(BROKEN) | st.sampled_from(HOSTILE)
    | st.integers().map(str).map(str.encode)
    | st.floats().map(str).map(str.encode) | near.map(msgspec.json.encode)
    | st.builds(with_more, near)
)  # fmt: skip


@pytest.mark.parametrize("value", BROKEN)
def test_what_cannot_be_read_counts_as_nothing(value: bytes) -> None:
    found = state(**{"timestamp": b"1", "oxmq:run": value})
    assert (found.run, found.current, found.result) == (None, None, None)
    left = value.replace(b'"uid"', b'"message"').replace(b'"phase"', b'"seconds"')
    assert state(**{"timestamp": b"1", "oxmq:run": encoded(RUN), "oxmq:left": left}).result is None


@given(st.lists(written, min_size=len(READ.words) - 2, max_size=len(READ.words) - 2))
def test_nothing_that_is_written_there_raises_now_or_later(values: list[bytes | None]) -> None:
    found = READ.decode(values)
    assert isinstance(found, RunState)
    _ = found.current, found.result, msgspec.json.encode(found)
    if found.run is not None:
        assert remote_runs.end_run(KEYS, "1", found.run).words
        assert remote_runs.note_run(KEYS, "1", "token", found.run).words


@given(written)
def test_no_report_raises(value: bytes | None) -> None:
    found = reconciling.get_report("bull").decode(value)
    assert found is None or msgspec.json.encode(found)
