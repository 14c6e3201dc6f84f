"""Heavy tasks for the tests: what their pods do. They are imported by workers and by pods."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from msgspec import structs

from oxmq import Delay, Kubernetes, Oxmq, RateLimited, Unrecoverable, WaitForChildren
from oxmq.sync import Queue, current_job

#: Nothing that the node of the tests looks at, but the API wants one.
IMAGE = "registry.test/heavy:1"
#: Where a pod finds this module: the node runs it as a process, without an image.
ENV = {"PYTHONPATH": str(Path(__file__).parents[2])}
PREFIX = os.environ.get("HEAVY_PREFIX", "bull")

app = Oxmq(prefix=PREFIX)

pod = Kubernetes(image=IMAGE, cpu="100m", memory="64Mi", timeout="2m", env=ENV, ttl="10m", grace=5)
#: A program in a pod: the shell script whose path is in the job's data.
program = structs.replace(
    pod, command=["sh", "-c", """exec sh "$(printf %s "$OXMQ_JOB_DATA" | sed 's/.*"path":"\\([^"]*\\)".*/\\1/')" """]
)


def accident(script: str) -> dict[str, Any]:
    """Return the patch with which the node of the tests lets a pod have an accident."""
    return {"spec": {"template": {"metadata": {"annotations": {"lab/script": script}}}}}


def app_for(url: str | None, prefix: str) -> Oxmq:
    """Return an application with these tasks on another server, or under another prefix.

    Args:
        url: of the server; None for what the environment says.
        prefix: of all keys.
    """
    made = Oxmq(url, prefix=prefix)
    for task in app.tasks.values():
        run = None
        if isinstance(task.run, Kubernetes):
            run = structs.replace(task.run, env={**task.run.env, "HEAVY_PREFIX": prefix})
        made.task(name=task.name, queue=task.queue, run=run, **task.job_options.given())(task.function)
    return made


@app.task(queue="heavy", run=pod)
async def add_up(numbers: list[int]) -> int:
    job = current_job()
    job.log(f"adding {len(numbers)} numbers")
    job.update_progress(50)
    return sum(numbers)


@app.task(queue="heavy", run=pod)
def fail(reason: str) -> None:
    raise ValueError(reason)


@app.task(queue="heavy", run=pod, attempts=3)
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


@app.task(queue="heavy", run=pod, attempts=2)
def fail_once(path: str) -> str:
    """Fail in the first run, and return in the second."""
    if Path(path).exists():
        return "well"
    Path(path).touch()
    raise ValueError("not yet")


@app.task(queue="heavy", run=pod)
def steer_once(signal: str, path: str) -> str:
    """Steer the job with a signal in the first run, and return in the second."""
    job = current_job()
    if Path(path).exists():
        return f"{signal}: {sorted(job.get_children_values().values())}"
    Path(path).touch()
    if signal == "delay":
        raise Delay(0.5)
    if signal == "rate limit":
        raise RateLimited(0.5)
    with Queue("heavy", os.environ["OXMQ_URL"], prefix=PREFIX) as queue:
        queue.add("double", {"number": 21}, parent=job)
    raise WaitForChildren


@app.task(queue="heavy", run=pod)
def read_variable(name: str) -> str:
    return os.environ[name]


@app.task(queue="heavy", run=program, attempts=2)
def run_script(path: str) -> object:
    """Run a shell script in a pod: what starts soonest."""
    raise AssertionError("the pod runs a program")


@app.task(queue="heavy", run=structs.replace(program, patch=accident("evict")))
def run_evicted(path: str) -> object:
    """Run a shell script in a pod that the node evicts when it dies or after a second."""
    raise AssertionError("the pod runs a program")


@app.task(queue="heavy", run=structs.replace(program, timeout="1s", grace=1))
def run_briefly(path: str) -> object:
    """Run a shell script that has one second."""
    raise AssertionError("the pod runs a program")


@app.task(queue="heavy", run=structs.replace(program, pending_timeout="8s"))
def run_soon(path: str) -> object:
    """Run a shell script in a pod that must not wait for long."""
    raise AssertionError("the pod runs a program")


@app.task(queue="heavy")
async def double(number: int) -> int:
    """Do what needs no pod."""
    return 2 * number
