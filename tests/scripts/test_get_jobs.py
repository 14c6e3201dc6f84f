"""The script that reads a page of a container."""

from __future__ import annotations

import pytest

from oxmq.ops import queues
from tests.scripts.bench import NOW, Bench

PAGES = [
    (0, -1, True, "abcde"),
    (0, -1, False, "edcba"),
    (0, 1, True, "ab"),
    (0, 1, False, "ed"),
    (1, 3, True, "bcd"),
    (1, 3, False, "dcb"),
    (2, -1, True, "cde"),
    (2, -1, False, "cba"),
    (4, 9, True, "e"),
    (5, 9, True, ""),
]


@pytest.mark.parametrize(("start", "end", "asc", "expected"), PAGES)
@pytest.mark.parametrize("container", ["wait", "completed"])
def test_a_page_of_a_container(bench: Bench, container: str, start: int, end: int, asc: bool, expected: str) -> None:
    if container == "wait":
        bench.add(*"abcde")
    else:
        bench.start(*"abcde")
        for at, job_id in enumerate("abcde"):
            bench.finish(bench.complete(job_id), now=NOW + at)
    page = bench.run(queues.get_jobs(bench.keys, container, start, end, asc=asc))
    assert [record.id for record in page.records] == list(expected)
    assert page.scanned == len(expected)


def test_ids_without_a_job_are_counted_and_left_out(bench: Bench) -> None:
    bench.add("a", "b")
    bench.client.delete("bull:q:a")
    page = bench.run(queues.get_jobs(bench.keys, "wait", 0, -1, asc=True))
    assert (page.scanned, [record.id for record in page.records]) == (2, ["b"])
