"""Tasks as a program would have them in a module: child processes import it by its name."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from msgspec import Struct

import oxmq.sync
from oxmq import Delay, Oxmq, RateLimited, Unrecoverable, WaitForChildren, current_job

#: Set by the tests, together with ``OXMQ_URL``; children inherit both.
app = Oxmq(prefix=os.environ.get("OXMQ_TEST_PREFIX", "bull"))


class Point(Struct):
    x: int
    y: int = 0


@app.task(queue="loop")
async def on_loop(point: Point, text: str = "none") -> Point:
    job = current_job()
    await job.update_progress("on the loop")
    await job.log(text)
    return Point(point.x + 1, point.y)


@app.task(queue="thread")
def in_thread(point: Point, text: str = "none") -> Point:
    job = oxmq.sync.current_job()
    job.update_progress("in a thread")
    job.log(text)
    return Point(point.x + 1, point.y)


@app.task(queue="child", run="process")
def in_child(point: Point, text: str = "none") -> Point:
    job = oxmq.sync.current_job()
    job.update_progress("in a child")
    job.log(text)
    return Point(point.x + 1, point.y)


@app.task(queue="child", run="process")
async def coroutine_in_child(number: int) -> int:
    return number + 1


@app.task(queue="child", run="process")
def pid() -> list[int]:
    return [os.getpid(), os.getppid()]


@app.task(queue="child", run="process", timeout=1)
def hang() -> None:
    oxmq.sync.current_job().update_progress(os.getpid())
    threading.Event().wait()


@app.task(queue="child", run="process")
def die(number: int) -> None:
    os.kill(os.getpid(), number)


@app.task(queue="child", run="process")
def leave(code: int) -> None:
    os._exit(code)


@app.task(queue="child", run="process", attempts=2)
def fail(how: str) -> Any:
    job = oxmq.sync.current_job()
    if job.attempts_started > 1 and how in ("delay", "rate limited"):
        return "done"
    errors: dict[str, BaseException] = {
        "error": ValueError("no luck"),
        "unrecoverable": Unrecoverable("never"),
        "delay": Delay(0.05),
        "rate limited": RateLimited(0.05),
        "exit": SystemExit(3),
        "surrogate": ValueError("\ud800"),
    }
    raise errors[how]


@app.task(queue="child", run="process")
def gather(numbers: list[int]) -> list[Any]:
    job = oxmq.sync.current_job()
    if values := job.get_children_values():
        return sorted(values.values())
    for number in numbers:
        coroutine_in_child.options(parent=job).enqueue_sync(number)
    raise WaitForChildren


@app.task(queue="child", run="process")
def noisy() -> Any:
    sys.stdout.write("said by a child\n")
    return float("nan")


@app.task(queue="child", run="process")
def ignore_signals() -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return "ignored"
