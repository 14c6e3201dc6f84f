"""Show what four everyday operations cost inside a web request, and what they cost through the queue.

`oxmq demo` starts an API server and a worker as processes of their own, sends them real requests, prints both costs
side by side, has one heavy job done in a process of its own and proves that all of the work was done.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["run"]

#: What the demo imports, by module name, beyond the core of oxmq.
_REQUIRED = (
    "aiosmtpd", "aiosmtplib", "cron_descriptor", "fastapi", "fpdf", "httptools", "httpx2", "PIL", "pypdf", "rich",
    "uvicorn",
)  # fmt: skip


def run(once: bool, directory: Path = Path(".oxmq/demo"), requests: int = 24) -> int:
    """Run the demo and return the exit code: 0 when every proof held.

    Args:
        once: Exit after the report; otherwise stay up until Ctrl-C.
        directory: Where the demo keeps all of its files. What an earlier demo left there is deleted.
        requests: How many requests to send for each operation, in each of the two ways.

    Returns:
        0 all work was proven done, 1 something was not or a process died, 2 a package is missing,
        130 stopped by a signal before the report.
    """
    missing = [name for name in _REQUIRED if find_spec(name) is None]
    if missing:
        print(f'The demo needs {", ".join(missing)}: pip install "oxmq[demo]"', file=sys.stderr)
        return 2
    from oxmq.demo.session import Session  # noqa: PLC0415 - only now is it known that its imports are there

    return asyncio.run(Session(directory.resolve(), requests).run(once))
