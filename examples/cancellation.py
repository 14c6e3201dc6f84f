"""Cancel a job while it runs, from anywhere that has its id.

python examples/cancellation.py
"""

from __future__ import annotations

import asyncio
import time

from oxmq import JobFailedError, Oxmq
from oxmq.sync import current_job

app = Oxmq()


@app.task
async def wait_for_ever() -> None:
    """Be cancelled as any coroutine is."""
    await asyncio.Event().wait()


@app.task
def count_up() -> None:
    """Ask from time to time: a thread cannot be stopped from outside."""
    while True:
        time.sleep(0.05)  # stands for a piece of work
        current_job().check_cancelled()


async def main() -> None:
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    for job in (await wait_for_ever.enqueue(), await count_up.enqueue()):
        while not await job.is_active():
            await asyncio.sleep(0.05)
        await job.cancel("nobody wants it any more")
        try:
            await job.result(timeout=30)
        except JobFailedError as error:
            print(f"{job.name}: {error.reason}")
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
