"""The script that notes in which pod an attempt runs."""

from __future__ import annotations

import pytest
from msgspec import structs

from oxmq.errors import JobNotFoundError, LockLostError
from oxmq.scripts import SCRIPTS
from tests.scripts.bench import NOW, Bench
from tests.scripts.runs import LEFT, RUN, note, run_of, start, state

SPAWNING = structs.replace(RUN, phase="spawning", uid="")


def test_a_run_is_noted_and_nothing_else_changes(bench: Bench) -> None:
    bench.start("a", "b")
    fields, others = bench.hash("a"), bench.dump("a")
    note(bench, SPAWNING, fresh=True)
    assert (bench.hash("a").items() >= fields.items(), bench.dump("a")) == (True, others)
    assert bench.hash("a").keys() - fields.keys() == {"oxmq:run"}
    found = state(bench)
    assert (found.run, found.current, found.timestamp) == (SPAWNING, SPAWNING, NOW)
    note(bench, RUN)
    assert state(bench).current == RUN


def test_what_the_pod_left_stays_with_its_run(bench: Bench) -> None:
    start(bench, SPAWNING, LEFT)
    note(bench, RUN)
    assert bench.hash("a").items() >= LEFT.items()


def test_another_run_begins_without_what_the_one_before_left(bench: Bench) -> None:
    start(bench, fields=LEFT)
    note(bench, run_of(number=2), fresh=True)
    assert not bench.hash("a").keys() & LEFT.keys()


def test_noting_again_changes_nothing(bench: Bench) -> None:
    start(bench, SPAWNING)
    before = bench.dump()
    note(bench, SPAWNING)
    assert bench.dump() == before


@pytest.mark.parametrize("lock", [None, "other"])
def test_who_does_not_hold_the_job_may_not(bench: Bench, lock: str | None) -> None:
    start(bench, fields=LEFT)
    if lock is None:
        bench.client.delete("bull:q:a:lock")
    else:
        bench.client.set("bull:q:a:lock", lock)
    before = bench.dump()
    with pytest.raises(LockLostError) as caught:
        note(bench, run_of(number=2), fresh=True)
    assert caught.value.code == (-2 if lock is None else -6)
    assert bench.dump() == before


def test_a_job_that_is_gone_is_not_made(bench: Bench) -> None:
    bench.client.set("bull:q:a:lock", "t")
    before = bench.dump()
    with pytest.raises(JobNotFoundError) as caught:
        note(bench, fresh=True)
    assert caught.value.code == -1
    assert bench.dump() == before


@pytest.mark.parametrize("name", ["note_run", "beat_run", "leave_result", "end_run"])
def test_a_run_goes_on_when_the_server_has_no_more_memory(name: str) -> None:
    assert "allow-oom" in SCRIPTS[name].header.flags
