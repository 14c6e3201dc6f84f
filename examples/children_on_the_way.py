"""Find out how much there is to do while doing it: a running job adds children and waits for them.

python examples/children_on_the_way.py
"""

from __future__ import annotations

import asyncio

from oxmq import Oxmq, WaitForChildren, current_job

app = Oxmq()


@app.task
async def fetch(page: int) -> str:
    return f"page {page}"


@app.task
async def crawl(site: str) -> str:
    """Run twice: once to add the children, once more when they have ended. Waiting holds no slot of a worker."""
    job = current_job()
    pages = await job.children_values()
    if pages:
        return f"{site}: {', '.join(sorted(pages.values()))}"
    await app.enqueue_many(fetch.options(parent=job).call(page=number) for number in range(1, 4))
    raise WaitForChildren


async def main() -> None:
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    job = await crawl.enqueue(site="example.org")
    print(await job.result(timeout=30))
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
