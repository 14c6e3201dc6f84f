"""The script that adds jobs: of those with one deduplication id only one is let in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oxmq.ops.jobs import NewJob
from oxmq.options import Deduplication
from tests.scripts.bench import NOW, STEP, Bench, Options, draft, plain_hash

LATER = NOW + 100
MINUTE = 60_000
DROPPED = "deduplicated jobId=a deduplicationId=d deduplicatedJobId=b"
REPLACED = "deduplicated jobId=b deduplicationId=d deduplicatedJobId=a"
OWNER, PARKED = "bull:q:de:d", "bull:q:dn:d"

#: Every combination of the four flags, with and without a time to live.
FLAGS = ("extend", "replace", "keep_last_if_active", "reschedule")
COMBINATIONS: list[Options] = [
    {flag: True for bit, flag in enumerate(FLAGS) if number & 1 << bit} | ({"ttl": 60} if number & 16 else {})
    for number in range(32)
]
#: Where an owner can be that is neither delayed nor active.
RESTING = ("wait", "prioritized", "completed", "failed")

every_combination = pytest.mark.parametrize("options", COMBINATIONS, ids=lambda options: "+".join(options) or "plain")


def new(
    job_id: str = "b", *, deduplication_id: str = "d", now: int = LATER, delay: float = 0, **options: Any
) -> NewJob:
    """Return a job with a deduplication id; of `options`, what belongs to the deduplication."""
    others: Options = {"delay": delay} if delay else {}
    return draft(job_id, now, deduplication=Deduplication(deduplication_id, **options), **others)


def lay_owner(bench: Bench, where: str, ttl_ms: int | None = None) -> None:
    """Have the owner `a` of the id ``d`` somewhere, and no events."""
    fields: Options = {"prioritized": {"priority": 3}, "delayed": {"delay": 5_000}}.get(where, {})
    bench.add("a", **fields)
    if where in ("active", "completed", "failed"):
        assert bench.taken_ids() == ["a"]
    if where in ("completed", "failed"):
        bench.finish(bench.complete("a") if where == "completed" else bench.fail("a"))
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set(OWNER, "a", px=ttl_ms)
    bench.clear_marker()
    bench.forget_events()


def lose_owner(bench: Bench, ttl_ms: int | None = None) -> None:
    """Have the id ``d`` claimed by a job that is gone."""
    bench.client.set(OWNER, "a", px=ttl_ms)
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 10_000)


def expiry(bench: Bench) -> int:
    """Return how long the claim lives: the full minutes in ms, rounded up; -1 for ever; -2 when there is none."""
    left: int = bench.client.pttl(OWNER)
    return left if left < 0 else -(-left // MINUTE) * MINUTE


def park(bench: Bench) -> None:
    bench.client.hset(PARKED, mapping={"name": "old", "data": "0", "opts": "{}", "jid": "old"})


def is_free(options: Options) -> int:
    """Return the expiry of a claim that is made anew."""
    return MINUTE if "ttl" in options and "keep_last_if_active" not in options else -1


def test_a_claim_and_what_it_is_written_as(bench: Bench) -> None:
    assert bench.add_drafted(new(now=NOW)) == ["b"]
    job = bench.dump().pop("bull:q:b")
    assert job == {**{k: str(v) for k, v in plain_hash().items()}, "deid": "d",
                   "opts": '{"attempts":0,"jobId":"b","de":{"id":"d"}}'}  # fmt: skip
    assert bench.dump("b", "events") == {
        "bull:q:de:d": "b",
        "bull:q:id": "1",
        "bull:q:marker": [("0", 0)],
        "bull:q:meta": {"opts.maxLenEvents": "10000"},
        "bull:q:wait": ["b"],
    }
    assert bench.events() == ["added jobId=b name=job", "waiting jobId=b"]


@every_combination
def test_the_first_of_an_id_is_added_and_claims_it(bench: Bench, options: Options) -> None:
    assert bench.add_drafted(new(**options)) == ["b"]
    assert bench.client.get(OWNER) == "b"
    assert expiry(bench) == is_free(options)
    assert bench.hash("b")["deid"] == "d"
    assert bench.in_line("wait") == ["b"]
    assert bench.events() == ["added jobId=b name=job", "waiting jobId=b"]


@pytest.mark.parametrize("fields", [{"delay": 5}, {"priority": 3}, {"lifo": True}])
def test_the_first_of_an_id_goes_where_its_options_say(bench: Bench, fields: Options) -> None:
    bench.add("x")
    bench.add_drafted(draft("b", deduplication="d", **fields))
    place = {"delay": "delayed", "priority": "prioritized", "lifo": "wait"}[next(iter(fields))]
    assert bench.client.type(bench.of(place)) != "none"
    assert bench.taken_ids(2, now=NOW + 5_000) == (["b", "x"] if "lifo" in fields else ["x", "b"])


def dropped_cases() -> list[tuple[Options, str]]:
    """Return each combination with every place of the owner in which it only drops the later job."""
    places = [*RESTING, "active"]
    cases = [(options, where) for options in COMBINATIONS for where in places]
    return cases + [(options, "delayed") for options in COMBINATIONS if not options.keys() & {"replace", "reschedule"}]


@pytest.mark.parametrize(("options", "where"), dropped_cases())
def test_a_later_one_leaves_the_owner_alone(bench: Bench, options: Options, where: str) -> None:
    lay_owner(bench, where, MINUTE)
    is_remembered = where == "active" and "keep_last_if_active" in options
    before = bench.dump("events", "id", "dn:d")
    assert bench.add_drafted(new(**options)) == ["a"]
    assert bench.dump("events", "id", "dn:d") == before
    assert bench.events() == ([] if "replace" in options and not is_remembered else [DROPPED])
    assert bench.client.exists(PARKED) == is_remembered
    assert bench.client.get("bull:q:id") == "2"


@pytest.mark.parametrize("where", [*RESTING, "active", "delayed"])
@pytest.mark.parametrize("was", [2 * MINUTE, None])
def test_only_extend_gives_a_claim_new_time(bench: Bench, where: str, was: int | None) -> None:
    lay_owner(bench, where, was)
    kept = was or -1
    unchanging: list[Options] = [{}, {"extend": True}, {"ttl": 60}, {"reschedule": True, "ttl": 60}]
    for options in unchanging:
        bench.add_drafted(new(**options))
        assert expiry(bench) == kept
    bench.add_drafted(new(ttl=60, extend=True))
    assert (bench.client.get(OWNER), expiry(bench)) == ("a", MINUTE)


def test_extend_gives_no_time_to_what_is_kept_until_its_owner_ends(bench: Bench) -> None:
    lay_owner(bench, "wait")
    bench.add_drafted(new(ttl=60, extend=True, keep_last_if_active=True))
    assert expiry(bench) == -1


@pytest.mark.parametrize("where", ["completed", "failed"])
def test_a_claim_with_time_left_outlives_its_owner(bench: Bench, where: str) -> None:
    bench.add_drafted(new("a", ttl=60))
    bench.taken_ids()
    bench.finish(bench.complete("a", keep_count=0) if where == "completed" else bench.fail("a", keep_count=0))
    assert bench.add_drafted(new(ttl=60)) == ["a"]
    assert not bench.client.exists("bull:q:a", "bull:q:b")


@pytest.mark.parametrize("ending", ["completed", "failed"])
@pytest.mark.parametrize("keep_count", [-1, 0])
def test_a_claim_without_time_ends_with_its_owner(bench: Bench, ending: str, keep_count: int) -> None:
    bench.add_drafted(new("a"))
    bench.taken_ids()
    end = bench.complete if ending == "completed" else bench.fail
    bench.finish(end("a", keep_count=keep_count))
    assert bench.add_drafted(new()) == ["b"]
    assert bench.client.get(OWNER) == "b"


def test_a_claim_stays_while_its_owner_is_tried_again(bench: Bench) -> None:
    bench.add_drafted(new("a", keep_last_if_active=True))
    bench.taken_ids()
    bench.add_drafted(new("b", keep_last_if_active=True))
    bench.finish(bench.outcome("a", "delay", delay_ms=500))
    assert bench.client.get(OWNER) == "a"
    assert bench.client.exists(PARKED)
    assert bench.add_drafted(new("c")) == ["a"]


@every_combination
def test_a_claim_that_nobody_would_ever_free_is_taken_over(bench: Bench, options: Options) -> None:
    lose_owner(bench)
    park(bench)
    assert bench.add_drafted(new(**options)) == ["b"]
    assert bench.client.get(OWNER) == "b"
    assert expiry(bench) == is_free(options)
    assert not bench.client.exists(PARKED)
    assert bench.events() == ["added jobId=b name=job", "waiting jobId=b"]


@every_combination
def test_a_claim_with_time_left_needs_no_owner(bench: Bench, options: Options) -> None:
    lose_owner(bench, 2 * MINUTE)
    before = bench.dump("events", "id")
    assert bench.add_drafted(new(**options)) == ["a"]
    assert bench.dump("events", "id") == before
    assert bench.events() == ([] if "replace" in options else [DROPPED])


@pytest.mark.parametrize("was", [2 * MINUTE, None])
@pytest.mark.parametrize("options", [made for made in COMBINATIONS if "replace" in made], ids="+".join)
def test_one_that_is_delayed_is_replaced(bench: Bench, options: Options, was: int | None) -> None:
    lay_owner(bench, "delayed", was)
    bench.client.rpush("bull:q:a:logs", "row")
    park(bench)
    assert bench.add_drafted(new(delay=1, **options)) == ["b"]
    keeps_time = "ttl" in options and not options.keys() & {"extend", "keep_last_if_active"}
    assert expiry(bench) == ((was or -1) if keeps_time else is_free(options))
    assert bench.client.get(OWNER) == "b"
    assert not bench.client.exists("bull:q:a", "bull:q:a:logs", PARKED)
    assert bench.scores("delayed") == {"b": (LATER + 1_000) * STEP}
    assert bench.events() == [
        "removed jobId=a prev=delayed", REPLACED, "added jobId=b name=job", f"delayed jobId=b delay={LATER + 1_000}",
    ]  # fmt: skip


def test_a_replacement_without_delay_is_ready_at_once(bench: Bench) -> None:
    lay_owner(bench, "delayed")
    assert bench.add_drafted(new(replace=True)) == ["b"]
    assert bench.in_line("wait") == ["b"]
    assert not bench.client.exists("bull:q:delayed")


def test_one_that_is_delayed_without_a_hash_is_replaced_all_the_same(bench: Bench) -> None:
    lay_owner(bench, "delayed")
    bench.client.delete("bull:q:a")
    assert bench.add_drafted(new(replace=True)) == ["b"]
    assert bench.events()[:2] == ["removed jobId=a prev=delayed", REPLACED]
    assert not bench.client.exists("bull:q:delayed")


def test_a_debounced_burst_leaves_the_last_alone(bench: Bench) -> None:
    burst = [new(f"j{number}", delay=1, replace=True, ttl=1, extend=True, now=NOW + number) for number in range(20)]
    assert bench.add_drafted(*burst) == [job.id for job in burst]
    assert list(bench.scores("delayed")) == ["j19"]
    assert bench.client.get(OWNER) == "j19"
    assert bench.client.keys("bull:q:j*") == ["bull:q:j19"]


@pytest.mark.parametrize("options", [made for made in COMBINATIONS if "keep_last_if_active" in made], ids="+".join)
@pytest.mark.parametrize("was", [2 * MINUTE, None])
def test_the_newest_is_remembered_while_the_owner_runs(bench: Bench, options: Options, was: int | None) -> None:
    lay_owner(bench, "active", was)
    before = bench.dump("events", "id")
    park(bench)
    bench.client.hset(PARKED, "rjk", "daily")
    assert bench.add_drafted(new("old", **options), new("b", delay=2, **options)) == ["a", "a"]
    assert bench.dump("events", "id", "dn:d") == before
    job = new("b", delay=2, **options)
    assert bench.client.hgetall(PARKED) == {"name": "job", "data": "{}", "opts": job.opts.decode(), "jid": "b"}
    assert (bench.client.get(OWNER), expiry(bench)) == ("a", -1)
    assert bench.events() == [DROPPED.replace("=b", "=old"), DROPPED]


def test_the_option_of_the_owner_does_not_matter(bench: Bench) -> None:
    bench.add_drafted(new("a", keep_last_if_active=True, now=NOW))
    bench.taken_ids()
    assert bench.add_drafted(new("b")) == ["a"]
    assert not bench.client.exists(PARKED)


def test_a_remembered_one_is_numbered_as_any_other(bench: Bench) -> None:
    lay_owner(bench, "active")
    assert bench.add_drafted(new("", keep_last_if_active=True)) == ["a"]
    assert bench.client.hget(PARKED, "jid") == "2"


@pytest.mark.parametrize("delay", [0, 0.5])
@pytest.mark.parametrize("options", [{}, {"ttl": 60}, {"keep_last_if_active": True}], ids="+".join)
def test_one_that_is_delayed_gets_the_newest_ones_date(bench: Bench, options: Options, delay: float) -> None:
    lay_owner(bench, "delayed", 2 * MINUTE)
    before = bench.hash("a")
    assert bench.add_drafted(new(delay=delay, reschedule=True, **options)) == ["a"]
    due = LATER + int(delay * 1_000)
    assert bench.scores("delayed") == {"a": due * STEP}
    assert bench.hash("a") == {**before, "delay": str(due - LATER)}
    assert bench.marker() == {"1": due}
    assert bench.events() == [DROPPED, f"delayed jobId=a delay={due}"]
    assert expiry(bench) == 2 * MINUTE


def test_a_new_date_and_new_time_go_together(bench: Bench) -> None:
    lay_owner(bench, "delayed")
    bench.add_drafted(new(delay=1, reschedule=True, ttl=60, extend=True))
    assert bench.scores("delayed") == {"a": (LATER + 1_000) * STEP}
    assert expiry(bench) == MINUTE


def test_one_that_expires_does_so_after_its_new_date(bench: Bench) -> None:
    bench.add_drafted(draft("a", deduplication="d", delay=5, expires=1))
    assert "dueOn" not in bench.hash("a")
    bench.add_drafted(new(delay=9, reschedule=True))
    assert bench.hash("a")["dueOn"] == str(LATER + 9_000)


def test_an_id_that_exists_is_a_duplicate_before_anything_else(bench: Bench) -> None:
    bench.add("b")
    lay_owner(bench, "delayed")
    before = bench.dump("events", "id")
    assert bench.add_drafted(new(replace=True)) == ["b"]
    assert bench.dump("events", "id") == before
    assert bench.events() == ["duplicated jobId=b"]


def test_of_one_bulk_the_first_is_added(bench: Bench) -> None:
    assert bench.add_drafted(new("a"), new("b"), new("x", deduplication_id="e"), new("c")) == ["a", "a", "x", "a"]
    assert bench.in_line("wait") == ["a", "x"]
    assert bench.client.get("bull:q:id") == "4"


def test_one_that_is_dropped_takes_its_number(bench: Bench) -> None:
    assert bench.add_drafted(new(""), new(""), draft(), new("")) == ["1", "1", "3", "1"]
    assert bench.events()[2] == "deduplicated jobId=1 deduplicationId=d deduplicatedJobId=2"
    assert bench.client.get("bull:q:id") == "4"


def test_others_of_the_bulk_keep_their_order(bench: Bench) -> None:
    bench.add_drafted(draft("1st"), new("2nd"), draft("3rd"), new("none"), draft("4th"), draft("0th", lifo=True))
    assert bench.in_line("wait") == ["0th", "1st", "2nd", "3rd", "4th"]


@pytest.mark.parametrize("deduplication_id", ["a:b", "ü", "{x}", "with blank", '"quoted"'])
def test_any_text_can_be_the_id(bench: Bench, deduplication_id: str) -> None:
    assert bench.add_drafted(*(new(job, deduplication_id=deduplication_id) for job in "ab")) == ["a", "a"]
    assert bench.client.get(f"bull:q:de:{deduplication_id}") == "a"
    assert json.loads(bench.hash("a")["opts"])["de"] == {"id": deduplication_id}


def test_a_paused_queue_is_not_woken(bench: Bench) -> None:
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.add_drafted(new())
    assert bench.marker() == {}


def test_claims_of_other_queues_do_not_count(bench: Bench) -> None:
    bench.client.set("bull:other:de:d", "a")
    assert bench.add_drafted(new()) == ["b"]
    assert bench.client.get("bull:other:de:d") == "a"
