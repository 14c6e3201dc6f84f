"""`python -m bench.web`: hold the HTTP API and the dashboard to their budgets.

A fresh Redis, a server process and a process that loads it, all on this machine. Prints one table, and ends with 1
where a budget was missed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

import redis
from fastapi import FastAPI
from msgspec import Struct

from bench.administration import make
from bench.server import LOOK, START_TIMEOUT, Server, free_port, fresh_server
from bench.table import markdown
from oxmq.web import oxmq_web

VARIABLE: Final = "OXMQ_BENCH_REDIS"
ROUNDS: Final = 3
QUEUES: Final = 200
JOBS: Final = 1_000_000
STREAMS: Final = 500
#: Seconds after which the server has forgotten what it saw of all queues.
REMEMBERED: Final = 0.5
KIB: Final = 1024


class Line(Struct, frozen=True):
    """One line of the table: what was measured, what came out, what it may be at most, and more about it."""

    what: str
    value: float
    budget: float
    unit: str
    notes: str

    @property
    def is_met(self) -> bool:
        return self.value <= self.budget


class Bench(Struct, frozen=True):
    """Hold what the measurements share.

    Attributes:
        redis: a client of the Redis behind the server.
        url: the address of the HTTP server.
        pid: its process.
        scale: by how much to shorten everything.
    """

    redis: Any
    url: str
    pid: int
    scale: float

    def load(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Have the other process do something, and return what it measured."""
        command = [sys.executable, "-m", "bench.web_load", self.url, what, json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{what} failed:\n{done.stderr[-3000:]}")
        return dict(json.loads(done.stdout))

    def memory(self) -> float:
        """Return the resident memory of the server's process, in MiB (Linux only, else 0)."""
        status = Path(f"/proc/{self.pid}/status")
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
        return int(found[1]) / KIB if found else 0.0


def app() -> FastAPI:
    """Return the application that is measured: `uvicorn` calls this in the server's process."""
    return oxmq_web(os.environ[VARIABLE])


# ---- what is measured ---------------------------------------------------------------------------------------------


def adding(bench: Bench) -> Iterator[Line]:
    """Add jobs over HTTP, 200 a second; the middle one of some rounds counts, for other programs disturb a round."""
    rounds = [bench.load("add", queue="added", rate=200, seconds=10 * bench.scale)["times"] for _ in range(ROUNDS)]
    slowest = sorted(share(times, 0.99) * 1e3 for times in rounds)
    middle = median(itertools.chain(*rounds)) * 1e3
    notes = f"median {middle:.2f} ms; p99 of the rounds {', '.join(f'{p:.1f}' for p in slowest)}"
    yield Line("add over HTTP, 200/s, p99", median(slowest), 5, "ms", notes)


def overview(bench: Bench) -> Iterator[Line]:
    """Read the overview of 200 queues."""
    for number in range(QUEUES):
        make(bench.redis, "wait", 20, name=f"queue{number}")
        make(bench.redis, "completed", 20, name=f"queue{number}")
        bench.redis.hset(f"bull:queue{number}:meta", "opts.maxLenEvents", "10000")
    until_found(bench)
    arguments = {"paths": ["/api/overview"], "rounds": round(40 * bench.scale), "pause": REMEMBERED}
    taken = bench.load("get", **arguments)["/api/overview"]
    times = taken["times"]
    notes = f"median {median(times) * 1e3:.1f}, longest {max(times) * 1e3:.1f} ms; each looks at all queues anew"
    yield Line(f"overview of {QUEUES} queues, p95", share(times, 0.95) * 1e3, 100, "ms", notes)


def until_found(bench: Bench) -> None:
    """Wait until the server has found all queues: it looks for new ones gently."""
    deadline = time.monotonic() + 60
    while len(json.loads(fetch(f"{bench.url}/api/overview"))["queues"]) < QUEUES:
        if time.monotonic() > deadline:
            raise SystemExit("the server does not find the queues")
        time.sleep(LOOK)  # between two looks at what the server has found


def paging(bench: Bench) -> Iterator[Line]:
    """Read a page of a queue with a million jobs, beside one of a queue with just a page."""
    jobs = round(JOBS * bench.scale)
    for container, state in (("wait", "waiting"), ("completed", "completed")):
        make(bench.redis, container, jobs, name="large")
        make(bench.redis, container, 50, name="small")
        paths = {name: f"/api/queues/{name}/jobs?state={state}&limit=50" for name in ("empty", "small", "large")}
        taken = bench.load("get", paths=list(paths.values()), rounds=round(100 * bench.scale) + 2)
        times = {name: median(taken[path]["times"]) * 1e3 for name, path in paths.items()}
        notes = f"{times['large']:.2f} ms; 50 jobs {times['small']:.2f} ms; none {times['empty']:.2f} ms"
        yield Line(f"page of {jobs:,} {state} jobs / of 50 jobs", times["large"] / times["small"], 1.5, "x", notes)


def streams(bench: Bench) -> Iterator[Line]:
    """Hold 500 event streams open, and see changes arrive at all of them."""
    before = bench.memory()
    arguments = {
        "path": "/api/events?topics=overview,queue:streamed",
        "queue": "streamed",
        "count": STREAMS,
        "changes": 5,
    }
    fetch(f"{bench.url}/api/queues/streamed/jobs", b'{"name":"job"}')
    taken = bench.load("stream", **arguments)
    notes = (
        f"all open after {taken['opened']:.1f} s, an add meanwhile {median(taken['asked']) * 1e3:.1f} ms, "
        f"memory {before:.0f} to {bench.memory():.0f} MiB"
    )
    yield Line(f"a change at {STREAMS} event streams", max(taken["times"]), 3, "s", notes)


def first_load(bench: Bench) -> Iterator[Line]:
    """Fetch what a browser fetches before it shows the overview."""
    page = fetch(f"{bench.url}/").decode()
    if "<script" not in page:
        raise SystemExit("the dashboard is not built")
    sizes: dict[str, int] = {"/": len(page)}
    todo = set(re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', page))
    while todo:
        asset = todo.pop()
        sizes[asset] = len(fetch(f"{bench.url}/{asset}", compressed=True))
        if asset.endswith(".js"):
            text = fetch(f"{bench.url}/{asset}").decode()
            imported = re.findall(r'(?:from|import)\s*"\./([^"]+)"', text)  # not import(), which waits until needed
            todo |= {f"assets/{name}" for name in imported} - sizes.keys()
    largest = max(sizes, key=lambda name: sizes[name])
    notes = f"{len(sizes)} files, the largest {largest} with {sizes[largest] / KIB:.0f} KiB"
    yield Line("first load of the dashboard, compressed", sum(sizes.values()) / KIB, 200, "KiB", notes)


MEASUREMENTS: Final[dict[str, Callable[[Bench], Iterator[Line]]]] = {
    "adding": adding,
    "overview": overview,
    "paging": paging,
    "streams": streams,
    "first_load": first_load,
}


# ---- running it ---------------------------------------------------------------------------------------------------


def main() -> int:
    """Measure, print the table, and return 1 where a budget was missed."""
    arguments = _parser().parse_args()
    lines: list[Line] = []
    for name, measure in MEASUREMENTS.items():
        if name not in arguments.only:
            continue
        with fresh_server() as server, serving(server) as process:  # each finds everything empty
            bench = Bench(redis.Redis.from_url(server.url), process[0], process[1], 0.1 if arguments.quick else 1.0)
            lines += measure(bench)
            bench.redis.close()
    print(table(lines))
    return 0 if all(line.is_met for line in lines) else 1


@contextlib.contextmanager
def serving(server: Server) -> Iterator[tuple[str, int]]:
    """Serve the application from a process of its own; yield its address and the process id."""
    port = free_port()
    options = ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", "--factory", "bench.web:app", *options]
    process = subprocess.Popen(command, env={**os.environ, VARIABLE: server.url})
    try:
        url = f"http://127.0.0.1:{port}"
        _until_ready(url)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def _until_ready(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            fetch(f"{url}/api/session")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK)  # between two looks at whether it answers


def fetch(url: str, body: bytes | None = None, *, compressed: bool = False) -> bytes:
    """Return the body of an answer, as it was sent."""
    headers = {"Accept-Encoding": "br" if compressed else "identity", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers if body else {"Accept-Encoding": headers["Accept-Encoding"]})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def share(values: list[float], part: float) -> float:
    """Return the value that so large a part of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def table(lines: list[Line]) -> str:
    """Return the table of what was measured."""
    rows = [
        [
            line.what,
            f"{line.value:.2f} {line.unit}",
            f"{line.budget:g} {line.unit}",
            "yes" if line.is_met else "NO",
            line.notes,
        ]
        for line in lines
    ]
    return markdown(["", "measured", "budget", "met", "notes"], rows)


def names(text: str) -> list[str]:
    """Split a list of names of measurements."""
    return [name.strip() for name in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__)
    made.add_argument("--quick", action="store_true", help="a tenth of everything: rough figures")
    known = ", ".join(MEASUREMENTS)
    made.add_argument("--only", type=names, default=list(MEASUREMENTS), metavar="NAMES", help=f"only some of {known}")
    return made


if __name__ == "__main__":
    sys.exit(main())
