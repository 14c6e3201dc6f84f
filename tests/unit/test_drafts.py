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
from oxmq.options import FAILURE_POLICIES, Deduplication, JobOptions, Parent, Telemetry, job_options

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


# ---- relations -----------------------------------------------------------------------------------------------------

PARENT = Parent("p", "bull:reports")
RECORD = {"id": "p", "queueKey": "bull:reports"}
#: How the wire spells each policy.
FLAGS: dict[str, str] = dict(zip(FAILURE_POLICIES, ("fpof", "cpof", "idof", "rdof"), strict=True))


def relations(**given: Any) -> dict[str, Any]:
    """Return what the script is told of a job's relations; the record of its parent decoded."""
    told: dict[str, Any] = json.loads(drafter().draft("a", 1, given).relations)
    if "parent" in told:
        told["parent"] = json.loads(told["parent"])
    return told


def test_a_job_that_stands_alone_has_no_relations() -> None:
    for options in ({}, {"priority": 3, "fail_parent_on_failure": True, "telemetry": Telemetry("x")}):
        job = drafter().draft("a", 1, options)
        assert (job.relations, job.parent_key, job.deduplication_id) == (b"", None, None)


def test_a_child_that_names_no_policy_fails_its_parent() -> None:
    job = drafter().draft("a", 1, {"parent": PARENT})
    assert relations(parent=PARENT) == {"parentKey": "bull:reports:p", "parent": {**RECORD, "fpof": True}}
    assert json.loads(job.opts) == {"attempts": 0, "parent": {"id": "p", "queue": "bull:reports"}, "fpof": True}
    assert (job.parent_key, job.record("7").parent_key) == ("bull:reports:p", "bull:reports:p")


def test_a_child_may_have_none() -> None:
    assert relations(parent=PARENT, fail_parent_on_failure=False)["parent"] == RECORD
    assert "fpof" not in json.loads(drafter().draft("a", 1, {"parent": PARENT, "fail_parent_on_failure": False}).opts)


@pytest.mark.parametrize("policy", FAILURE_POLICIES)
def test_a_childs_policy_is_in_its_record_and_its_options(policy: str) -> None:
    assert relations(parent=PARENT, **{policy: True})["parent"] == {**RECORD, FLAGS[policy]: True}
    options = json.loads(drafter().draft("a", 1, {"parent": PARENT, policy: True}).opts)
    assert [flag for flag in FLAGS.values() if flag in options] == [FLAGS[policy]]


@pytest.mark.parametrize("policy", FAILURE_POLICIES)
def test_a_queues_default_policy_is_a_childs_own(policy: str) -> None:
    drafts = drafter(job_options({policy: True}))
    record = json.loads(json.loads(drafts.draft("a", 1, {"parent": PARENT}).relations)["parent"])
    assert record == {**RECORD, FLAGS[policy]: True}


def test_a_job_can_be_named_as_the_parent() -> None:
    class Named:
        reference = PARENT

    assert relations(parent=Named())["parentKey"] == "bull:reports:p"


def test_a_flow_names_the_parent_of_its_children() -> None:
    job = drafter(JobOptions(parent=Parent("x", "bull:q"))).draft("a", 1, {}, parent=PARENT)
    assert job.parent_key == "bull:reports:p"
    assert json.loads(job.opts)["parent"] == {"id": "p", "queue": "bull:reports"}


def test_a_parent_says_that_its_children_come_with_it() -> None:
    job = drafter().draft("a", 1, {}, has_children=True)
    assert (json.loads(job.relations), job.opts) == ({"children": True}, b'{"attempts":0}')
    job = drafter().draft("a", 1, {}, parent=PARENT, has_children=True)
    assert json.loads(job.relations)["children"] is True
    assert job.parent_key == "bull:reports:p"


@pytest.mark.parametrize("deduplication", ["d", Deduplication("d")])
def test_a_deduplication_is_told_as_the_options_spell_it(deduplication: str | Deduplication) -> None:
    job = drafter().draft("a", 1, {"deduplication": deduplication})
    assert json.loads(job.relations) == {"de": {"id": "d"}}
    assert json.loads(job.opts)["de"] == {"id": "d"}
    assert (job.deduplication_id, job.record("7").deduplication_id) == ("d", "d")


def test_a_deduplications_times_are_in_milliseconds() -> None:
    told = relations(deduplication=Deduplication("d", ttl="1m", extend=True, keep_last_if_active=True))
    assert told == {"de": {"id": "d", "ttl": 60_000, "extend": True, "keepLastIfActive": True}}


@pytest.mark.parametrize(
    ("given", "drafted", "message"),
    [
        ({"parent": PARENT, "deduplication": "d"}, {}, "deduplication and parent cannot be used together"),
        ({"deduplication": "d"}, {"parent": PARENT}, "deduplication and parent cannot be used together"),
        ({"deduplication": "d"}, {"has_children": True}, "deduplication cannot be used for a job with children"),
        (
            {"parent": Parent("x", "bull:q")},
            {"parent": PARENT},
            "parent cannot be given for a child of the flow: the flow says whose it is",
        ),
    ],
)
def test_relations_that_exclude_each_other_are_refused(
    given: dict[str, Any], drafted: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        drafter().draft("a", 1, given, **drafted)
