"""A checker that never finds fault proves nothing: each offence is one it finds, and it tells of the right job."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.support.checker import Seen, assert_sound, judge
from tests.support.history import How, Reader, Record, What, Writer

FINE = Seen(
    key="a", job_id="a", state="completed", endings=1, attempts_made=1, attempts_started=1, stalled=0, allowed=2
)
STARTED: tuple[What, How] = ("start", "")
ADDED: tuple[tuple[What, How], ...] = (("add", "invoke"), ("add", "ok"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def history(path: Path, *lines: tuple[What, How]) -> list[Record]:
    """Write a history of the job "a", whose lines are what happened and how, and read it back."""
    writer = Writer(path)
    for what, how in lines:
        writer.write(what, how, key="a")
    return Reader(path).records()


def test_a_good_history_is_sound(path: Path) -> None:
    verdict = assert_sound(history(path, *ADDED, STARTED, ("end", "")), [FINE])
    assert (verdict.acknowledged, verdict.runs, verdict.faults()) == ({"a"}, 1, {})


@pytest.mark.parametrize("jobs", [[], [dataclasses.replace(FINE, state="active", endings=0)]])
def test_a_job_that_did_not_end_is_lost(path: Path, jobs: list[Seen]) -> None:
    assert judge(history(path, *ADDED), jobs).faults() == {"lost": {"a"}}


def test_a_job_that_nobody_added_is_unexpected(path: Path) -> None:
    assert judge(history(path, STARTED), [FINE]).faults() == {"unexpected": {"a"}}


def test_a_refused_job_that_is_there_is_a_phantom(path: Path) -> None:
    assert judge(history(path, ("add", "invoke"), ("add", "fail")), [FINE]).faults() == {"phantom": {"a"}}


@pytest.mark.parametrize("jobs", [[], [FINE]])
@pytest.mark.parametrize("end", ["info", "invoke"])
def test_an_unknown_job_may_be_there_or_not(path: Path, jobs: list[Seen], end: How) -> None:
    verdict = judge(history(path, ("add", "invoke"), ("add", end)), jobs)
    assert (verdict.unknown, verdict.faults()) == ({"a"}, {})
    assert verdict.recovered == {job.key for job in jobs}


def test_one_job_under_two_ids_is_duplicated_and_accepted_twice(path: Path) -> None:
    faults = judge(history(path, *ADDED), [FINE, dataclasses.replace(FINE, job_id="b")]).faults()
    assert faults == {"duplicated": {"a"}, "accepted_twice": {"a"}}


def test_two_ends_of_one_job_are_accepted_twice(path: Path) -> None:
    assert judge(history(path, *ADDED), [dataclasses.replace(FINE, endings=2)]).faults() == {"accepted_twice": {"a"}}


def test_starts_are_bounded(path: Path) -> None:
    records = history(path, *ADDED, STARTED, STARTED, STARTED)
    assert judge(records, [FINE]).faults() == {"overrun": {"a"}}
    assert judge(records, [FINE], excused_starts=1).faults() == {}


def test_the_story_of_an_offence_is_told(path: Path) -> None:
    with pytest.raises(AssertionError, match=r"1 lost\n\nlost:\n  a\n.*add how=invoke\n.*add how=ok\n.*no such job"):
        assert_sound(history(path, *ADDED), [])


def test_half_a_line_is_not_read(path: Path) -> None:
    reader = Reader(path)
    Writer(path).write("ready")
    with path.open("ab") as file:
        file.write(b'{"at":1')
    assert len(reader.records()) == 1
    with path.open("ab") as file:
        file.write(b',"pid":1,"what":"ready"}\n')
    assert len(reader.records()) == 2
