"""Run a task every second, and another at nine on weekdays in Berlin: no cron daemon, any worker keeps them going.

python examples/schedule.py
"""

from __future__ import annotations

import asyncio

from oxmq import Oxmq, cron, every

app = Oxmq()
beats: asyncio.Queue[int] = asyncio.Queue()


@app.task(schedule=every("1s", overlap="skip"))
async def heartbeat() -> None:
    beats.put_nowait(beats.qsize() + 1)


@app.task(schedule=cron("0 9 * * MON-FRI", tz="Europe/Berlin", missed="skip"))
async def good_morning() -> None: ...


async def main() -> None:
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    for _ in range(3):
        await asyncio.wait_for(beats.get(), timeout=30)
        print("beat")
    for scheduler in await app.queue().get_job_schedulers():
        print(scheduler.id, "runs next at", scheduler.next)
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
