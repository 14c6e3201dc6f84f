"""Add jobs in and around transactions, and print as JSON what was in Redis when: the tests compare."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import django

django.setup()

from asgiref.sync import async_to_sync  # noqa: E402 - Django must be set up first
from django.apps import apps  # noqa: E402 - likewise
from django.core.checks import run_checks  # noqa: E402 - likewise
from django.core.management import load_command_class  # noqa: E402 - likewise
from django.db import transaction  # noqa: E402 - likewise
from django.test import override_settings  # noqa: E402 - likewise

from oxmq import ConfigurationError, UnavailableError  # noqa: E402 - likewise
from oxmq.integrations.django import OxmqBackend, app  # noqa: E402 - likewise
from oxmq.integrations.django.database import with_fresh_connections  # noqa: E402 - likewise
from oxmq.integrations.django.project_settings import ProjectSettings, read_settings  # noqa: E402 - likewise
from oxmq.sync import Queue  # noqa: E402 - likewise

# Of the example, which is no part of what is checked.
Order: Any = apps.get_model("orders", "Order")
write_receipt: Any = app.tasks["orders", "write_receipt"]
queue = Queue("orders", app.endpoint.source, prefix=app.prefix)


class _RollbackError(Exception):
    """End a transaction."""


def _there(*jobs: Any) -> list[bool]:
    return [queue.get_job(job.id) is not None for job in jobs]


def outside() -> object:
    """Add a job where there is no transaction."""
    return _there(write_receipt.enqueue_sync(1))


def committed() -> object:
    """Add jobs in a transaction that commits; one of them waits for nothing."""
    with transaction.atomic():
        waits = write_receipt.enqueue_sync(1)
        now = app.enqueue_sync(write_receipt.call(2), on_commit=False)
        before = _there(waits, now)
    return [before, _there(waits, now)]


def rolled_back() -> object:
    """Add jobs in a transaction that is rolled back."""
    jobs: list[Any] = []
    try:
        with transaction.atomic():
            Order.objects.create(item="tea")
            jobs = [write_receipt.enqueue_sync(1), *app.enqueue_many_sync([write_receipt.call(2)])]
            raise _RollbackError
    except _RollbackError:
        return [_there(*jobs), Order.objects.count()]


def savepoints() -> object:
    """Add jobs in nested blocks, one of which is rolled back."""
    with transaction.atomic():
        outer = write_receipt.enqueue_sync(1)
        with transaction.atomic():
            kept = write_receipt.enqueue_sync(2)
        dropped = None
        try:
            with transaction.atomic():
                dropped = write_receipt.enqueue_sync(3)
                raise _RollbackError
        except _RollbackError:
            pass
        before = _there(outer, kept, dropped)
    return [before, _there(outer, kept, dropped)]


def awaited() -> object:
    """Await enqueue where there is no transaction, and where the blocking code around has one."""

    async def add() -> Any:
        return await write_receipt.enqueue(1)

    alone = _there(asyncio.run(add()))
    with transaction.atomic():
        inside = async_to_sync(add)()
        before = _there(inside)
    return [alone, before, _there(inside)]


def many_and_flows() -> object:
    """Add many jobs and a flow in a transaction."""
    calls = [write_receipt.call(number) for number in range(3)]
    with transaction.atomic():
        jobs = app.enqueue_many_sync(calls)
        parent = app.flow_sync(write_receipt.call(9), children=calls[:2])
        awaited_parent = async_to_sync(app.flow)(write_receipt.call(8), children=calls[:1])
        awaited_many = async_to_sync(app.enqueue_many)(calls[:1])
        all_of_them = [*jobs, parent, awaited_parent, *awaited_many]
        before = _there(*all_of_them)
    return [before, _there(*all_of_them), str(queue.get_job_state(parent.id))]


def deduplicated() -> object:
    """Add a job in a transaction where deduplication finds another one: the handle is that one's afterwards."""
    first = write_receipt.options(deduplication="one", delay=60).enqueue_sync(1)
    with transaction.atomic():
        second = write_receipt.options(deduplication="one", delay=60).enqueue_sync(1)
        before = second.id == first.id
    return [before, second.id == first.id]


def refused() -> object:
    """Give wrong arguments in a transaction: they are refused at once, and the transaction is not harmed."""
    with transaction.atomic():
        Order.objects.create(item="tea")
        said = ""
        try:
            write_receipt.enqueue_sync("not a number")
        except ConfigurationError as error:
            said = str(error)
    return [said, Order.objects.filter(item="tea").exists()]


def without_autocommit() -> object:
    """Add a job where the transaction is somebody's own: nobody could say when it commits."""
    Order.objects.count()
    transaction.set_autocommit(False)
    try:
        job = app.enqueue_sync(write_receipt.call(1), on_commit=False)
        try:
            write_receipt.enqueue_sync(1)
        except transaction.TransactionManagementError:
            return _there(job)
        return "added"
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def side_by_side() -> object:
    """End an asynchronous job while another one is reading rows: it must not close the other one's connection."""
    Order.objects.bulk_create(Order(item="ink") for _ in range(3))

    async def both() -> list[int]:
        reading, ended = asyncio.Event(), asyncio.Event()

        async def read() -> int:
            seen = 0
            async for _ in Order.objects.filter(item="ink").aiterator(chunk_size=1):
                seen += 1
                reading.set()
                await ended.wait()
            return seen

        async def count() -> int:
            await reading.wait()
            found: int = await Order.objects.filter(item="ink").acount()
            return found

        counting = asyncio.create_task(with_fresh_connections(count)())
        counting.add_done_callback(lambda _: ended.set())
        return [await with_fresh_connections(read)(), await counting]

    return asyncio.run(both())


def unreachable() -> object:
    """Commit while Redis cannot be reached: the error is raised, and the commit has happened."""
    Order.objects.filter(item="lost").delete()
    try:
        with transaction.atomic():
            Order.objects.create(item="lost")
            write_receipt.enqueue_sync(1)
    except UnavailableError:
        return Order.objects.filter(item="lost").count()
    return "added"


def settings_refused() -> object:
    """Read settings that are not acceptable; return what is said of each."""
    said: list[str] = []
    cases: tuple[object, ...] = (
        [], {"URI": "redis://x"}, {"URL": 7}, {"ON_COMMIT": "no"}, {"TASK_MODULES": "a.b"},
        {"DEFAULT_JOB_OPTIONS": {"attemps": 3}}, {"DEFAULT_JOB_OPTIONS": 3},
    )  # fmt: skip
    for given in cases:
        with override_settings(OXMQ=given):
            try:
                read_settings()
            except ConfigurationError as error:
                said.append(str(error))
            else:
                said.append("")
    return said


def settings_read() -> object:
    """Read settings; return what is understood."""
    os.environ.pop("OXMQ_URL", None)
    with override_settings(OXMQ={"PREFIX": "shop"}, BASE_DIR="/srv/my shop"):
        found = read_settings()
    return [found.url, found.prefix, found.on_commit]


def checked() -> object:
    """Return what Django's checks say of the project, and of settings that are wrong."""
    address = os.environ.pop("OXMQ_URL", None)
    settings = app.settings
    found = [[str(message.id) for message in run_checks()]]
    try:
        app.settings = ProjectSettings(database="nowhere")
        found.append([str(message.id) for message in run_checks(tags=["oxmq"], include_deployment_checks=True)])
        wrong: Any = OxmqBackend("wrong", {"OPTIONS": {"using": "nowhere"}})
        found.append([message.id for message in wrong.check()])
    finally:
        app.settings = settings
        if address is not None:
            os.environ["OXMQ_URL"] = address
    return found


def options_refused() -> object:
    """Make backends with options that are not acceptable; return what is said of each."""
    said: list[str] = []
    for options in ({"on_commit": "no"}, {"using": 3}, {"attemps": 3}, {"delay": 3}):
        try:
            OxmqBackend("wrong", {"OPTIONS": options})
        except ConfigurationError as error:
            said.append(str(error))
    return said


def options_of_commands() -> object:
    """Return which options each command takes."""
    found: dict[str, list[str]] = {}
    for name in ("worker", "web", "doctor"):
        command: Any = load_command_class("oxmq.integrations.django", f"oxmq_{name}")
        found[name] = list(command.options)
    return found


_IN_ORDER: tuple[Callable[[], object], ...] = (
    outside, committed, rolled_back, savepoints, awaited, many_and_flows, deduplicated, refused, without_autocommit,
    side_by_side, settings_refused, checked, options_refused, settings_read, options_of_commands,
)  # fmt: skip

if __name__ == "__main__":
    seen = [unreachable] if sys.argv[1:] == ["unreachable"] else _IN_ORDER
    print(json.dumps({scenario.__name__: scenario() for scenario in seen}))  # noqa: T201 - it is what the tests read
