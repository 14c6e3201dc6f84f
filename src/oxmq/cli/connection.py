"""Reach the server that a command is about, and what is on it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from oxmq.cli.terminal.exits import NotFoundError
from oxmq.client.job import Job
from oxmq.client.queue import Queue
from oxmq.errors import ConfigurationError
from oxmq.monitor.site import Site
from oxmq.ops import queues
from oxmq.transport.connect import COMMAND_TIMEOUT, Endpoint

T = TypeVar("T")


def find_endpoint(url: str | None) -> Endpoint:
    """Return where the server is that the command line, the environment or the directory names.

    Raises:
        ConfigurationError: none does, or the address is wrong.
    """
    if url is None and not os.environ.get("OXMQ_URL") and not Path(".oxmq").is_dir():
        raise ConfigurationError("there is no server here: give --url, or set OXMQ_URL")
    return Endpoint(url)


def on_site(
    url: str | None, prefix: str, action: Callable[[Site], Awaitable[T]], *, timeout: float = COMMAND_TIMEOUT
) -> T:
    """Connect, act, and close the connection; return what the action returns.

    Args:
        timeout: how long the server may take to answer, in seconds.
    """

    async def act() -> T:
        async with Site(find_endpoint(url), prefix=prefix, timeout=timeout) as site:
            return await action(site)

    return asyncio.run(act())


async def existing_queue(site: Site, name: str) -> Queue:
    """Return a queue that is there.

    Raises:
        NotFoundError: there is none of that name.
    """
    queue = site.queue(name)
    if not await site.runner.run(queues.get_meta(site.keys(name))) and not await queue.get_job_count_by_types():
        raise no_queue(site, name)
    return queue


def no_queue(site: Site, name: str) -> NotFoundError:
    """Return the error for a queue that is not there."""
    return NotFoundError(f"there is no queue {name!r} with the prefix {site.prefix!r}")


async def existing_job(site: Site, queue: str, job_id: str) -> Job[Any]:
    """Return a job that is there.

    Raises:
        NotFoundError: there is none of that id.
    """
    job = await site.queue(queue).get_job(job_id)
    if job is None:
        raise NotFoundError(f"there is no job {job_id!r} in queue {queue!r}")
    return job
