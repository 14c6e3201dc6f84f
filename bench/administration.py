"""`python -m bench.administration`: for how long one call of what concerns a million jobs holds up the server.

Two clocks: the time that the server's main thread ran on a processor for a call, which is what the call costs whatever
else the machine does (Linux only), and the longest calls by the server's own clock, which stands still for nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis
from msgspec import Struct

from bench.server import Server, fresh_server
from oxmq import Queue

#: Jobs in the queue.
JOBS = 1_000_000
#: From how many microseconds on a call is noted; to note every command within a script would take longer than it does.
NOTED = 500
#: Jobs made in one call.
AT_ONCE = 10_000
#: When the old jobs were made, and the young ones.
OLD, YOUNG = 1_000, 4_000_000_000_000
NAME = "bench"
#: What the calls are, in the slow log.
CALLS = (b"EVALSHA", b"SCAN", b"LRANGE")

#: Makes jobs with ids like those of `Queue.add`; every `ARGV[5]`th is young, the others are old.
_MAKE = """
local base, container, first, count, step = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
for n = first, first + count - 1 do
  local id = redis.sha1hex(tostring(n)):sub(1, 32)
  local made = (step > 0 and n % step == 0) and ARGV[6] or ARGV[4]
  redis.call("HSET", base .. id, "name", "job", "data", '{"n":1}', "opts", '{"attempts":3}', "timestamp", made,
    "delay", 0, "priority", 0)
  if container == "wait" then redis.call("LPUSH", base .. "wait", id)
  elseif container == "delayed" then redis.call("ZADD", base .. container, (1700000000000 + n) * 4096, id)
  elseif container == "prioritized" then redis.call("ZADD", base .. container, 4294967296 + n, id)
  else redis.call("ZADD", base .. container, made, id) end
end
return 0
"""


class Case(Struct, frozen=True):
    """One thing that is done to a queue of a million jobs.

    Attributes:
        name: what is done.
        container: where the jobs are.
        act: does it.
        young: every so many-th job is young; 0 for none.
    """

    name: str
    container: str
    act: Callable[[Queue], Awaitable[object]]
    young: int = 0


async def _pause_and_obliterate(queue: Queue) -> None:
    await queue.obliterate(force=True)


CASES = (
    Case("drain", "wait", lambda queue: queue.drain()),
    Case("drain(delayed=True)", "delayed", lambda queue: queue.drain(True)),
    Case("clean waiting, all old", "wait", lambda queue: queue.clean("1h", 0, "waiting")),
    Case("clean waiting, every other old", "wait", lambda queue: queue.clean("1h", 0, "waiting"), young=2),
    Case("clean waiting, all young", "wait", lambda queue: queue.clean("1h", 0, "waiting"), young=1),
    Case(
        "clean prioritized, every other old", "prioritized", lambda queue: queue.clean("1h", 0, "prioritized"), young=2
    ),
    Case("clean delayed, every other old", "delayed", lambda queue: queue.clean("1h", 0, "delayed"), young=2),
    Case("clean completed", "completed", lambda queue: queue.clean("1h", 0)),
    Case("obliterate", "wait", _pause_and_obliterate),
    Case("retry_jobs", "failed", lambda queue: queue.retry_jobs()),
    Case("promote_jobs", "delayed", lambda queue: queue.promote_jobs()),
    Case("remove_orphaned_jobs, none", "wait", lambda queue: queue.remove_orphaned_jobs()),
    Case("get_jobs, 50 from the middle", "wait", lambda queue: queue.get_jobs("waiting", 500_000, 500_049)),
    Case("get_job_state of the newest", "wait", lambda queue: queue.get_job_state(_id(1))),
)


class Figures(Struct, frozen=True):
    """Hold how long one case took, in seconds, and its calls in milliseconds, the longest first.

    Attributes:
        ran: processor time of the server's main thread for each call.
        noted: the calls that took long by the server's clock.
    """

    seconds: float
    ran: list[float]
    noted: list[float]


class Stopwatch:
    """Take the processor time of the server's main thread for every call of a queue."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/task/{pid}/schedstat")
        self.taken: list[float] = []

    def watch(self, queue: Queue) -> None:
        """Time the calls of a queue from now on, one after the other."""
        runner: Any = queue._context.runner
        run = runner.run

        async def timed(call: Any) -> Any:
            begin = self._read()
            result = await run(call)
            self.taken.append((self._read() - begin) / 1e6)
            return result

        runner.run = timed

    def _read(self) -> int:
        return int(self._stat.read_text().split()[0]) if self._stat.exists() else 0


def main() -> None:
    arguments = _parser().parse_args()
    cases = [case for case in CASES if arguments.only in case.name]
    heads = ("s in all", "calls", "mean ms", "99.9 % ms", "longest ms", "by clock ms")
    print(" " * 36, *(f"{head:>11}" for head in heads))
    for case in cases:
        with fresh_server() as server:
            print(line(case, asyncio.run(measure(server, case, arguments.jobs))), flush=True)


def line(case: Case, figures: Figures) -> str:
    """Return a row of the table."""
    ran = figures.ran
    values = (sum(ran) / len(ran), ran[len(ran) // 1000], ran[0], max(figures.noted, default=0.0))
    return " ".join(
        [
            f"{case.name:36}",
            f"{figures.seconds:11.1f}",
            f"{len(ran):11}",
            *(f"{value:11.2f}" for value in values),
        ]
    )


async def measure(server: Server, case: Case, jobs: int) -> Figures:
    """Fill a queue and do one thing to it."""
    client: Any = redis.Redis.from_url(server.url)
    make(client, case.container, jobs, young=case.young)
    queue = Queue(NAME, server.url)
    await queue.get_version()
    client.config_set("slowlog-max-len", 100_000)
    client.config_set("slowlog-log-slower-than", NOTED)
    client.slowlog_reset()
    watch = Stopwatch(client.info("server")["process_id"])
    watch.watch(queue)
    begin = time.perf_counter()
    await case.act(queue)
    seconds = time.perf_counter() - begin
    noted = [entry["duration"] / 1000 for entry in client.slowlog_get(100_000) if entry["command"].startswith(CALLS)]
    await queue.close()
    client.close()
    return Figures(seconds, sorted(watch.taken, reverse=True), noted)


def make(client: Any, container: str, jobs: int, *, young: int = 0, name: str = NAME) -> None:
    """Fill a container of a queue; every `young`th job is young."""
    run = client.register_script(_MAKE)
    for first in range(0, jobs, AT_ONCE):
        run(keys=[f"bull:{name}:"], args=[container, first, min(AT_ONCE, jobs - first), OLD, young, YOUNG])


def _id(number: int) -> str:
    return f"none{number}"


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.administration", description=__doc__)
    made.add_argument("--jobs", type=int, default=JOBS, help=f"how many jobs the queue has (default {JOBS:,})")
    made.add_argument("--only", default="", help="only what has this text in its name")
    return made


if __name__ == "__main__":
    main()
