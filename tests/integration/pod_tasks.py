"""Tasks for pods, and the program of one: ``oxmq run-job``, but with a quicker heart."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import oxmq.sync
from oxmq import Delay, Oxmq, RateLimited, Unrecoverable, WaitForChildren
from oxmq.cli import main
from oxmq.kubernetes import pod
from oxmq.transport.sync_runner import SyncRunner

#: Set by the tests, together with ``OXMQ_URL``.
app = Oxmq(prefix=os.environ.get("OXMQ_TEST_PREFIX", "bull"))


@app.task(queue="pods")
async def on_loop(number: int) -> dict[str, int]:
    return {"number": number + 1}


@app.task(queue="pods")
def plain(number: int) -> dict[str, int]:
    return {"number": number + 1}


@app.task(queue="pods")
def fail(how: str) -> Any:
    errors: dict[str, BaseException] = {
        "error": ValueError("no luck"),
        "unrecoverable": Unrecoverable("never"),
        "delay": Delay(90.5),
        "rate limited": RateLimited(60),
        "children": WaitForChildren(),
        "exit": SystemExit(7),
        "interrupt": KeyboardInterrupt(),
        "surrogate": ValueError("\ud800"),
    }
    raise errors[how]


@app.task(queue="pods")
def strange(what: str) -> Any:
    return {"nan": float("nan"), "object": object(), "none": None, "surrogate": "\ud800", "long": "x" * 300_000}[what]


@app.task(queue="pods")
async def tell_until(path: str) -> str:
    """Say that it has begun, and go on until a file is there."""
    job = oxmq.sync.current_job()
    job.update_progress({"done": 1})
    job.log("begun")
    Path(f"{path}.begun").touch()
    while not Path(path).exists():
        await asyncio.sleep(0.01)
    Path(f"{path}.end").touch()
    return Path(path).read_text()


@app.task(queue="pods")
def hold(path: str) -> None:
    """Clean up when told to stop, which takes a while: until another file is there."""
    _say(path, "ready")
    try:
        threading.Event().wait()
    except SystemExit:
        _say(path, " told")
        _wait_for(f"{path}.go")
        _say(path, " cleaned up")
        raise


@app.task(queue="pods")
async def hold_on_loop(path: str) -> None:
    _say(path, "ready")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        _say(path, " told")
        while not Path(f"{path}.go").exists():
            await asyncio.sleep(0.01)
        _say(path, " cleaned up")
        raise


@app.task(queue="pods")
def finish_when_told(path: str) -> str:
    """Come to a good end in place of stopping."""
    _say(path, "ready")
    try:
        threading.Event().wait()
    except SystemExit:
        return "finished all the same"
    return ""


@app.task(queue="pods")
def refuse_to_stop(path: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _say(path, "ready")
    threading.Event().wait()


def _say(path: str, word: str) -> None:
    with Path(path).open("a") as file:
        file.write(word)


def _wait_for(path: str) -> None:
    while not Path(path).exists():
        threading.Event().wait(0.01)


def _be_quick() -> None:
    pod.__dict__.update(_BEAT=0.05, _PAUSE=0.05, _GRACE=float(os.environ.get("OXMQ_TEST_GRACE", "30")))
    if "OXMQ_TEST_ANSWER" in os.environ:
        SyncRunner.__init__.__defaults__ = (None, float(os.environ["OXMQ_TEST_ANSWER"]))


if __name__ == "__main__":
    _be_quick()
    sys.exit(main())
