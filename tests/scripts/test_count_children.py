"""The script that counts a job's children by what became of them."""

from __future__ import annotations

from oxmq.ops import families
from tests.scripts.bench import Bench, flags, make_flow

NONE = {"processed": 0, "unprocessed": 0, "ignored": 0, "failed": 0}


def count(bench: Bench, job_id: str = "p") -> dict[str, int]:
    return bench.run(families.count(bench.keys, job_id))


def test_a_job_without_children_and_one_that_does_not_exist_have_none(bench: Bench) -> None:
    bench.add("p")
    before = bench.dump()
    assert count(bench) == NONE
    assert count(bench, "gone") == NONE
    assert bench.dump() == before


def test_each_kind_is_counted_by_itself(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.client.hset(f"{parent}:processed", mapping={"bull:q:b": "1", "bull:q:c": "null"})
    bench.client.hset(f"{parent}:failed", mapping={f"bull:q:d{number}": "no" for number in range(3)})
    bench.client.zadd(f"{parent}:unsuccessful", {f"bull:q:e{number}": number for number in range(4)})
    assert count(bench) == {"processed": 2, "unprocessed": 1, "ignored": 3, "failed": 4}


def test_the_counts_follow_the_children(bench: Bench) -> None:
    for job_id, policy in (("a", "fpof"), ("b", "idof"), ("c", "rdof"), ("d", "cpof"), ("e", "fpof"), ("f", "fpof")):
        make_flow(bench, "p", [job_id], **flags(policy))
    assert count(bench) == NONE | {"unprocessed": 6}
    assert bench.taken_ids(5) == ["a", "b", "c", "d", "e"]
    bench.finish(*(bench.fail(job_id) for job_id in "abcd"), bench.complete("e"))
    assert count(bench) == {"processed": 1, "unprocessed": 1, "ignored": 2, "failed": 1}
