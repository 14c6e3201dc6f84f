"""Tasks of a worker process whose end a test decides: its files say when."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from oxmq import Oxmq

#: Set by the tests, together with ``OXMQ_URL``.
app = Oxmq(prefix=os.environ.get("OXMQ_TEST_PREFIX", "bull"))


@app.task(queue="held")
async def hold(path: str) -> str:
    """Run until there is a file of that name."""
    while not Path(path).exists():
        await asyncio.sleep(0.01)
    return path
