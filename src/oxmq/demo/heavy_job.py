"""Have the heavy job done, as a client would, and see what the worker does meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx2

from oxmq.demo.load import Load, Measurement
from oxmq.demo.operations import WELCOME_EMAIL, YEARLY_REPORT


@dataclass(frozen=True, slots=True)
class HeavyJob:
    """Hold what became of the heavy job.

    Attributes:
        key: The key of its request, which names its report.
        pages: How many pages it says that its report has.
        pid: The process in which it ran, as it says.
        attempts: How many attempts it took.
        mails: How many mails the worker sent before it had ended, each asked for when the one before was sent.
    """

    key: str
    pages: int
    pid: int
    attempts: int
    mails: int


async def do_heavy_job(client: httpx2.AsyncClient, key: str) -> HeavyJob:
    """Ask the API server for the yearly report, and for mails until it is written.

    Raises:
        LoadError: A request was not answered with success, or a job failed or did not finish in time.
    """
    working = asyncio.create_task(Load(client, YEARLY_REPORT, "queued").run([key]))
    try:
        mails = await _send_mails_until(working, client, key)
        measurement = await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    result = measurement.results[key]
    return HeavyJob(key, int(result["pages"]), int(result["pid"]), measurement.attempts[key], mails)


async def _send_mails_until(working: asyncio.Task[Measurement], client: httpx2.AsyncClient, key: str) -> int:
    sent = 0
    while not working.done():
        await Load(client, WELCOME_EMAIL, "queued").run([f"{key}-meanwhile-{sent + 1:02d}"])
        sent += not working.done()
    return sent
