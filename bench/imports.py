"""`python -m bench.imports`: how long it takes until a program has what it needs to add a job.

Each import in a fresh interpreter, beside those of the peers that are installed (`python -m bench.setup`); the least
of many, less what Python itself takes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench import setup
from bench.table import markdown

RUNS: Final = 15
#: What a program writes, by what is measured; and in which of the peers' environments, if not in our own.
STATEMENTS: Final = {
    "oxmq": ("import oxmq", None),
    "oxmq, to add jobs": ("from oxmq import Oxmq", None),
    "oxmq, to work": ("from oxmq import Oxmq, Worker", None),
    "oxmq, with a Redis URL": ("from oxmq import Oxmq; Oxmq('redis://localhost')", None),
    "Celery": ("from celery import Celery; Celery().send_task", "celery"),
    "RQ": ("from rq import Queue, Worker", "rq"),
    "arq": ("from arq import create_pool, Worker", "arq"),
    "Dramatiq": ("import dramatiq, dramatiq.brokers.redis", "dramatiq"),
    "Taskiq": ("import taskiq, taskiq_redis", "taskiq"),
    "SAQ": ("from saq import Queue, Worker", "saq"),
    "bullmq (Python)": ("from bullmq import Queue, Worker", "bullmq-python"),
}
#: What `import oxmq` may take, and what is needed to add jobs, in seconds.
BUDGET: Final = 0.120


def main() -> int:
    """Print the table; return 1 where the budget is missed."""
    took = {
        title: seconds(python_of(environment), statement) - seconds(python_of(environment), "pass")
        for title, (statement, environment) in STATEMENTS.items()
        if environment is None or setup.is_installed(environment)
    }
    rows = [[title, f"{1000 * took[title]:.0f} ms", f"{took[title] / took['oxmq, to work']:.2f}"] for title in took]
    print(markdown(["", "time", "ratio to oxmq, to work"], rows))
    return int(took["oxmq"] > BUDGET or took["oxmq, to add jobs"] > BUDGET)


def python_of(environment: str | None) -> Path:
    return Path(sys.executable) if environment is None else setup.python(environment)


def seconds(python: Path, statement: str) -> float:
    """Return how long a fresh interpreter takes over a statement: the least of all runs, others disturb the rest."""
    return min(once(python, statement) for _ in range(RUNS))


def once(python: Path, statement: str) -> float:
    before = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True)
    return time.perf_counter() - before


if __name__ == "__main__":
    sys.exit(main())
