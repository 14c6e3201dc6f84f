"""Tasks that write log lines wherever tasks can run."""

from __future__ import annotations

import logging
import os

from oxmq import Oxmq

#: Set by the tests, together with ``OXMQ_URL``.
app = Oxmq(prefix=os.environ.get("OXMQ_TEST_PREFIX", "bull"), job_logs=os.environ.get("OXMQ_TEST_JOB_LOGS"))
log = logging.getLogger("shop")


@app.task(queue="talk")
async def on_the_loop(secret: str) -> int:
    """Write a line on the loop."""
    log.warning("from the loop", extra={"customer": 7})
    return len(secret)


@app.task(queue="talk")
def in_a_thread(secret: str) -> int:
    """Write a line in a thread."""
    log.warning("from a thread")
    return len(secret)


@app.task(queue="talk", run="process")
def in_a_process(secret: str) -> int:
    """Write lines in a child process."""
    log.info("quiet words of a child")
    log.warning("from a child")
    try:
        raise LookupError("no such customer")
    except LookupError:
        log.exception("with a stack")
    return len(secret)


@app.task(queue="talk")
async def failing(secret: str) -> None:
    """Fail with a message of two lines."""
    raise ValueError(f"{len(secret)} letters\nare too many")
