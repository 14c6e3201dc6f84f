"""The plain commands that read a job's children."""

from __future__ import annotations

from typing import Any, cast

import pytest

from oxmq.errors import ConfigurationError
from oxmq.ops import families
from oxmq.records import ChildKind
from tests.scripts.bench import Bench

#: More than a server keeps in one piece.
KEYS = [f"bull:q:c{number:03}" for number in range(600)]
KINDS: list[ChildKind] = ["processed", "unprocessed", "ignored", "failed"]


def lay(bench: Bench, kind: ChildKind, keys: list[str]) -> None:
    """Have a parent with children of one kind."""
    match kind:
        case "processed":
            bench.client.hset("bull:q:p:processed", mapping=dict.fromkeys(keys, '{"x":1}'))
        case "ignored":
            bench.client.hset("bull:q:p:failed", mapping=dict.fromkeys(keys, "no: ü"))
        case "unprocessed":
            bench.client.sadd("bull:q:p:dependencies", *keys)
        case "failed":
            bench.client.zadd("bull:q:p:unsuccessful", {key: at for at, key in enumerate(keys)})


@pytest.mark.parametrize("kind", KINDS)
def test_children_are_read_a_page_at_a_time(bench: Bench, kind: ChildKind) -> None:
    lay(bench, kind, KEYS)
    value = {"processed": b'{"x":1}', "ignored": "no: ü".encode()}.get(kind)
    found: dict[str, bytes | None] = {}
    cursor, pages = 0, 0
    while pages == 0 or cursor:
        page, cursor = bench.run(families.get_page("bull:q:p", kind, cursor, 50))
        found |= page
        pages += 1
    assert found == dict.fromkeys(KEYS, value)
    assert pages > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_without_children_has_an_empty_page(bench: Bench, kind: ChildKind) -> None:
    assert bench.run(families.get_page("bull:q:p", kind, 0, 50)) == ({}, 0)


@pytest.mark.parametrize("kind", ["pending", "", None])
def test_kinds_that_there_are_not_are_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^kind must be one of processed, unprocessed, ignored, failed, not "):
        families.get_page("bull:q:p", cast("ChildKind", kind), 0, 50)


def test_results_and_reasons_are_read_whole(bench: Bench) -> None:
    lay(bench, "processed", KEYS[:2])
    lay(bench, "ignored", KEYS[2:3])
    assert bench.run(families.get_values("bull:q:p", "processed")) == dict.fromkeys(KEYS[:2], b'{"x":1}')
    assert bench.run(families.get_values("bull:q:p", "failed")) == {KEYS[2]: "no: ü".encode()}


def test_pending_children_come_by_key_and_failed_ones_by_their_end(bench: Bench) -> None:
    lay(bench, "unprocessed", KEYS)
    lay(bench, "failed", KEYS[::-1])
    assert bench.run(families.get_pending("bull:q:p")) == KEYS
    assert bench.run(families.get_unsuccessful("bull:q:p")) == KEYS[::-1]
