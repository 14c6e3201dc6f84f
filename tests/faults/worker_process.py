"""Be a worker that writes down what it does: ``worker_process <url> <queue> <history> <options>``.

The options are the worker's, as JSON. What a job does is said by its data.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from oxmq import Job, Worker
from tests.support.history import What, Writer

#: How often the worker looks at its own health, in seconds.
_LOOK = 0.1


class Handler:
    """Run jobs, and write down each start and end."""

    def __init__(self, history: Writer) -> None:
        self._history = history

    async def __call__(self, job: Job[Any]) -> object:
        data = job.data
        self._history.write(
            "start", key=data["key"], job_id=job.id, started=job.attempts_started, made=job.attempts_made,
            stalls=job.stalled_count, token=job.token,
        )  # fmt: skip
        try:
            await DEEDS[data.get("deed", "sleep")](job, data)
        except BaseException as error:
            self._history.write("cut", key=data["key"], started=job.attempts_started, note=repr(error))
            raise
        self._history.write("end", key=data["key"], started=job.attempts_started)
        return {"started": job.attempts_started}


async def _sleep(_job: Job[Any], data: dict[str, Any]) -> None:
    await asyncio.sleep(data.get("seconds", 0))


async def _fail(job: Job[Any], data: dict[str, Any]) -> None:
    if job.attempts_made < data["times"]:
        raise RuntimeError("told to fail")


async def _block(_job: Job[Any], data: dict[str, Any]) -> None:
    """Block the event loop, as a handler does that should have been a plain function."""
    threading.Event().wait(data["seconds"])


async def _call_then_block(job: Job[Any], data: dict[str, Any]) -> None:
    """Block the event loop while a call that cannot be repeated is under way."""
    call = asyncio.create_task(job.log("one line"))
    for _ in range(5):
        await asyncio.sleep(0)
    threading.Event().wait(data["seconds"])
    await call
    await asyncio.sleep(data["then"])


async def _exit(_job: Job[Any], _data: dict[str, Any]) -> None:
    os._exit(3)


async def _kill_itself(_job: Job[Any], _data: dict[str, Any]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _sys_exit(_job: Job[Any], _data: dict[str, Any]) -> None:
    sys.exit("the handler called sys.exit")


async def _interrupt(_job: Job[Any], _data: dict[str, Any]) -> None:
    raise KeyboardInterrupt("the handler was interrupted")


async def _recurse(job: Job[Any], data: dict[str, Any]) -> None:
    await _recurse(job, data)


DEEDS = {
    "sleep": _sleep,
    "fail": _fail,
    "block": _block,
    "call, then block": _call_then_block,
    "exit": _exit,
    "kill itself": _kill_itself,
    "sys.exit": _sys_exit,
    "interrupt": _interrupt,
    "recurse": _recurse,
}


async def main(url: str, queue: str, history_path: str, options: str) -> None:
    """Work until told to stop."""
    history = Writer(Path(history_path))
    worker = Worker(queue, Handler(history).__call__, connection=url, **msgspec.json.decode(options))
    _write_events(worker, history)
    async with worker:
        worker.start()
        watch = asyncio.create_task(_watch_health(worker, history))
        history.write("ready")
        await worker.run()
        watch.cancel()


def _write_events(worker: Worker, history: Writer) -> None:
    def note(what: What, job: Job[Any], _detail: object) -> None:
        history.write(what, key=job.data["key"], started=job.attempts_started)

    def note_lost(job_id: str) -> None:
        history.write("lock_lost", job_id=job_id)

    def note_error(error: Exception) -> None:
        history.write("error", note=repr(error))

    worker.on("completed", partial(note, "accept"))
    worker.on("failed", partial(note, "fail"))
    worker.on("retrying", partial(note, "retry"))
    worker.on("lock_lost", note_lost)
    worker.on("error", note_error)


async def _watch_health(worker: Worker, history: Writer) -> None:
    known: str | None = None
    while True:
        health = worker.health()
        if health.reason != known:
            known = health.reason
            history.write("health", "ok" if health.healthy else "fail", note=health.reason)
        await asyncio.sleep(_LOOK)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
