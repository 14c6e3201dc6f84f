"""The script that deletes the old ones among the next jobs of a container."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oxmq.ops import administration
from oxmq.ops.administration import Piece, Place
from oxmq.ops.call import MAX_ROWS
from oxmq.scripts import Retry
from tests.scripts.bench import NOW, STEP, Bench, make_flow, plain_hash

SETS = ["completed", "failed", "waiting-children"]
LISTS = ["wait", "paused", "active"]


def clean(bench: Bench, container: str, cutoff: int = NOW, most: int | None = None) -> list[str]:
    """Clean a container until the walk is over; return the ids deleted."""
    place, first = Place(), True
    deleted: list[str] = []
    while True:
        piece = clean_piece(bench, container, cutoff, place, most=most, first=first)
        deleted += piece.ids
        place, first = piece.place, False
        if not piece.more or (most is not None and len(deleted) >= most):
            return deleted


def clean_piece(
    bench: Bench, container: str, cutoff: int, place: Place, *, most: int | None = None, first: bool = False
) -> Piece:
    return bench.run(administration.clean(bench.keys, container, cutoff, place, most=most, first=first))


def put(bench: Bench, container: str, *jobs: tuple[str, int]) -> None:
    """Put jobs that became as they are at the given times into a container, the next to run first."""
    for at, (job_id, time) in enumerate(jobs):
        bench.client.hset(bench.keys.job(job_id), mapping=plain_hash(timestamp=time))
        if container in LISTS:
            bench.client.lpush(bench.of(container), job_id)
        else:
            bench.client.zadd(bench.of(container), {job_id: time if container in SETS else (NOW + at) * STEP})


@pytest.mark.parametrize("container", [*SETS, *LISTS, "delayed", "prioritized"])
def test_old_jobs_go_with_all_that_is_theirs_and_young_ones_stay(bench: Bench, container: str) -> None:
    put(bench, container, ("young", NOW + 1))
    before = bench.dump()
    put(bench, container, ("a", NOW), ("b", NOW - 5))
    bench.client.rpush(f"{bench.keys.job('a')}:logs", "row")
    expected = ["b", "a"] if container in SETS else ["a", "b"]
    assert clean(bench, container) == expected
    assert bench.dump("events") == before
    assert bench.events() == ["cleaned count=2"]


def test_a_clean_without_anything_to_do_tells_so_once(bench: Bench) -> None:
    assert clean(bench, "completed") == []
    assert bench.events() == ["cleaned count=0"]
    clean_piece(bench, "completed", NOW, Place())
    assert bench.events() == ["cleaned count=0"]


@pytest.mark.parametrize(
    ("container", "times", "is_old"),
    [
        ("wait", {"finishedOn": NOW + 1, "processedOn": NOW, "timestamp": NOW}, False),
        ("wait", {"processedOn": NOW, "timestamp": NOW + 1}, True),
        ("delayed", {"finishedOn": NOW + 1, "processedOn": NOW}, True),
        ("delayed", {"processedOn": NOW + 1, "timestamp": NOW}, False),
        ("prioritized", {"processedOn": NOW + 1, "timestamp": NOW}, True),
        ("prioritized", {"processedOn": NOW, "timestamp": NOW + 1}, False),
        ("prioritized", {"timestamp": f"{NOW}.5"}, False),
    ],
)
def test_the_age_of_a_job_that_has_not_ended(bench: Bench, container: str, times: dict[str, int], is_old: bool) -> None:
    put(bench, container, ("a", NOW))
    bench.client.hset("bull:q:a", mapping=times)
    assert clean(bench, container) == (["a"] if is_old else [])


def test_an_id_without_a_job_counts_as_old(bench: Bench) -> None:
    bench.client.lpush("bull:q:wait", "ghost")
    assert clean(bench, "wait", cutoff=0) == ["ghost"]
    assert not bench.client.exists("bull:q:wait", "bull:q:ghost")


def test_a_job_that_is_running_stays_and_one_without_lock_goes(bench: Bench) -> None:
    bench.start("running", "lost")
    bench.client.delete("bull:q:lost:lock")
    bench.client.sadd("bull:q:stalled", "running", "lost")
    assert clean(bench, "active") == ["lost"]
    assert bench.client.lrange("bull:q:active", 0, -1) == ["running"]
    assert bench.client.smembers("bull:q:stalled") == {"running"}
    assert bench.codes(bench.complete("running")) == [0]


@pytest.mark.parametrize("container", ["wait", "paused", "delayed", "prioritized"])
def test_a_schedulers_next_job_stays_and_an_earlier_one_goes(bench: Bench, container: str) -> None:
    put(bench, container, (f"repeat:s:{NOW}", 1), (f"repeat:s:{NOW - 1}", 1), (f"repeat:other:{NOW}", 1))
    bench.client.zadd("bull:q:repeat", {"s": NOW})
    assert clean(bench, container) == [f"repeat:s:{NOW - 1}", f"repeat:other:{NOW}"]
    assert bench.client.exists(f"bull:q:repeat:s:{NOW}")


@pytest.mark.parametrize("container", ["wait", "failed", "prioritized"])
def test_no_more_go_than_were_asked_for(bench: Bench, container: str) -> None:
    put(bench, container, ("young", NOW + 1) if container == "wait" else ("z", NOW), ("a", 1), ("b", 2), ("c", 3))
    assert clean_piece(bench, container, NOW, Place(), most=2).looked in (2, 3)
    assert bench.events() == ["cleaned count=2"]
    assert len(clean(bench, container, most=1)) == 1


def test_a_call_with_a_limit_is_not_repeated_and_one_without_is(bench: Bench) -> None:
    keys = bench.keys
    assert administration.clean(keys, "wait", NOW, Place(), most=5).retry is Retry.NEVER
    assert administration.clean(keys, "wait", NOW, Place()).retry is Retry.SAFE


def test_what_is_deduplicated_is_free_again(bench: Bench) -> None:
    put(bench, "completed", ("a", NOW))
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    clean(bench, "completed")
    assert not bench.client.exists("bull:q:de:d")


def test_a_parent_that_waited_for_the_job_alone_goes_with_it(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    assert clean(bench, "wait") == ["a"]
    assert not bench.client.exists(parent, "bull:q:waiting-children", "bull:q:wait")


def test_a_parent_in_another_queue_runs(bench: Bench) -> None:
    make_flow(bench, "p", ["a"], parent_base="bull:other:")
    clean(bench, "wait")
    assert bench.client.lrange("bull:other:wait", 0, -1) == ["p"]


@pytest.mark.parametrize("container", ["wait", "prioritized", "delayed"])
def test_a_walk_over_many_jobs_goes_on_where_it_was(bench: Bench, container: str) -> None:
    ids = [str(number) for number in range(3 * MAX_ROWS)]
    put(bench, container, *((job_id, NOW + int(job_id) % 3) for job_id in ids))
    assert clean(bench, container) == ids[::3]
    kept = bench.in_line("wait") if container == "wait" else list(bench.scores(container))
    assert kept == [job_id for job_id in ids if int(job_id) % 3]


def test_a_walk_finds_its_place_though_others_took_jobs(bench: Bench) -> None:
    ids = [str(number) for number in range(2 * MAX_ROWS)]
    put(bench, "wait", *((job_id, NOW + 1 if int(job_id) < MAX_ROWS else NOW) for job_id in ids))
    piece = clean_piece(bench, "wait", NOW, Place())
    assert (piece.looked, piece.ids, piece.more) == (MAX_ROWS, [], True)
    bench.taken_ids(20)
    bench.add("new", timestamp=NOW)
    assert clean_piece(bench, "wait", NOW, piece.place).ids == ids[MAX_ROWS:]
    assert bench.in_line("wait") == [*ids[20:MAX_ROWS], "new"]


def test_a_walk_begins_anew_when_all_it_has_seen_was_taken(bench: Bench) -> None:
    ids = [str(number) for number in range(2 * MAX_ROWS)]
    put(bench, "wait", *((job_id, NOW + 1 if int(job_id) < MAX_ROWS else NOW) for job_id in ids))
    piece = clean_piece(bench, "wait", NOW, Place())
    bench.taken_ids(MAX_ROWS + 1)
    assert clean_piece(bench, "wait", NOW, piece.place).ids == ids[MAX_ROWS + 1 :]


@pytest.mark.parametrize("gone", [0, 1], ids=["its place is there", "its place was taken"])
def test_a_walk_through_a_sorted_set_finds_its_place(bench: Bench, gone: int) -> None:
    ids = [f"{number:04}" for number in range(2 * MAX_ROWS)]
    put(bench, "prioritized", *((job_id, NOW + 1 if int(job_id) < MAX_ROWS else NOW) for job_id in ids))
    piece = clean_piece(bench, "prioritized", NOW, Place())
    bench.client.zremrangebyrank("bull:q:prioritized", 0, MAX_ROWS - 2 + gone)
    assert clean_piece(bench, "prioritized", NOW, piece.place).ids == ids[MAX_ROWS:]


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exactly_the_old_ones_leave_a_list_and_the_others_keep_their_order(
    bench: Bench, old: list[bool], taken: int, added: int
) -> None:
    bench.client.flushall()
    jobs = [(str(at), NOW if is_old else NOW + 1) for at, is_old in enumerate(old)]
    put(bench, "wait", *jobs)
    place, deleted, steps = Place(), list[str](), 0
    while True:
        words = ("wait", NOW, 7, 3, place.id, place.at, "")
        ids, _, _, more, last, at = bench.client.evalsha(_sha(bench), 1, bench.keys.base, *words)
        deleted += ids
        place, steps = Place(last, at), steps + 1
        if steps == 2:
            bench.taken_ids(min(taken, bench.client.llen("bull:q:wait")))
            bench.add(*(f"new{number}" for number in range(added)), timestamp=NOW + 1)
        if not more:
            break
    started = bench.client.lrange("bull:q:active", 0, -1)
    left = [job_id for job_id, _ in jobs if job_id not in deleted and job_id not in started]
    assert bench.in_line("wait")[: len(left)] == left
    assert all(old[int(job_id)] for job_id in deleted)
    assert not any(old[int(job_id)] for job_id in left)


def _sha(bench: Bench) -> str:
    call = administration.clean(bench.keys, "wait", NOW, Place())
    assert call.script
    sha: str = bench.client.script_load(call.script.text)
    return sha
