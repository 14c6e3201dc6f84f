"""Make a report when its parts are there: a parent that waits for three children.

python examples/flow.py
"""

from __future__ import annotations

import asyncio

from oxmq import Oxmq, current_job

app = Oxmq()

CHAPTERS = {"one": "an ox is a bull", "two": "that works", "three": "all day long"}


@app.task(attempts=3)
async def count_words(chapter: str, text: str) -> dict[str, int]:
    return {chapter: len(text.split())}


@app.task
async def sum_up(title: str) -> str:
    """Run when all children have ended; should one of them fail for good, this fails instead."""
    counts = await current_job().children_values()
    return f"{title}: {sum(sum(count.values()) for count in counts.values())} words"


async def main() -> None:
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    job = await app.flow(
        sum_up.call(title="The ox"),
        children=[count_words.call(chapter=name, text=text) for name, text in CHAPTERS.items()],
    )
    print(await job.result(timeout=30))
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
