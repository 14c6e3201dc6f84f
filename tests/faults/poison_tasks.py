"""Tasks that kill whatever runs them, in child processes: ``OXMQ_URL=... poison_tasks <history>`` works them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from oxmq import Job, Oxmq
from tests.support.history import What, Writer

#: The queue of the tasks. Its name comes by the environment, so that the children find the same one.
QUEUE = os.environ.get("TEST_QUEUE", "poison")

app = Oxmq()


@app.task(queue=QUEUE, run="process", attempts=1)
def exits(key: str) -> None:
    """End the process without a word."""
    os._exit(3)


@app.task(queue=QUEUE, run="process", attempts=1)
def kills_itself(key: str) -> None:
    """Die as if the kernel were out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(queue=QUEUE, run="process", attempts=1)
def calls_sys_exit(key: str) -> None:
    """Raise what is meant for the whole program."""
    sys.exit("the task called sys.exit")


@app.task(queue=QUEUE, run="process", attempts=1)
def recurses(key: str) -> None:
    """Never come back."""
    recurses.function(key)


@app.task(queue=QUEUE, run="process", attempts=1)
def overflows_the_stack(key: str) -> None:
    """Crash the interpreter itself."""
    os.kill(os.getpid(), signal.SIGSEGV)


@app.task(queue=QUEUE, run="process")
def works(key: str) -> str:
    """Do nothing wrong."""
    return key


async def main(history_path: str) -> None:
    """Work until told to stop."""
    history = Writer(Path(history_path))
    worker = app.worker(concurrency=2, lock_duration=1, stalled_interval=0.4, drain_delay=0.3, grace=5)

    def note(what: What, job: Job[Any], _detail: object) -> None:
        history.write(what, key=job.data["key"], started=job.attempts_started)

    worker.on("completed", partial(note, "accept"))
    worker.on("failed", partial(note, "fail"))
    history.write("ready")
    await worker.run()


if __name__ == "__main__":
    # The children import this module by its name; the tasks must be known by that name here, too.
    from tests.faults import poison_tasks

    asyncio.run(poison_tasks.main(sys.argv[1]))
