"""The script that adds jobs: children of a parent that exists, and of one that does not."""

from __future__ import annotations

import json

import pytest

from oxmq.errors import ParentNotFoundError
from oxmq.ops import jobs
from tests.scripts.bench import PRIORITY, Bench, Options, draft, plain_hash
from tests.scripts.relations import LATER, POLICIES, child, lay_parent, line


@pytest.mark.parametrize(("options", "policy"), POLICIES)
def test_a_child_and_what_it_is_written_as(bench: Bench, base: str, options: Options, policy: Options) -> None:
    parent = lay_parent(bench, base)
    before = bench.dump()
    assert bench.add_drafted(child(base=base, **options)) == ["a"]
    written = bench.hash("a")
    assert json.loads(written.pop("parent")) == {"id": "p", "queueKey": base[:-1], **policy}
    parent_option = {"id": "p", "queue": base[:-1]}
    assert json.loads(written.pop("opts")) == {"attempts": 0, "jobId": "a", "parent": parent_option, **policy}
    expected = {
        key: str(value) for key, value in plain_hash(timestamp=LATER, parentKey=parent).items() if key != "opts"
    }
    assert written == expected
    assert bench.dump("events", "a", "id", "meta", "marker", "wait") == before | {
        f"{parent}:dependencies": ["bull:q:a"]
    }
    assert bench.in_line("wait") == ["a"]
    assert bench.events() == ["added jobId=a name=job", "waiting jobId=a"]


@pytest.mark.parametrize(
    "where", ["waiting-children", "wait", "active", "delayed", "prioritized", "completed", "failed"]
)
def test_a_parent_in_any_state_gets_the_child_and_stays_where_it_is(bench: Bench, base: str, where: str) -> None:
    parent = lay_parent(bench, base, where)
    before = bench.client.dump(base + where)
    bench.add_drafted(child(base=base))
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}
    assert bench.client.dump(base + where) == before or (base, where) == ("bull:q:", "wait")
    assert "p" in (
        line(bench, base, where) if where in ("wait", "active") else bench.client.zrange(base + where, 0, -1)
    )


@pytest.mark.parametrize(
    ("options", "place"), [({}, "wait"), ({"delay": 5}, "delayed"), ({"priority": 2}, "prioritized")]
)
def test_a_child_goes_where_its_options_say(bench: Bench, base: str, options: Options, place: str) -> None:
    lay_parent(bench, base)
    bench.add_drafted(child(base=base, **options))
    assert bench.client.type(bench.of(place)) == ("list" if place == "wait" else "zset")
    assert bench.taken_ids(now=LATER + 5_000) == ["a"]


def test_children_given_together_belong_to_one_parent(bench: Bench, base: str) -> None:
    parent = lay_parent(bench, base)
    ids = [f"c{number:03}" for number in range(250)]
    assert bench.add_drafted(*(child(job_id, base) for job_id in ids)) == ids
    assert bench.client.smembers(f"{parent}:dependencies") == {f"bull:q:{job_id}" for job_id in ids}
    assert bench.in_line("wait") == ids


def test_a_child_may_be_numbered(bench: Bench, base: str) -> None:
    parent = lay_parent(bench, base)
    assert bench.add_drafted(child("", base), child("", base)) == ["1", "2"]
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:1", "bull:q:2"}


def test_plain_jobs_and_children_keep_their_order(bench: Bench, base: str) -> None:
    lay_parent(bench, base)
    given = [
        draft("1st"), draft("up1", lifo=True), child("2nd", base), draft("3rd"), child("up2", base, lifo=True),
        draft("4th"), child("5th", base), draft("up3", lifo=True), draft("low", priority=2),
        child("high", base, priority=1), draft("late", delay=2), child("soon", base, delay=1),
    ]  # fmt: skip
    bench.add_drafted(*given)
    assert bench.in_line("wait") == ["up3", "up2", "up1", "1st", "2nd", "3rd", "4th", "5th"]
    assert bench.scores("prioritized") == {"high": PRIORITY + 2, "low": 2 * PRIORITY + 1}
    assert bench.marker() == {"0": 0, "1": LATER + 1_000}
    assert [event.split()[1] for event in bench.events() if event.startswith("added")] == [
        f"jobId={job.id}" for job in given
    ]


# ---- without a parent ----------------------------------------------------------------------------------------------


def test_without_its_parent_a_job_is_refused(bench: Bench, base: str) -> None:
    bench.add("x")
    before = bench.dump()
    with pytest.raises(
        ParentNotFoundError, match=rf"^Missing key for parent job {base}p\. add \(queue 'q'\)$"
    ) as caught:
        bench.run(jobs.add(bench.keys, child(base=base)))
    assert (caught.value.code, caught.value.job_id) == (-5, "a")
    assert bench.dump() == before


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("job_id", ["", "a"])
def test_a_queue_that_nobody_has_used_stays_so(bench: Bench, count: int, job_id: str) -> None:
    assert bench.add_drafted(*([child(job_id)] * count)) == [-5] * count
    assert bench.dump() == {}


def test_one_that_is_refused_takes_no_number_and_holds_up_nobody(bench: Bench) -> None:
    lay_parent(bench, "bull:q:")
    gone = child("", parent="gone")
    assert bench.add_drafted(gone, draft(), gone, child(""), gone, gone, draft("x"), draft()) == [
        -5, "1", -5, "2", -5, -5, "x", "4",
    ]  # fmt: skip
    assert bench.client.get("bull:q:id") == "4"
    assert bench.in_line("wait") == ["1", "2", "x", "4"]
    assert bench.add_drafted(draft()) == ["5"]


def test_a_bulk_with_a_refusal_raises_it_when_all_is_done(bench: Bench) -> None:
    with pytest.raises(ParentNotFoundError):
        bench.run(jobs.add_bulk(bench.keys, [draft("x"), child("a"), draft("y")]))
    assert bench.in_line("wait") == ["x", "y"]
    assert not bench.client.exists("bull:q:a")


def test_a_parent_may_come_in_the_same_bulk_before_its_children(bench: Bench) -> None:
    assert bench.add_drafted(child("early"), draft("p"), child("a"), child("b", parent="a")) == [-5, "p", "a", "b"]
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:a"}
    assert bench.client.smembers("bull:q:a:dependencies") == {"bull:q:b"}


def test_children_of_one_that_is_refused_are_refused(bench: Bench) -> None:
    bench.add("x")
    before = bench.dump()
    assert bench.add_drafted(child("a"), child("b", parent="a"), child("c", parent="b")) == [-5, -5, -5]
    assert bench.dump() == before


def test_children_of_one_that_another_stands_in_for_are_refused(bench: Bench) -> None:
    bench.add_drafted(draft("owner", deduplication="d"))
    assert bench.add_drafted(draft("p", deduplication="d"), child("a"), child("")) == ["owner", -5, -5]
    assert not bench.client.exists("bull:q:p:dependencies")
    assert bench.add_drafted(draft()) == ["3"]
