"""Assertions on what was enqueued, and what they say when they fail: on a server and inline."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

import oxmq.sync
from oxmq import ConfigurationError, Deduplication, Job, Oxmq, exponential
from oxmq.testing import (
    assert_enqueued,
    assert_enqueued_sync,
    assert_not_enqueued,
    assert_not_enqueued_sync,
    enqueued,
    enqueued_sync,
    inline,
)
from tests.testing import shop


@pytest.fixture(params=["server", "inline"])
def either(request: pytest.FixtureRequest) -> Iterator[Oxmq]:
    """Return the shop's application, on a server and inline."""
    if request.param == "server":
        yield request.getfixturevalue("app")
    else:
        with inline(shop.app):
            yield shop.app


async def test_a_job_is_found_by_some_of_its_arguments_and_options(either: Oxmq) -> None:
    options = shop.send_mail.options(delay="24h", priority=2, deduplication="user:1")
    job = await options.enqueue(1, subject="Hello")
    expectations: tuple[dict[str, Any], ...] = (
        {},
        {"user": 1},
        {"subject": "Hello", "fail_until": 0},  # a default counts as given
        {"delay": timedelta(days=1), "priority": 2, "attempts": 4, "backoff": exponential(600)},
        {"deduplication": Deduplication("user:1")},
    )
    for expected in expectations:
        assert (await assert_enqueued(either, shop.send_mail, times=1, **expected)).id == job.id
    assert (await assert_enqueued(either.queue("mail"), "send_mail", user=1)).id == job.id
    assert (await assert_enqueued(either, "send_mail", user=1)).id == job.id


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"user": 2}, "user: expected 2, found 1"),
        ({"subject": "Bye"}, "subject: expected 'Bye', found 'Welcome'"),
        ({"delay": "1h"}, "option delay: expected 3600000, found nothing"),
        ({"attempts": 3}, "option attempts: expected 3, found 4"),
        ({"options": {"job_id": "x"}}, "option jobId: expected 'x', found nothing"),
    ],
)
async def test_a_job_that_is_not_there_is_told_from_those_that_are(
    either: Oxmq, expected: dict[str, Any], difference: str
) -> None:
    job = await shop.send_mail.enqueue(1)
    await shop.order_mail.enqueue({"id": 1})
    with pytest.raises(AssertionError) as raised:
        await assert_enqueued(either, shop.send_mail, **expected)
    lines = str(raised.value).splitlines()
    assert re.fullmatch(r"expected a job, but no job of send_mail\(.*\) was enqueued in queue 'mail'", lines[0])
    assert lines[1] == "jobs of that name (1), the nearest first:"
    assert lines[2].startswith("  send_mail(user=1, attempts: 4, backoff: ")
    assert lines[2].endswith(job.id)
    assert lines[3:] == [f"      {difference}", "jobs of other names: order_mail"]


async def test_the_nearest_job_comes_first(either: Oxmq) -> None:
    for user, subject in ((1, "a"), (2, "b"), (3, "a")):
        await shop.send_mail.enqueue(user, subject)
    with pytest.raises(AssertionError) as raised:
        await assert_enqueued(either, shop.send_mail, user=2, subject="a", priority=5)
    near = [line.strip() for line in str(raised.value).splitlines() if line.startswith("  send_mail")]
    assert [line[:25] for line in near] == [
        "send_mail(user=1, subject",
        "send_mail(user=2, subject",
        "send_mail(user=3, subject",
    ]


async def test_how_often_is_asserted_too(either: Oxmq) -> None:
    await shop.send_mail.enqueue(1)
    last = await shop.send_mail.enqueue(1)
    assert (await assert_enqueued(either, shop.send_mail, user=1, times=2)).id == last.id
    with pytest.raises(AssertionError, match="expected 1 job, but 2 jobs of send_mail"):
        await assert_enqueued(either, shop.send_mail, user=1, times=1)
    with pytest.raises(ConfigurationError, match="times must be"):
        await assert_enqueued(either, shop.send_mail, times=0)


async def test_that_nothing_was_enqueued(either: Oxmq) -> None:
    await assert_not_enqueued(either, shop.send_mail)
    with pytest.raises(AssertionError, match="the queue has no jobs at all"):
        await assert_enqueued(either, shop.send_mail)
    await shop.send_mail.enqueue(1)
    await assert_not_enqueued(either, shop.send_mail, user=2)
    with pytest.raises(AssertionError, match="expected no job, but 1 job of send_mail"):
        await assert_not_enqueued(either, shop.send_mail, user=1)


async def test_an_argument_may_be_called_as_an_option_is(either: Oxmq) -> None:
    await shop.delay.options(delay=5).enqueue(delay=3, times=4)
    await assert_enqueued(either, shop.delay, delay=3, options={"delay": 5}, arguments={"times": 4})
    with pytest.raises(AssertionError, match="option delay: expected 6000, found 5000"):
        await assert_enqueued(either, shop.delay, options={"delay": 6})


async def test_a_deduplication_by_arguments_is_understood(either: Oxmq) -> None:
    await shop.send_mail.options(deduplication="args").enqueue(1)
    await assert_enqueued(either, shop.send_mail, user=1, deduplication="args")


async def test_a_name_that_means_nothing_is_refused(either: Oxmq) -> None:
    with pytest.raises(ConfigurationError, match=r"'send_mail' has no parameter 'usr'.*: user, subject, fail_until"):
        await assert_enqueued(either, shop.send_mail, usr=1)
    with pytest.raises(ConfigurationError, match="0 queues have a task called 'nothing'"):
        await assert_enqueued(either, "nothing")


async def test_an_assertion_that_could_only_hold_is_refused(either: Oxmq) -> None:
    other = Oxmq("redis://127.0.0.1:1")
    stranger = other.task(shop.price.function)
    with pytest.raises(ConfigurationError, match="'price' belongs to another application"):
        await assert_not_enqueued(either, stranger)
    with pytest.raises(ConfigurationError, match="jobs of task 'send_mail' go to queue 'mail', not to 'reports'"):
        await assert_not_enqueued(either.queue("reports"), shop.send_mail)
    with pytest.raises(ConfigurationError, match="'send_mail' has no parameter 'usr'; its parameters: user, subject"):
        await assert_not_enqueued(either, shop.send_mail, arguments={"usr": 1})


async def test_what_is_no_application_task_or_value_is_refused(either: Oxmq) -> None:
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="expected the application, an Oxmq, not None"):
        await assert_enqueued(nothing, shop.send_mail)
    with pytest.raises(ConfigurationError, match=r"expected the application, an Oxmq, not <oxmq\.client\.queue\.Queue"):
        await asyncio.to_thread(assert_enqueued_sync, cast("Any", either.queue("mail")), shop.send_mail)
    with pytest.raises(ConfigurationError, match="expected the application, an Oxmq, not None"):
        inline(nothing)
    with pytest.raises(ConfigurationError, match="expected a task of the application, or the name of jobs, not <func"):
        await assert_enqueued(either, cast("Any", shop.send_mail.function))
    with pytest.raises(ConfigurationError, match=r"user: .*object"):
        await assert_enqueued(either, shop.send_mail, user=object())


async def test_typed_arguments_are_compared_as_they_travel(either: Oxmq) -> None:
    shipped = datetime(2026, 1, 1, tzinfo=UTC)
    await shop.ship.enqueue(shop.Parcel(1, Decimal("1.10")), shipped, shop.Speed.FAST)
    await assert_enqueued(either, shop.ship, parcel=shop.Parcel(1, Decimal("1.10")), at=shipped, speed=shop.Speed.FAST)
    await assert_not_enqueued(either, shop.ship, parcel=shop.Parcel(2, Decimal("1.10")))


async def test_jobs_are_listed_in_the_order_in_which_they_were_enqueued(either: Oxmq) -> None:
    jobs: list[Job[Any]] = [await shop.send_mail.enqueue(user) for user in range(3)]
    other: Job[Any] = await shop.price.enqueue("tea")
    assert [job.id for job in await enqueued(either, shop.send_mail)] == [job.id for job in jobs]
    assert {job.id for job in await enqueued(either)} == {job.id for job in (*jobs, other)}


def test_blocking_twins(either: Oxmq) -> None:
    job = shop.send_mail.enqueue_sync(1)
    assert assert_enqueued_sync(either, shop.send_mail, user=1, times=1).id == job.id
    queue = oxmq.sync.Queue.within(either.sync_context("mail"))
    assert assert_enqueued_sync(queue, "send_mail", user=1).id == job.id
    assert_not_enqueued_sync(either, shop.send_mail, user=2)
    assert [found.id for found in enqueued_sync(either)] == [job.id]
    with pytest.raises(AssertionError, match="user: expected 2, found 1"):
        assert_enqueued_sync(either, shop.send_mail, user=2)
    with pytest.raises(AssertionError, match="expected no job"):
        assert_not_enqueued_sync(either, shop.send_mail)
