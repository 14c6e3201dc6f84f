"""Add a job from the command line, and wait for it if asked."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import UNSET

from oxmq.cli.terminal.exits import RefusedError
from oxmq.cli.terminal.screen import say, show_json
from oxmq.client.job import Job
from oxmq.durations import Duration
from oxmq.errors import ConfigurationError
from oxmq.monitor.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what is to be added.

    Attributes:
        queue: where to.
        name: the job's name.
        data: JSON; ``@file`` or ``-`` stand for what is in a file or on standard input.
        options: fields of `JobOptions`; None stands for what was not given.
        wait: how long to wait for the job to end; None for not at all.
        json: whether the answer is for a program.
    """

    queue: str
    name: str
    data: str
    options: dict[str, Any]
    wait: str | None
    json: bool


async def add_job(site: Site, order: Order) -> None:
    """Add the job, and print what has become of it.

    Raises:
        ConfigurationError: something is not acceptable; nothing was added.
        JobFailedError: the job was waited for and failed.
        RefusedError: it did not end in time.
    """
    data = read_json(order.data)
    options = {name: value for name, value in order.options.items() if value is not None}
    job = await site.queue(order.queue).add(order.name, data, **options)
    if order.wait is None:
        await _show_added(job, order.json)
    else:
        await _show_result(job, order.wait, order.json)


def read_json(text: str) -> object:
    """Return the JSON value that an argument is, or names.

    Raises:
        ConfigurationError: there is none.
    """
    if not text:
        return UNSET
    try:
        return json.loads(_contents(text))
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the data must be JSON, such as '{{\"n\": 1}}': {error}") from None


async def _show_added(job: Job[Any], as_json: bool) -> None:
    state = str(await job.get_state())
    if as_json:
        show_json({"id": job.id, "queue": job.queue_name, "name": job.name, "state": state})
    else:
        say(f"Added job {job.id} to queue {job.queue_name}: it is {state}.")


async def _show_result(job: Job[Any], wait: Duration, as_json: bool) -> None:
    try:
        result = await job.result(timeout=wait)
    except TimeoutError:
        why = await job.why()
        raise RefusedError(f"job {job.id} was added and did not end within {wait}: {why}") from None
    if as_json:
        show_json({"id": job.id, "queue": job.queue_name, "name": job.name, "state": "completed", "result": result})
    else:
        say(f"Job {job.id} completed: {json.dumps(result, ensure_ascii=False)}")


def _contents(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the data in {text[1:]!r} cannot be read: {error}") from None
