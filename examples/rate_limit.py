"""Start at most five jobs in half a second, over all workers; and hold the queue when the other side says so.

python examples/rate_limit.py
"""

from __future__ import annotations

import asyncio
import time

from oxmq import Oxmq, RateLimit, RateLimited, current_job

app = Oxmq()
began = time.monotonic()


@app.task
async def call_api(number: int) -> float:
    if number == 0 and current_job().attempts_started == 1:
        raise RateLimited(0.3)  # "429 Too Many Requests": the job runs again, at no cost, and so does no other before
    return time.monotonic() - began


async def main() -> None:
    jobs = await app.enqueue_many(call_api.call(number=number) for number in range(15))
    worker = app.worker(limiter=RateLimit(max=5, duration=0.5))
    working = asyncio.create_task(worker.run(handle_signals=False))
    await asyncio.gather(*(job.result(timeout=30) for job in jobs))
    print(f"{len(jobs)} calls took {time.monotonic() - began:.1f} s")
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
