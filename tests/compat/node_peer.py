"""Drive a Node process with a real BullMQ in it: the other side of every compatibility test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from msgspec import Struct

from tools.setup_node import VERSIONS, is_installed, node_executable, package_folder

Json = Any
"""Whatever JSON may hold: the two sides exchange nothing else."""

PROGRAM: Final = Path(__file__).parent / "node" / "peer.mjs"

#: How long, in seconds, anything may take before a test is told that it will not happen.
DEADLINE: Final = 15.0

#: A line carries a whole job, and its data may be large.
_LINE_LIMIT: Final = 8 * 1024 * 1024


class NodeError(Exception):
    """Say that BullMQ refused an operation; `name` and `code` are those of the JavaScript error."""

    def __init__(self, message: str, name: str | None, code: int | None) -> None:
        super().__init__(message)
        self.name = name
        self.code = code


class NodeEvent(Struct, frozen=True):
    """Hold one piece of news from the peer.

    Attributes:
        source: who says it: ``worker:<queue>``, ``events:<queue>`` (QueueEvents) or ``queue:<queue>``.
        event: BullMQ's name of the event.
        fields: what came with it.
    """

    source: str
    event: str
    fields: dict[str, Json]

    @property
    def job_id(self) -> str | None:
        """Return the id of the job that it is about, if it is about one."""
        return self.fields.get("jobId")


class NodePeer:
    """Run one Node process with one version of BullMQ; close it or kill it when done.

    Requests may overlap. Every one of them and every wait for an event has a deadline, so that a peer that died or
    hangs fails a test instead of the whole run.
    """

    def __init__(self, version: str, url: str, prefix: str = "bull") -> None:
        self.version = version
        self.url = url
        self.prefix = prefix
        self.events: list[NodeEvent] = []
        self._process: Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._numbers = itertools.count(1)
        self._news = asyncio.Condition()
        self._complaints: list[str] = []
        self._ended = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    # ---- the process ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the process and wait until it has loaded BullMQ."""
        if not is_installed(self.version):
            raise RuntimeError(f"bullmq {self.version} is not installed; run: python tools/setup_node.py")
        command = (str(node_executable()), str(PROGRAM), str(package_folder(self.version)), self.url, self.prefix)
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=_LINE_LIMIT
        )
        self._tasks = [asyncio.create_task(self._read_answers()), asyncio.create_task(self._read_complaints())]
        await self.wait_for("ready", source="peer")

    @property
    def pid(self) -> int:
        """Return the process id of the Node process."""
        return self._running().pid

    async def close(self) -> None:
        """End the process: its stdin ends, and if that does not help within two seconds, it is killed."""
        if self._process is None:
            return
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 2)
        await self.kill()

    async def kill(self) -> None:
        """Kill the process at once (SIGKILL), as a power cut would."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.gather(*self._tasks)

    # ---- requests ------------------------------------------------------------------------------------------------

    async def request(self, op: str, **args: Json) -> Json:
        """Have the peer do one operation of ``peer.mjs`` and return its result.

        Raises:
            NodeError: BullMQ refused it.
            ConnectionError: the process has ended.
            TimeoutError: there was no answer within the deadline.
        """
        stdin = self._running().stdin
        assert stdin is not None
        if self._ended:
            raise ConnectionError(f"the peer has ended; {self._last_words()}")
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        stdin.write(json.dumps({"id": number, "op": op, "args": args}).encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, DEADLINE)
        except TimeoutError:
            raise TimeoutError(f"bullmq {self.version} did not answer {op}; {self._last_words()}") from None
        finally:
            del self._answers[number]

    async def add(self, queue: str, name: str, data: Json = None, **opts: Json) -> str:
        """Add a job as Node spells it (options in camelCase, milliseconds) and return its id."""
        return str(await self.request("add", queue=queue, name=name, data=data, opts=opts))

    async def get_job(self, queue: str, job_id: str) -> dict[str, Json]:
        """Return the job as Node sees it; it must exist."""
        found = await self.request("getJob", queue=queue, id=job_id)
        assert found is not None, f"bullmq {self.version} finds no job {job_id} in {queue}"
        return dict(found)

    async def get_state(self, queue: str, job_id: str) -> str:
        """Return the state of a job as Node sees it."""
        return str(await self.request("getState", queue=queue, id=job_id))

    async def start_worker(self, queue: str, **opts: Json) -> None:
        """Start a worker that does what the names of the jobs say (see ``behaviours`` in ``peer.mjs``)."""
        await self.request("startWorker", queue=queue, opts=opts)

    # ---- news ----------------------------------------------------------------------------------------------------

    async def wait_for(
        self,
        event: str,
        *,
        source: str | None = None,
        job_id: str | None = None,
        count: int = 1,
        deadline: float = DEADLINE,
    ) -> list[NodeEvent]:
        """Wait until `count` events of that name (source, job) have been heard since the start; return them all."""

        def matches(news: NodeEvent) -> bool:
            same_source = source is None or news.source == source
            return news.event == event and same_source and (job_id is None or news.job_id == job_id)

        try:
            return await asyncio.wait_for(self._until(matches, count), deadline)
        except TimeoutError:
            heard = [f"{news.source} {news.event} {news.fields}" for news in self.events[-20:]]
            wanted = f"{count} x {event} from {source or 'anybody'} about {job_id or 'any job'}"
            raise TimeoutError(
                f"bullmq {self.version}: no {wanted}; last heard: {heard}; {self._last_words()}"
            ) from None

    def heard(self, event: str, *, source: str) -> list[NodeEvent]:
        """Return the events of that name and source that were heard so far."""
        return [news for news in self.events if news.event == event and news.source == source]

    async def _until(self, matches: Callable[[NodeEvent], bool], count: int) -> list[NodeEvent]:
        async with self._news:
            await self._news.wait_for(lambda: sum(map(matches, self.events)) >= count or self._ended)
        found = [news for news in self.events if matches(news)]
        if len(found) < count:
            raise TimeoutError("the peer has ended")
        return found

    # ---- reading -------------------------------------------------------------------------------------------------

    async def _read_answers(self) -> None:
        stdout = self._running().stdout
        assert stdout is not None
        while line := await stdout.readline():
            message: dict[str, Json] = json.loads(line)
            if "id" in message:
                self._settle(message)
            else:
                await self._tell(NodeEvent(message["source"], message["event"], message["fields"]))
        self._ended = True
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"the peer has ended; {self._last_words()}"))
        async with self._news:
            self._news.notify_all()

    def _settle(self, message: Mapping[str, Json]) -> None:
        answer = self._answers.get(message["id"])
        if answer is None or answer.done():
            return  # its request has given up waiting
        if "error" in message:
            error = message["error"]
            answer.set_exception(NodeError(error["message"], error["name"], error["code"]))
        else:
            answer.set_result(message["result"])

    async def _tell(self, news: NodeEvent) -> None:
        async with self._news:
            self.events.append(news)
            self._news.notify_all()

    async def _read_complaints(self) -> None:
        stderr = self._running().stderr
        assert stderr is not None
        while line := await stderr.readline():
            self._complaints.append(line.decode(errors="replace").rstrip())

    def _last_words(self) -> str:
        return f"its stderr: {self._complaints[-10:]}"

    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"the peer with bullmq {self.version} is not running")
        return self._process


__all__ = ["DEADLINE", "VERSIONS", "NodeError", "NodeEvent", "NodePeer"]
