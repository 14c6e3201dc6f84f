"""The script that reads the jobs of a state page by page, while others add, take and remove jobs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from oxmq import ConfigurationError
from oxmq.ops import pages
from oxmq.ops.pages import JobsPage, PageCursor
from tests.scripts.bench import NOW, Bench, plain_hash
from tests.scripts.test_bounded_work import commands_of

STATES = {
    "waiting": "wait", "active": "active", "delayed": "delayed", "prioritized": "prioritized",
    "waiting-children": "waiting-children", "completed": "completed", "failed": "failed",
}  # fmt: skip
LISTS = ("waiting", "active")
either_way = pytest.mark.parametrize("newest", [True, False], ids=["newest", "oldest"])
every_state = pytest.mark.parametrize("state", STATES)


def put(bench: Bench, container: str, *ids: str, score: float | None = None, **fields: Any) -> None:
    """Put jobs into a container: each newer than the one before, or all of one score."""
    pipeline = bench.client.pipeline(transaction=False)
    at = bench.client.zcard(bench.of(container)) if container not in ("wait", "paused", "active") else 0
    for number, job_id in enumerate(ids):
        pipeline.hset(bench.keys.job(job_id), mapping=plain_hash(**fields))
        if container in ("wait", "paused", "active"):
            pipeline.lpush(bench.of(container), job_id)
        else:
            pipeline.zadd(bench.of(container), {job_id: at + number if score is None else score})
    pipeline.execute()


def take_out(bench: Bench, container: str, *ids: str) -> None:
    for job_id in ids:
        if container in ("wait", "paused", "active"):
            bench.client.lrem(bench.of(container), 0, job_id)
        else:
            bench.client.zrem(bench.of(container), job_id)


def page(bench: Bench, state: str, cursor: PageCursor | None = None, count: int = 3, *, newest: bool) -> JobsPage:
    return bench.run(pages.get_page(bench.keys, state, cursor, count, newest=newest))


def ids_of(found: JobsPage) -> list[str]:
    return [record.id for record in found.records]


def walk(bench: Bench, state: str, count: int = 3, *, newest: bool) -> list[list[str]]:
    """Return the ids of all pages."""
    found = [page(bench, state, count=count, newest=newest)]
    while found[-1].next:
        found.append(page(bench, state, found[-1].next, count, newest=newest))
    return [ids_of(each) for each in found]


@every_state
@either_way
def test_a_state_is_read_from_one_end_to_the_other(bench: Bench, state: str, newest: bool) -> None:
    put(bench, STATES[state], "a", "b", "c", "d", "e", "f", "g")
    before = bench.dump()
    wanted = [["g", "f", "e"], ["d", "c", "b"], ["a"]] if newest else [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert walk(bench, state, newest=newest) == wanted
    first = page(bench, state, newest=newest)
    assert (first.total, first.scanned, first.missing) == (7, 3, [])
    assert first.records[0].name == "job"
    assert bench.dump() == before


@every_state
@either_way
def test_an_empty_state_has_one_page(bench: Bench, state: str, newest: bool) -> None:
    assert page(bench, state, newest=newest) == JobsPage([], [], None, 0, 0)


@either_way
def test_a_page_that_is_full_at_the_end_is_the_last(bench: Bench, newest: bool) -> None:
    put(bench, "completed", "a", "b", "c")
    put(bench, "wait", "d", "e", "f")
    assert page(bench, "completed", newest=newest).next is None
    # An older peer may have set jobs aside, which come last.
    assert [len(ids) for ids in walk(bench, "waiting", newest=newest)] in ([3], [3, 0])


def test_jobs_that_an_older_peer_set_aside_come_last(bench: Bench) -> None:
    put(bench, "wait", "a", "b")
    put(bench, "paused", "c", "d", "e")
    assert walk(bench, "waiting", newest=False) == [["a", "b", "c"], ["d", "e"]]
    assert walk(bench, "waiting", newest=True) == [["b", "a", "e"], ["d", "c"]]
    assert page(bench, "waiting", newest=True).total == 5


# ---- while others work on the queue ----------------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize("seed", range(3))
def test_in_a_sorted_set_what_stays_is_shown_exactly_once(bench: Bench, newest: bool, seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"job-{number:03}" for number in range(200)]
    for job_id in ids:
        put(bench, "completed", job_id, score=chance.randrange(12))
    staying, seen, cursor = set(ids), list[str](), None
    for turn in range(1_000):
        found = page(bench, "completed", cursor, 7, newest=newest)
        seen += ids_of(found)
        cursor = found.next
        if cursor is None:
            break
        # The last one that was seen goes now and then, others come anywhere, and some come back later.
        gone = {cursor.last, *chance.sample(ids, 3)} if turn % 2 else set(chance.sample(ids, 2))
        take_out(bench, "completed", *gone)
        staying -= gone
        put(bench, "completed", f"late-{turn}", score=chance.randrange(12))
    assert cursor is None
    assert staying <= set(seen)
    assert len(seen) == len(set(seen))


@either_way
@pytest.mark.parametrize("state", LISTS)
def test_in_a_list_what_stays_is_shown_exactly_once(bench: Bench, state: str, newest: bool) -> None:
    ids = [f"job-{number:03}" for number in range(100)]
    put(bench, STATES[state], *ids)
    staying, seen, cursor = set(ids), list[str](), None
    for turn in range(1_000):
        found = page(bench, state, cursor, 7, newest=newest)
        seen += ids_of(found)
        cursor = found.next
        if cursor is None:
            break
        put(bench, STATES[state], f"late-{turn}-1", f"late-{turn}-2")
        # All that was just seen goes, as when somebody acts upon each page; or what runs next is taken.
        gone = ids_of(found) if turn % 2 else bench.client.lrange(bench.of(STATES[state]), -1, -1)
        take_out(bench, STATES[state], *gone)
        staying -= set(gone)
    assert cursor is None
    assert staying <= set(seen)
    assert len(seen) == len(set(seen))


def test_what_was_taken_took_all_that_were_to_run_before_it(bench: Bench) -> None:
    put(bench, "wait", *(f"job-{number}" for number in range(9)))
    cursor = page(bench, "waiting", newest=False).next
    for number in range(4):
        bench.client.hset(bench.keys.job(f"job-{number}"), "processedOn", NOW)
        take_out(bench, "wait", f"job-{number}")
    assert ids_of(page(bench, "waiting", cursor, newest=False)) == ["job-4", "job-5", "job-6"]


@either_way
def test_where_both_entries_at_a_place_are_gone_it_is_counted(bench: Bench, newest: bool) -> None:
    put(bench, "wait", *(f"job-{number}" for number in range(12)))
    cursor = page(bench, "waiting", newest=newest).next
    assert cursor
    take_out(bench, "wait", cursor.last, cursor.next)
    left = [number for number in range(12) if f"job-{number}" not in (cursor.last, cursor.next)]
    place = list(reversed(left)) if newest else left
    assert ids_of(page(bench, "waiting", cursor, newest=newest)) == [f"job-{number}" for number in place[3:6]]


@either_way
def test_a_place_is_found_though_much_has_come_before_it(bench: Bench, newest: bool) -> None:
    put(bench, "wait", *(f"job-{number}" for number in range(9)))
    cursor = page(bench, "waiting", newest=newest).next
    others = [f"other-{number}" for number in range(3_000)]
    bench.client.lpush(bench.of("wait"), *others)
    bench.client.rpush(bench.of("wait"), *others)
    wanted = ["job-5", "job-4", "job-3"] if newest else ["job-3", "job-4", "job-5"]
    assert ids_of(page(bench, "waiting", cursor, newest=newest)) == wanted


@either_way
def test_many_that_ended_in_one_millisecond_are_told_apart(bench: Bench, newest: bool) -> None:
    ids = sorted(f"{kind}-{number:02}" for kind in ("a", "B", "é", "ab") for number in range(50))
    put(bench, "completed", *ids, score=NOW)
    seen, cursor = list[str](), None
    while True:
        found = page(bench, "completed", cursor, 9, newest=newest)
        seen += ids_of(found)
        cursor = found.next
        if cursor is None:
            break
        take_out(bench, "completed", cursor.last)
    assert sorted(seen) == sorted(ids)


# ---- what others may have written ------------------------------------------------------------------------------------


def test_entries_without_a_job_are_named(bench: Bench) -> None:
    put(bench, "completed", "a")
    bench.client.zadd(bench.of("completed"), {"gone": 5, "half": 6, "strange": 7, b"\xff": 8})
    bench.client.hset(bench.of("half"), "progress", 5)
    bench.client.set(bench.of("strange"), "text")
    found = page(bench, "completed", count=10, newest=False)
    assert (ids_of(found), found.missing, found.scanned) == (["a"], ["gone", "half", "strange", "\\xff"], 5)


def test_a_job_that_cannot_be_read_is_shown_all_the_same(bench: Bench) -> None:
    put(
        bench, "completed", "a", name=b"\xff", data="{", timestamp="soon", ats="1e999", priority="7.5", finishedOn="5e9"
    )
    (record,) = page(bench, "completed", newest=True).records
    assert (record.name, record.data, record.timestamp, record.attempts_started) == ("\\xff", b"{", 0, 0)
    assert (record.priority, record.finished_on) == (7, 5_000_000_000)


def test_a_container_of_a_wrong_type_is_empty(bench: Bench) -> None:
    bench.client.set(bench.of("wait"), "text")
    bench.client.set(bench.of("completed"), "text")
    put(bench, "paused", "a")
    assert ids_of(page(bench, "waiting", newest=True)) == ["a"]
    assert ids_of(page(bench, "completed", newest=True)) == []


def test_large_jobs_make_short_pages(bench: Bench) -> None:
    for number in range(6):
        put(bench, "completed", f"job-{number}", data="x" * 1_500_000)
    assert [len(ids) for ids in walk(bench, "completed", 6, newest=True)] == [3, 3]


@pytest.mark.parametrize(
    "cursor",
    [PageCursor(0), PageCursor(2), PageCursor(1, "x"), PageCursor(1, ""), PageCursor(1, "nan"), PageCursor(1, "0x10")],
)
def test_a_cursor_that_is_none_is_refused(bench: Bench, cursor: PageCursor) -> None:
    with pytest.raises(ConfigurationError, match="cursor must be the end of a page of state 'completed'"):
        page(bench, "completed", cursor, newest=True)


def test_a_state_that_is_none_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="state 'done' is not one of"):
        page(bench, "done", newest=True)


@pytest.mark.parametrize("at", ["-5", "1e30", "99999999999999999999", "1.5"])
@either_way
@pytest.mark.parametrize("state", ["waiting", "completed"])
def test_any_place_is_somewhere(bench: Bench, state: str, newest: bool, at: str) -> None:
    put(bench, STATES[state], "a", "b")
    found = page(bench, state, PageCursor(1, at, "gone", "gone"), newest=newest)
    assert set(ids_of(found)) <= {"a", "b"}


# ---- what it costs ---------------------------------------------------------------------------------------------------


@every_state
@either_way
def test_a_page_costs_the_same_however_many_jobs_there_are(bench: Bench, state: str, newest: bool) -> None:
    put(bench, STATES[state], *(f"job-{number}" for number in range(2_000)))
    cursor = None
    for _ in range(5):
        cursor = page(bench, state, cursor, 50, newest=newest).next
    assert commands_of(bench, pages.get_page(bench.keys, state, cursor, 50, newest=newest)) <= 50 + 25
