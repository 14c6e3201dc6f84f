"""Tasks that ask for a pod, as a program would have them in a module."""

from __future__ import annotations

import os
import sys
import time

from oxmq import Kubernetes, Oxmq
from oxmq.sync import current_job

#: Set by the tests, together with ``OXMQ_URL``; the jobs' processes inherit both.
app = Oxmq(prefix=os.environ.get("OXMQ_TEST_PREFIX", "bull"))

_PROGRAM = """
import json, os
print("for", os.environ["OXMQ_JOB_NAME"], os.environ["COLOUR"])
data = json.loads(os.environ["OXMQ_JOB_DATA"])
open(os.environ["OXMQ_RESULT_FILE"], "w").write(json.dumps({"twice": 2 * data["number"]}))
"""


@app.task(queue="heavy", run=Kubernetes(image="app:1", memory="512Mi", env={"COLOUR": "red"}))
def paint(what: str) -> str:
    current_job().update_progress(50)
    current_job().log(f"painting {what}")
    return f"{os.environ['COLOUR']} {what}, in process {os.getpid()}"


@app.task(queue="heavy", run=Kubernetes(image="app:1", memory="128Mi"), attempts=2)
def devour() -> int:
    return len(bytearray(1024 * 1024 * 1024))


@app.task(queue="heavy", run=Kubernetes(image="app:1", timeout="1s", grace="1s"))
def hang() -> None:
    current_job().update_progress("running")
    time.sleep(600)


@app.task(queue="heavy", run=Kubernetes(image="app:1", timeout="10m", grace="1s"))
def wait_for_ever() -> None:
    current_job().update_progress("running")
    time.sleep(600)


@app.task(queue="heavy", run=Kubernetes(image="x:1", command=[sys.executable, "-c", _PROGRAM], env={"COLOUR": "blue"}))
def program(number: int) -> dict[str, int]:
    raise NotImplementedError("the image's own program does it")
