"""What a worker counts of the runs that end."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.histograms import Histogram
from oxmq.records import JobRecord
from oxmq.worker import tally
from oxmq.worker.run import Run
from oxmq.worker.tally import Tally, due_of

NOW = 1_700_000_000_000


def ended(*, ran: float = 0.25, delay: int = 0, **fields: Any) -> Run:
    """Return a run of a job that could be started 40 ms after it was added."""
    given: dict[str, Any] = {"timestamp": NOW, "processed_on": NOW + 40, "attempts_started": 1, **fields}
    record = JobRecord("a", **given)
    run = Run(record, "token", 10.0, lambda _job, _progress: None)
    run.ended, run.delay = 10.0 + ran, delay
    return run


def test_each_kind_of_end_is_counted_once() -> None:
    counted = Tally()
    kinds = ["completed", "completed", "failed", "retry", "delay", "delay", "release", "postpone", "park"]
    for kind in kinds:
        counted.count(kind, ended())
    counts = counted.take()
    assert (counts.completed, counts.failed, counts.retried) == (2, 1, 3)
    assert counts.run == Histogram.of([250, 250])
    assert counts.wait == Histogram.of([40] * 6)


def test_what_was_taken_is_not_counted_again() -> None:
    counted = Tally()
    counted.count("completed", ended())
    assert counted.take()
    assert not counted.take()


@pytest.mark.parametrize(
    ("run", "waited"),
    [
        (ended(), [40]),
        (ended(attempts_started=2), []),
        (ended(delay=30, opts=b'{"delay":30}'), [10]),
        (ended(delay=30_000, opts=b'{"delay":30000}'), [0]),
        (ended(delay=30, opts=b'{"delay":30,"expires":90}', due_on=NOW + 35), [5]),
    ],
    ids=["at once", "started again", "delayed", "promoted", "due at a known time"],
)
def test_a_job_waits_from_when_it_can_run(run: Run, waited: list[int]) -> None:
    counted = Tally()
    counted.count("completed", run)
    assert counted.take().wait == Histogram.of(waited)


def test_a_job_is_due_when_its_delay_is_over() -> None:
    assert due_of(JobRecord("a", timestamp=NOW)) == NOW
    assert due_of(JobRecord("a", timestamp=NOW, opts=b'{"delay":500}')) == NOW + 500
    assert due_of(JobRecord("a", timestamp=NOW, due_on=NOW + 7)) == NOW + 7


@pytest.mark.parametrize("fields", [{}, {"attempts_started": 2}], ids=["first runs", "later runs"])
def test_no_more_times_are_noted_down_than_a_few(fields: dict[str, int]) -> None:
    counted = Tally()
    many = 3 * tally._MOST_NOTED + 7  # pyright: ignore[reportPrivateUsage] - no caller may set it
    for number in range(many):
        counted.count("completed", ended(ran=number / 1000, **fields))
        assert len(counted._ran) < tally._MOST_NOTED  # pyright: ignore[reportPrivateUsage] - seen from nowhere else
    counts = counted.take()
    assert (counts.completed, counts.run.total) == (many, many)
    assert counts.wait.total == (0 if fields else many)
