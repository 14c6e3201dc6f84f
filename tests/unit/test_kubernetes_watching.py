"""One watch for all Jobs that are followed, and one look at the pods of many runs."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast
from weakref import WeakSet

import pytest

from oxmq.kubernetes import watching
from oxmq.kubernetes.cluster import (
    Change,
    Cluster,
    ClusterError,
    ClusterUnavailableError,
    ExpiredError,
    ForbiddenError,
    Listing,
    Object,
)
from oxmq.kubernetes.watching import Followed, JobWatch, PodLook
from tests.support.waiting import eventually

#: Longer than any test takes: what is told is told by the watch.
LONG = 1_000.0
#: Shorter than any test takes: what is told may be told by a list.
SHORT = 0.02
RUN_LABEL = "oxmq.dev/run"


class Seen(dict[str, Any]):
    """A Job whose life can be watched."""

    def __hash__(self) -> int:  # type: ignore[override] # pyright: ignore[reportIncompatibleVariableOverride] - told apart
        return id(self)


class Memory:
    """A cluster that keeps its Jobs in memory, and does what a test says.

    Attributes:
        errors: what the next requests are refused with.
        lists, streams, most: how many lists and watches were asked for, and how many watches were open at once.
        copies: the Jobs that it has given away, as long as somebody keeps them.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Object] = {}
        self.errors: list[Exception] = []
        self.stream_errors: list[Exception] = []
        self.lists = self.streams = self.open = self.most = 0
        self.copies: WeakSet[Seen] = WeakSet()
        self.answered: asyncio.Event | None = None
        self.pods: list[Any] = []
        self.selectors: list[str] = []
        self._changes: list[Change] = []
        self._news = asyncio.Event()

    async def list_jobs(self, _namespace: str, _selector: str) -> Listing:
        self.lists += 1
        if self.errors:
            raise self.errors.pop(0)
        listing = Listing([self._copy(job) for job in self.jobs.values()], str(len(self._changes)))
        if self.answered is not None:
            await self.answered.wait()
        return listing

    async def watch_jobs(
        self, _namespace: str, _selector: str, resource_version: str, seconds: float
    ) -> AsyncGenerator[Change]:
        self.streams += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            if self.stream_errors:
                raise self.stream_errors.pop(0)
            place = int(resource_version)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while True:
                        self._news.clear()
                        for change in self._changes[place:]:
                            yield change
                        place = len(self._changes)
                        await self._news.wait()
        finally:
            self.open -= 1

    async def list_pods(self, _namespace: str, selector: str) -> list[Object]:
        self.selectors.append(selector)
        if self.errors:
            raise self.errors.pop(0)
        return self.pods

    def put(self, name: str, uid: str = "u", **more: Any) -> Object:
        """Create or change a Job."""
        kind = "MODIFIED" if name in self.jobs else "ADDED"
        self.jobs[name] = {"metadata": {"name": name, "uid": uid}, **more}
        self._tell(kind, self.jobs[name])
        return self.jobs[name]

    def delete(self, name: str) -> None:
        self._tell("DELETED", self.jobs.pop(name))

    def say(self, kind: str, job: Any) -> None:
        """Send what no cluster should."""
        self._tell(kind, job)

    def _tell(self, kind: str, job: Any) -> None:
        shown: Any = job
        with suppress(TypeError, KeyError):
            shown = {**job, "metadata": {**job["metadata"], "resourceVersion": str(len(self._changes) + 1)}}
        self._changes.append(Change(kind, shown))
        self._news.set()

    def _copy(self, job: Any) -> Object:
        if not isinstance(job, dict):
            return cast("Object", job)
        copy = Seen(cast("Object", job))
        self.copies.add(copy)
        return copy


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
async def watch(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[float], JobWatch]]:
    """Return a maker of watches whose rounds last so many seconds, and which do not rest for long."""
    monkeypatch.setattr(watching, "_FIRST_PAUSE", 0.001)
    made: list[JobWatch] = []

    def make(round_seconds: float) -> JobWatch:
        made.append(JobWatch(cast("Cluster", memory), "jobs", "a=b", round_seconds=round_seconds))
        return made[-1]

    yield make
    for one in made:
        await one.close()


Watch = Callable[[float], JobWatch]


async def rounds(memory: Memory, more: int = 3) -> None:
    """Wait until everything was listed some more times."""
    wanted = memory.lists + more
    await eventually(lambda: memory.lists >= wanted)


def has_status(followed: Followed, status: object) -> bool:
    return followed.job is not None and followed.job.get("status") == status


async def listening(memory: Memory) -> None:
    await eventually(lambda: memory.open == 1)


@pytest.mark.parametrize("round_seconds", [LONG, SHORT])
async def test_every_change_of_a_job_is_told(memory: Memory, watch: Watch, round_seconds: float) -> None:
    jobs = watch(round_seconds)
    followed = jobs.follow("a")
    jobs.found(followed, memory.put("a"))
    for step in range(5):
        memory.put("a", status={"step": step})
        await eventually(partial(has_status, followed, {"step": step}))
    assert not followed.missing
    memory.delete("a")
    await eventually(lambda: followed.missing)
    assert followed.job is not None
    assert followed.job["status"] == {"step": 4}


@pytest.mark.parametrize("moment", ["before the list", "after the list", "while it is listed"])
async def test_a_job_that_ends_before_its_creation_is_answered_is_seen(
    memory: Memory, watch: Watch, moment: str
) -> None:
    memory.answered = asyncio.Event()
    jobs = watch(LONG)
    if moment == "before the list":
        memory.put("a", status="over")
    followed = jobs.follow("a")
    await eventually(lambda: memory.lists == 1)
    if moment == "while it is listed":
        memory.put("a", status="over")
    memory.answered.set()
    await listening(memory)
    if moment == "after the list":
        memory.put("a", status="over")
    jobs.found(followed, {"metadata": {"name": "a", "uid": "u"}, "status": "created"})
    await eventually(lambda: followed.job is not None and followed.job["status"] == "over")
    assert not followed.missing


@pytest.mark.parametrize("is_newer", [False, True])
async def test_a_list_is_news_to_those_whose_job_has_changed_only(memory: Memory, watch: Watch, is_newer: bool) -> None:
    jobs = watch(SHORT)
    followed = jobs.follow("a")
    memory.jobs["a"] = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}}
    jobs.found(followed, memory.jobs["a"])
    await followed.wait(LONG)
    if is_newer:
        memory.jobs["a"] = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "8"}}
    waiting = asyncio.create_task(followed.wait(LONG))
    await rounds(memory)
    assert waiting.done() is is_newer
    waiting.cancel()


async def test_a_job_is_not_missing_before_it_was_found(memory: Memory, watch: Watch) -> None:
    followed = watch(SHORT).follow("a")
    await rounds(memory)
    assert (followed.missing, followed.job) == (False, None)


async def test_a_job_that_was_created_while_all_were_listed_is_not_missing(memory: Memory, watch: Watch) -> None:
    memory.answered = asyncio.Event()
    jobs = watch(LONG)
    followed = jobs.follow("a")
    await eventually(lambda: memory.lists == 1)
    jobs.found(followed, {"metadata": {"name": "a", "uid": "u"}})
    memory.answered.set()
    await listening(memory)
    assert not followed.missing


async def test_a_job_that_no_watch_told_of_is_missing_in_the_next_list(memory: Memory, watch: Watch) -> None:
    jobs = watch(SHORT)
    followed = jobs.follow("a")
    jobs.found(followed, {"metadata": {"name": "a", "uid": "u"}})
    await eventually(lambda: followed.missing)


async def test_the_end_of_an_earlier_job_of_that_name_is_no_news(memory: Memory, watch: Watch) -> None:
    memory.put("a", "old", status="failed")
    jobs = watch(LONG)
    followed = jobs.follow("a")
    await listening(memory)
    created = {"metadata": {"name": "a", "uid": "new"}, "status": "created"}
    memory.delete("a")
    jobs.found(followed, created)
    memory.put("a", "new", status="running")
    await eventually(lambda: followed.job is not None and followed.job["status"] == "running")
    assert not followed.missing


async def test_what_comes_late_of_an_earlier_job_is_not_taken_for_this_one(memory: Memory, watch: Watch) -> None:
    jobs = watch(LONG)
    followed, other = jobs.follow("a"), jobs.follow("b")
    await listening(memory)
    jobs.found(followed, {"metadata": {"name": "a", "uid": "new"}, "status": "created"})
    memory.put("a", "old", status="failed")
    memory.delete("a")
    memory.put("b")
    await eventually(lambda: other.job is not None)
    assert followed.job is not None
    assert (followed.missing, followed.job["status"]) == (False, "created")


async def test_another_job_that_took_its_name_is_not_this_one(memory: Memory, watch: Watch) -> None:
    jobs = watch(SHORT)
    followed = jobs.follow("a")
    jobs.found(followed, memory.put("a", "u", status="ours"))
    await rounds(memory)
    assert not followed.missing
    memory.jobs["a"] = {"metadata": {"name": "a", "uid": "other"}, "status": "complete"}
    await eventually(lambda: followed.missing)
    assert followed.job is not None
    assert followed.job["status"] == "ours"


async def test_a_job_that_is_gone_when_its_creation_is_answered_is_missing_soon(memory: Memory, watch: Watch) -> None:
    jobs = watch(SHORT)
    followed = jobs.follow("a")
    await listening(memory)
    created = memory.put("a")
    memory.delete("a")
    await rounds(memory)
    jobs.found(followed, created)
    await eventually(lambda: followed.missing)


@pytest.mark.parametrize(
    "error",
    [
        ExpiredError("too old", status=410), ClusterUnavailableError("500", status=500),
        ForbiddenError("no", status=403), RuntimeError("a fault of ours"),
    ],
    ids=["410", "500", "403", "a bug"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["list", "watch"])
async def test_whatever_fails_everything_is_listed_again(
    memory: Memory, watch: Watch, error: Exception, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "oxmq.kubernetes")
    (memory.errors if where == "list" else memory.stream_errors).extend([error] * 3)
    jobs = watch(LONG)
    followed = jobs.follow("a")
    jobs.found(followed, memory.put("a"))
    await eventually(lambda: memory.lists == 4)
    await listening(memory)
    memory.put("a", status="over")
    await eventually(lambda: followed.job is not None and followed.job.get("status") == "over")
    assert len([record for record in caplog.records if str(error) in record.getMessage()]) == 3


def test_pauses_grow_and_shrink_again() -> None:
    jobs = JobWatch(cast("Cluster", Memory()), "jobs", "a=b")
    pause = jobs._pause_after  # pyright: ignore[reportPrivateUsage] - how long it waits is not seen in less time
    error = ClusterUnavailableError("no")
    for most in (0.5, 1, 2, 4, 8, 10, 10):
        assert most / 2 <= pause(error, 0.1) <= most
    assert pause(ClusterUnavailableError("429", retry_after=15), 0.1) >= 15
    assert pause(ClusterError("no"), 30.0) <= 0.5
    assert pause(ClusterError("no"), 0.1) <= 1


async def test_a_server_that_ends_every_stream_at_once_is_not_asked_all_the_time(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_FIRST_PAUSE", LONG)

    async def nothing(*_: object) -> AsyncGenerator[Change]:
        memory.streams += 1
        for change in list[Change]():
            yield change

    monkeypatch.setattr(memory, "watch_jobs", nothing)
    jobs = JobWatch(cast("Cluster", memory), "jobs", "a=b")
    jobs.follow("a")
    await eventually(lambda: memory.streams == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (memory.lists, memory.streams) == (1, 1)
    await jobs.close()


async def test_a_watch_that_nobody_needs_asks_nothing(memory: Memory, watch: Watch) -> None:
    jobs = watch(SHORT)
    for _ in range(20):
        await asyncio.sleep(0)
    assert memory.lists == 0
    followed, other = jobs.follow("a"), jobs.follow("b")
    await rounds(memory)
    jobs.leave(followed)
    await rounds(memory)
    jobs.leave(other)
    lists, now = memory.lists, asyncio.get_running_loop().time
    several_rounds_later = now() + 5 * SHORT
    await eventually(lambda: memory.open == 0 and now() > several_rounds_later)
    assert memory.lists == lists
    memory.put("c")
    again = jobs.follow("c")
    await eventually(lambda: again.job is not None)


async def test_who_follows_a_job_anew_is_not_left_with_the_one_before(memory: Memory, watch: Watch) -> None:
    jobs = watch(LONG)
    before = jobs.follow("a")
    after = jobs.follow("a")
    jobs.leave(before)
    memory.put("a")
    await eventually(lambda: after.job is not None)
    assert before.job is None
    jobs.leave(after)
    jobs.leave(after)


async def test_nothing_is_kept_of_jobs_that_nobody_follows(memory: Memory, watch: Watch) -> None:
    for number in range(10_000):
        memory.jobs[f"other-{number}"] = {"metadata": {"name": f"other-{number}", "uid": str(number)}}
    memory.put("a")
    jobs = watch(LONG)
    followed = jobs.follow("a")
    await eventually(lambda: followed.job is not None)
    await listening(memory)
    gc.collect()
    assert [job["metadata"]["name"] for job in memory.copies] == ["a"]


async def test_many_jobs_are_followed_with_one_watch(memory: Memory, watch: Watch) -> None:
    jobs = watch(LONG)
    all_of_them = [jobs.follow(f"job-{number}") for number in range(500)]
    await listening(memory)
    for followed in all_of_them:
        jobs.found(followed, memory.put(followed.name))
    for followed in all_of_them:
        memory.put(followed.name, status="over")
    await eventually(lambda: all(one.job is not None and one.job.get("status") == "over" for one in all_of_them), 20)
    assert (memory.lists, memory.streams, memory.most) == (1, 1, 1)


STRANGE: list[Any] = [
    None, 7, "job", [], {}, {"metadata": None}, {"metadata": {"name": None}}, {"metadata": {"name": ["a"]}},
    {"metadata": {"name": {}}},
]  # fmt: skip


async def test_strange_objects_do_not_end_the_watch(memory: Memory, watch: Watch) -> None:
    for number, strange in enumerate(STRANGE):
        memory.jobs[str(number)] = strange
    jobs = watch(LONG)
    followed = jobs.follow("a")
    await listening(memory)
    for strange in STRANGE:
        memory.say("ADDED", {"metadata": {"name": strange}} if strange is None else {"metadata": strange})
        memory.say("DELETED", {"metadata": {"name": "a"}})
    memory.put("a")
    await eventually(lambda: followed.job is not None)
    assert memory.lists == 1


async def test_closing_ends_it(memory: Memory, watch: Watch) -> None:
    jobs = watch(LONG)
    jobs.follow("a")
    await listening(memory)
    await jobs.close()
    await jobs.close()
    assert memory.open == 0


async def test_who_waits_is_woken_by_news_and_by_time() -> None:
    followed = Followed("a")
    await followed.wait(0.001)
    followed.tell({"metadata": {}})
    await followed.wait(LONG)
    waiting = asyncio.create_task(followed.wait(LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    followed.tell(None)
    await waiting
    assert (followed.missing, followed.job) == (True, {"metadata": {}})


# ---- pods ------------------------------------------------------------------------------------------------------------


def pod(run: object, name: str) -> Object:
    return {"metadata": {"name": name, "labels": {RUN_LABEL: run}}}


@pytest.fixture
async def look(memory: Memory) -> AsyncIterator[PodLook]:
    made = PodLook(cast("Cluster", memory), "jobs", RUN_LABEL, gather_seconds=0.01)
    yield made
    await made.close()


async def test_who_asks_at_the_same_time_is_answered_by_one_request(memory: Memory, look: PodLook) -> None:
    memory.pods = [pod("a", "a-1"), pod("b", "b-1"), pod("a", "a-2"), pod("x", "x-1")]
    answers = await asyncio.gather(*(look.pods_of(run) for run in ("a", "b", "c", "a")))
    assert [[found["metadata"]["name"] for found in answer] for answer in answers] == [
        ["a-1", "a-2"], ["b-1"], [], ["a-1", "a-2"],
    ]  # fmt: skip
    assert memory.selectors == ["oxmq.dev/run in (a,b,c)"]
    assert await look.pods_of("b") == [pod("b", "b-1")]
    assert len(memory.selectors) == 2


async def test_a_request_names_so_many_runs_and_no_more(memory: Memory, look: PodLook) -> None:
    memory.pods = [pod(f"run-{number}", "p") for number in range(120)]
    answers = await asyncio.gather(*(look.pods_of(f"run-{number}") for number in range(120)))
    assert all(len(answer) == 1 for answer in answers)
    assert [selector.count(",") + 1 for selector in memory.selectors] == [50, 50, 20]


@pytest.mark.parametrize("error", [ClusterUnavailableError("no answer"), ForbiddenError("no"), RuntimeError("a bug")])
async def test_who_asked_is_told_why_there_is_no_answer(memory: Memory, look: PodLook, error: Exception) -> None:
    memory.errors = [error]
    asked = await asyncio.gather(look.pods_of("a"), look.pods_of("b"), return_exceptions=True)
    assert [isinstance(answer, ClusterError) and str(error) in str(answer) for answer in asked] == [True, True]
    assert await look.pods_of("a") == []


async def test_who_asked_before_the_failure_keeps_the_answer(memory: Memory, look: PodLook) -> None:
    async def first_only(_namespace: str, selector: str) -> list[Object]:
        if "run-0," not in selector:
            raise ClusterUnavailableError("no")
        return [pod("run-0", "p")]

    memory.list_pods = first_only  # type: ignore[method-assign] # a cluster that fails in the middle
    answers = await asyncio.gather(*(look.pods_of(f"run-{number}") for number in range(60)), return_exceptions=True)
    assert answers[0] == [pod("run-0", "p")]
    assert isinstance(answers[59], ClusterUnavailableError)


async def test_who_gives_up_takes_nobody_else_along(memory: Memory, look: PodLook) -> None:
    memory.pods = [pod("a", "a-1")]
    asked = [asyncio.create_task(look.pods_of("a")) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    assert await asked[1] == await asked[2] == [pod("a", "a-1")]
    assert asked[0].cancelled()


@pytest.mark.parametrize("moment", ["before the request", "during the request"])
async def test_who_waits_when_it_is_closed_is_not_cancelled_but_told(memory: Memory, moment: str) -> None:
    asking = asyncio.Event()

    async def never(*_: object) -> list[Object]:
        asking.set()
        await asyncio.Event().wait()
        return []

    memory.list_pods = never  # type: ignore[method-assign, assignment] # a cluster that does not answer
    look = PodLook(cast("Cluster", memory), "jobs", RUN_LABEL, gather_seconds=LONG if "before" in moment else 0)
    waiting = asyncio.create_task(look.pods_of("a"))
    if moment == "during the request":
        await asking.wait()
    else:
        await asyncio.sleep(0)
    await look.close()
    with pytest.raises(ClusterUnavailableError, match="nobody looks at pods any more"):
        await waiting


async def test_strange_pods_are_nobodys(memory: Memory, look: PodLook) -> None:
    memory.pods = [
        *STRANGE, {"metadata": {"labels": None}}, {"metadata": {"labels": []}}, pod(None, "p"), pod(["a"], "p"),
        pod({}, "p"), pod("a", "a-1"),
    ]  # fmt: skip
    assert await look.pods_of("a") == [pod("a", "a-1")]
