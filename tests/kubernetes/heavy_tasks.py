"""Heavy tasks for the tests: what their pods do. They are imported by workers and by pods."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from oxmq import Kubernetes, Oxmq, Unrecoverable
from oxmq.sync import current_job

app = Oxmq(prefix=os.environ.get("HEAVY_PREFIX", "bull"))

#: Nothing that the node of the tests looks at, but the API wants one.
IMAGE = "registry.test/heavy:1"
#: Where a pod finds this module: the node runs it as a process, without an image.
ENV = {"PYTHONPATH": str(Path(__file__).parents[2])}

pod = Kubernetes(image=IMAGE, cpu="100m", memory="64Mi", timeout="2m", env=ENV, ttl="10m", grace=5)


@app.task(queue="heavy", run=pod)
async def add_up(numbers: list[int]) -> int:
    job = current_job()
    job.log(f"adding {len(numbers)} numbers")
    job.update_progress(50)
    return sum(numbers)


@app.task(queue="heavy", run=pod)
def fail(reason: str) -> None:
    raise ValueError(reason)


@app.task(queue="heavy", run=pod)
def give_up() -> None:
    raise Unrecoverable("there is no such month")


@app.task(queue="heavy", run=pod, attempts=2)
async def wait_for_file(path: str) -> str:
    """Wait until a file is there: so that a test decides when a pod ends."""
    current_job().update_progress(1)
    while not Path(path).exists():
        await asyncio.sleep(0.05)
    return Path(path).read_text()


@app.task(queue="heavy", run=pod)
def clean_up_when_stopped(path: str) -> None:
    try:
        current_job().update_progress(1)
        time.sleep(600)
    except SystemExit:
        Path(path).write_text("cleaned up")
        raise
