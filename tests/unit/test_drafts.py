"""Drafting jobs: what callers ask for, in the wire's encoding, or refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET

from oxmq.clock import ManualClock
from oxmq.errors import ConfigurationError
from oxmq.ops.drafts import JobDrafter
from oxmq.options import JobOptions

NOW_MS = 1_700_000_000_000


def drafter(defaults: JobOptions | None = None, ids: Any = "uuid") -> JobDrafter:
    return JobDrafter(ManualClock(NOW_MS), defaults, ids)


def test_a_plain_job() -> None:
    job = drafter().draft("resize", {"a": 1}, {})
    assert UUID(job.id).int >> 80 >= NOW_MS
    assert (job.name, job.data, job.opts) == ("resize", b'{"a":1}', b'{"attempts":0}')
    assert (job.timestamp, job.delay, job.priority, job.next_up) == (NOW_MS, 0, 0, False)


def test_every_option_finds_its_place() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    given = {"job_id": "a", "delay": 1.5, "priority": 3, "lifo": True, "timestamp": moment, "attempts": 2}
    job = drafter().draft("resize", None, given)
    assert (job.id, job.delay, job.priority, job.next_up) == ("a", 1500, 3, True)
    assert job.timestamp == 1767225600000
    assert job.data == b"null"
    assert json.loads(job.opts) == {
        "attempts": 2, "delay": 1500, "timestamp": 1767225600000, "priority": 3, "lifo": True, "jobId": "a",
    }  # fmt: skip


def test_missing_data_is_an_empty_object_and_none_is_null() -> None:
    assert drafter().draft("a", UNSET, {}).data == b"{}"
    assert drafter().draft("a", None, {}).data == b"null"


def test_a_queues_defaults_lie_under_a_jobs_options() -> None:
    drafts = drafter(JobOptions(attempts=3, delay=5))
    assert json.loads(drafts.draft("a", 1, {"delay": 0}).opts) == {"attempts": 3, "delay": 0}
    assert json.loads(drafts.draft("a", 1, {}).opts) == {"attempts": 3, "delay": 5000}
    assert drafts.draft("a", 1, {}).delay == 5000


def test_ids_of_the_counter_are_left_open() -> None:
    assert drafter(ids="counter").draft("a", 1, {}).id == ""
    assert drafter(ids="counter").draft("a", 1, {"job_id": "x"}).id == "x"


@pytest.mark.parametrize("ids", ["random", None, 5])
def test_bad_id_kinds_are_refused(ids: object) -> None:
    with pytest.raises(ConfigurationError, match='ids must be "uuid" or "counter"'):
        drafter(ids=ids)


def test_bad_defaults_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="default_job_options must be JobOptions, not dict"):
        drafter({"attempts": 3})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "data", "given", "message"),
    [
        ("", 1, {}, "job name must be a string of 1 to 1024 characters"),
        ("a", float("nan"), {}, "data of job 'a' cannot be written as JSON"),
        ("a", "x" * 2**20, {}, "data of job 'a' takes 1048578 bytes as JSON; at most 1048576 are allowed"),
        ("a", "xxxxx", {"size_limit": 6}, "data of job 'a' takes 7 bytes as JSON; at most 6 are allowed"),
        ("a", 1, {"prio": 1}, "unknown job option 'prio'; did you mean 'priority'"),
        ("a", 1, {"attempts": -1}, "attempts must be a whole number"),
    ],
)
def test_what_cannot_be_added_is_refused(name: str, data: object, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        drafter().draft(name, data, given)


def test_a_size_limit_may_be_larger_than_usual() -> None:
    assert drafter().draft("a", "x" * 2**20, {"size_limit": 2**21}).data


def test_a_jobs_record_is_what_was_drafted() -> None:
    job = drafter().draft("a", {"b": 1}, {"priority": 3})
    record = job.record("17")
    assert (record.id, record.name, record.data, record.opts) == ("17", "a", job.data, job.opts)
    assert (record.timestamp, record.priority, record.attempts_made) == (NOW_MS, 3, 0)


def test_many_different_options_are_drafted_right() -> None:
    drafts = drafter()
    for number in range(1, 600):
        assert json.loads(drafts.draft("a", 1, {"priority": number}).opts)["priority"] == number
