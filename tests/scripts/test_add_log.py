"""The script that appends to a job's log, and the commands that read and clear it."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError
from oxmq.ops import jobs
from tests.scripts.bench import Bench


def test_logs_are_appended_and_counted(bench: Bench) -> None:
    bench.add("a")
    assert [bench.run(jobs.add_log(bench.keys, "a", row, None)) for row in ("one", "two", "three")] == [1, 2, 3]
    assert bench.client.lrange("bull:q:a:logs", 0, -1) == ["one", "two", "three"]


def test_several_rows_are_appended_in_order(bench: Bench) -> None:
    bench.add("a")
    rows = [str(number) for number in range(1_000)]
    assert bench.run(jobs.add_logs(bench.keys, "a", rows, None)) == 1_000
    assert bench.run(jobs.add_logs(bench.keys, "a", ["x", "y"], 3)) == 3
    assert bench.client.lrange("bull:q:a:logs", 0, -1) == ["999", "x", "y"]


def test_only_the_newest_log_rows_are_kept(bench: Bench) -> None:
    bench.add("a")
    assert [bench.run(jobs.add_log(bench.keys, "a", row, 2)) for row in ("one", "two", "three")] == [1, 2, 2]
    assert bench.client.lrange("bull:q:a:logs", 0, -1) == ["two", "three"]


@pytest.mark.parametrize(
    ("start", "end", "asc", "rows"),
    [
        (0, -1, True, "abcde"),
        (0, -1, False, "edcba"),
        (1, 2, True, "bc"),
        (1, 2, False, "dc"),
        (3, -1, False, "ba"),
        (9, 12, True, ""),
        (9, 12, False, ""),
    ],
)
def test_logs_are_read_by_page(bench: Bench, start: int, end: int, asc: bool, rows: str) -> None:
    bench.add("a")
    for row in "abcde":
        bench.run(jobs.add_log(bench.keys, "a", row, None))
    assert bench.run(jobs.get_logs(bench.keys, "a", start, end, asc=asc)) == list(rows)
    assert bench.run(jobs.count_logs(bench.keys, "a")) == 5


@pytest.mark.parametrize(("keep", "left"), [(None, ""), (0, ""), (2, "de"), (9, "abcde")])
def test_logs_are_cleared_but_the_newest(bench: Bench, keep: int | None, left: str) -> None:
    bench.add("a")
    for row in "abcde":
        bench.run(jobs.add_log(bench.keys, "a", row, None))
    bench.run(jobs.clear_logs(bench.keys, "a", keep))
    assert bench.run(jobs.get_logs(bench.keys, "a", 0, -1, asc=True)) == list(left)


def test_a_job_that_does_not_exist_is_not_made(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    with pytest.raises(JobNotFoundError, match=r"Missing key for job gone\. add_log") as caught:
        bench.run(jobs.add_log(bench.keys, "gone", "row", None))
    assert caught.value.code == -1
    assert bench.dump() == before
