"""What is Django's alone: settings, routers, async views, the migration. Each test has a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.processes import ROOT

Run = Callable[..., str]

HEAD = """
import asyncio
import os
import django

django.setup()

from django.core.management import call_command
from django.db import connections, transaction
from oxmq import Oxmq
from oxmq.errors import ConfigurationError
from oxmq.outbox.django import Outbox

app = Oxmq(prefix=os.environ["TEST_PREFIX"])


@app.task
async def note(number: int) -> None: ...


def rows(alias="default"):
    from oxmq.outbox.django.models import OutboxJob

    return list(OutboxJob.objects.using(alias).values_list("job_id", flat=True))


class Router:
    def db_for_write(self, model, **hints):
        return "jobs"


outbox = Outbox(app, in_workers=False)
"""


@pytest.fixture
def run(tmp_path: Path, redis_url: str, prefix: str) -> Run:
    """Return what runs a program after `HEAD`, with databases in files, and returns what it printed."""

    def run(program: str, aliases: Sequence[str] = ("default",), routers: Sequence[str] = ()) -> str:
        databases = {
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / alias)} for alias in aliases
        }
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.outbox.django_settings",
            "TEST_DATABASES": json.dumps(databases),
            "TEST_ROUTERS": json.dumps(routers),
            "OXMQ_URL": redis_url,
            "TEST_PREFIX": prefix,
        }
        command = [sys.executable, "-W", "error", "-c", HEAD + program]
        answer = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    return run


def test_routers_and_aliases_say_which_database(run: Run) -> None:
    program = """
for alias in ("default", "jobs"):
    call_command("migrate", database=alias, verbosity=0)
outbox.enqueue(note.call(1))
Outbox(app, using="default").enqueue(note.call(2))
print(len(rows("default")), len(rows("jobs")))
try:
    Outbox(app, using="nowhere").enqueue(note.call(3))
except ConfigurationError as error:
    print(error)
"""
    printed = run(program, ["default", "jobs"], ["__main__.Router"])
    assert printed == "1 1\nusing: The connection 'nowhere' doesn't exist.\n"


def test_a_transaction_of_another_database_changes_nothing(run: Run) -> None:
    program = """
for alias in ("default", "jobs"):
    call_command("migrate", database=alias, verbosity=0)
try:
    with transaction.atomic():
        Outbox(app, using="jobs").enqueue(note.call(1))
        raise KeyError
except KeyError:
    print(len(rows("jobs")))
"""
    assert run(program, ["default", "jobs"]) == "1\n"


def test_an_async_view_awaits_it(run: Run) -> None:
    program = """
call_command("migrate", verbosity=0)
job_id = asyncio.run(outbox.aenqueue(note.call(1)))
print(rows() == [job_id])
"""
    assert run(program) == "True\n"


def test_a_worker_in_the_same_process_is_woken_by_a_commit_and_not_before(run: Run) -> None:
    """The relay looks for rows once an hour by itself."""
    program = """
call_command("migrate", verbosity=0)
patient = Outbox(app, interval="1h")
seen = asyncio.Queue()


@app.task(queue="heard")
async def hear(number: int) -> None:
    seen.put_nowait(number)


def write(number):
    with transaction.atomic():
        patient.enqueue(hear.call(number))


async def main():
    worker = app.worker(["heard"])
    working = asyncio.create_task(worker.run(handle_signals=False))
    while not patient.relay.health.running:
        await asyncio.sleep(0.01)
    for number in range(3):
        await asyncio.to_thread(write, number)
        print(await asyncio.wait_for(seen.get(), 30))
    await worker.close()
    await working
    print(patient.relay.health.relayed, (await patient.backlog()).rows)


asyncio.run(main())
"""
    assert run(program) == "0\n1\n2\n3 0\n"


def test_a_site_without_the_app_is_told_so(run: Run) -> None:
    program = """
from django.apps import apps

apps.set_installed_apps(["django.contrib.contenttypes"])
try:
    outbox.enqueue(note.call(1))
except ConfigurationError as error:
    print(error)
"""
    assert run(program) == 'the outbox needs "oxmq.outbox.django" in INSTALLED_APPS\n'


def test_a_site_without_the_table_is_told_so_by_the_relay_without_the_statement(run: Run) -> None:
    program = """
async def main():
    async with app:
        try:
            await outbox.relay.relay_due()
        except Exception as error:
            print(type(error).__name__, error)

asyncio.run(main())
"""
    assert run(program) == "DatabaseError OperationalError: no such table: oxmq_outbox\n"


def test_the_migration_is_what_the_model_says(run: Run) -> None:
    assert run("call_command('makemigrations', check=True, dry_run=True)") == "No changes detected\n"


def test_one_who_manages_transactions_by_hand_may_write(run: Run) -> None:
    program = """
call_command("migrate", verbosity=0)
transaction.set_autocommit(False)
outbox.enqueue(note.call(1))
transaction.rollback()
print(len(rows()))
outbox.enqueue(note.call(1))
transaction.commit()
print(len(rows()))
"""
    assert run(program) == "0\n1\n"
