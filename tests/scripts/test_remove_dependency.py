"""The script that cuts the tie between a child and its parent."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError, ParentNotFoundError
from oxmq.ops import families
from tests.scripts.bench import NOW, Bench, make_flow
from tests.scripts.relations import LATER, RELEASED, line


def cut(bench: Bench, job_id: str = "a", parent_key: str = "bull:q:p") -> bool:
    return bench.run(families.remove_dependency(bench.keys, job_id, parent_key))


def test_a_child_and_its_parent_forget_each_other(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a", "b"], parent_base=base, fpof=True)
    before, job = bench.dump("a"), bench.hash("a")
    assert cut(bench, "a", parent) is True
    assert bench.dump("a") == before | {f"{parent}:dependencies": ["bull:q:b"]}
    assert bench.hash("a") == {field: job[field] for field in job if field not in ("parentKey", "parent")}


def test_the_last_tie_to_be_cut_releases_the_parent(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    assert cut(bench, "a", parent) is True
    assert line(bench, base)[0] == "p"
    assert not bench.client.exists(f"{base}waiting-children", f"{parent}:dependencies")
    assert bench.client.zscore(f"{base}marker", "0") == 0
    assert bench.events(base) == [RELEASED]


@pytest.mark.parametrize("where", ["active", "delayed"])
def test_a_parent_that_does_not_wait_stays_where_it_is(bench: Bench, base: str, where: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    bench.client.delete(f"{base}waiting-children")
    if where == "active":
        bench.client.lpush(f"{base}active", "p")
    else:
        bench.client.zadd(f"{base}delayed", {"p": NOW})
    assert cut(bench, "a", parent) is True
    assert line(bench, base) == (["a"] if base == "bull:q:" else [])
    assert bench.events(base) == []


def test_a_paused_parents_queue_is_not_woken(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    bench.client.hset(f"{base}meta", "paused", 1)
    cut(bench, "a", parent)
    assert not bench.client.exists(f"{base}marker")


@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_child_that_was_cut_off_does_not_report_any_more(bench: Bench, ending: str) -> None:
    parent = make_flow(bench, "p", ["a", "b"], parent_base="bull:other:", fpof=True)
    cut(bench, "a", parent)
    before = {key: value for key, value in bench.dump().items() if key.startswith("bull:other:")}
    assert bench.taken_ids() == ["a"]
    bench.finish(bench.complete("a") if ending == "completed" else bench.fail("a"), now=LATER)
    assert {key: value for key, value in bench.dump().items() if key.startswith("bull:other:")} == before


def test_a_failed_child_that_is_waited_for_can_be_cut_off(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.taken_ids()
    bench.finish(bench.fail("a"))
    assert cut(bench, "a", parent) is True
    assert bench.in_line("wait") == ["p"]


@pytest.mark.parametrize("how", ["completed", "never a child"])
def test_where_there_is_no_tie_nothing_changes(bench: Bench, how: str) -> None:
    parent = make_flow(bench, "p", ["a", "b"])
    if how == "completed":
        bench.taken_ids()
        bench.finish(bench.complete("a"))
    else:
        bench.client.srem(f"{parent}:dependencies", "bull:q:a")
    before = bench.dump()
    assert cut(bench, "a", parent) is False
    assert bench.dump() == before


def test_cutting_twice_cuts_once(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    assert cut(bench, "a", parent) is True
    before = bench.dump()
    assert cut(bench, "a", parent) is False
    assert bench.dump() == before


def test_a_child_that_is_gone_is_refused(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.client.delete("bull:q:a")
    before = bench.dump()
    with pytest.raises(
        JobNotFoundError, match=r"^Missing key for job a\. remove_child_dependency \(queue 'q'\)$"
    ) as caught:
        cut(bench, "a", parent)
    assert caught.value.code == -1
    assert bench.dump() == before


@pytest.mark.parametrize("parent_key", ["bull:q:p", ""])
def test_a_parent_that_is_gone_is_refused(bench: Bench, parent_key: str) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.client.delete(parent)
    before = bench.dump()
    with pytest.raises(ParentNotFoundError, match=rf"^Missing key for parent job {parent_key}\. remove") as caught:
        cut(bench, "a", parent_key)
    assert caught.value.code == -5
    assert bench.dump() == before
