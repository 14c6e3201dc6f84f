"""Add the same work many times and have it done once, then again only with the newest data.

python examples/deduplication.py
"""

from __future__ import annotations

import asyncio

from oxmq import Deduplication, Oxmq

app = Oxmq()
done: list[str] = []


@app.task(deduplication="args")
async def rebuild(page: str) -> None:
    """Have one job at a time for each set of arguments."""
    done.append(f"rebuilt {page}")


@app.task(delay="200ms", deduplication=Deduplication("search", replace=True, ttl="5s", extend=True))
async def index(text: str) -> None:
    """Wait until nobody has typed for a while; only the last text counts."""
    done.append(f"indexed {text}")


async def main() -> None:
    rebuilds = [await rebuild.enqueue(page="home") for _ in range(10)]
    texts = [await index.enqueue(text=text) for text in ("o", "ox", "oxm", "oxmq")]
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    await rebuilds[0].result(timeout=30)
    await texts[-1].result(timeout=30)
    print(", ".join(done))
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
