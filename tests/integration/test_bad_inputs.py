"""Bad input is refused at the door: before any connection is made, and so even where no server runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, cast

import pytest

import oxmq.sync
from oxmq import (
    ConfigurationError,
    Deduplication,
    FlowJob,
    FlowProducer,
    JobOptions,
    Keep,
    Oxmq,
    Parent,
    Queue,
    QueueEvents,
    RateLimit,
    Telemetry,
    Worker,
)
from oxmq.options import Backoff


@pytest.fixture
def untouched() -> Iterator[str]:
    """Return an address that is listened on; at the end nobody may have connected to it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        try:
            stranger, _ = listener.accept()
        except BlockingIOError:
            return
        stranger.close()
        pytest.fail("a connection was made")


async def handle(_: object) -> None: ...


# Callers need not be typed: where a type is ignored below, what is given is wrong on purpose.

CONSTRUCTORS: list[tuple[Callable[[str], object], str]] = [
    (lambda url: Queue("", url), "queue name must be a non-empty string"),
    (lambda url: Queue("a:b", url), "queue name must not contain ':'"),
    (lambda url: Queue(5, url), "queue name must be a non-empty string"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda url: Queue("q", url, prefix=""), "prefix must be"),
    (lambda url: Queue("q", url, ids="random"), 'ids must be "uuid" or "counter"'),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda url: Queue("q", url, default_job_options={}), "default_job_options must be JobOptions"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda _: Queue("q", 5), "connection must be a URL .* or a redis-py client"),
    (lambda _: Queue("q", "localhost"), "connection must be a URL such as redis://"),
    (lambda _: Queue("q", "http://localhost"), "connection URL must begin with .* not 'http'://"),
    (lambda _: Queue("q", "redis://localhost/one"), "the database in a connection URL must be a number, not 'one'"),
    (lambda _: Queue("q", "redis://localhost:port"), "connection URL cannot be read"),
    (lambda _: Queue("q", "redis+sentinel://localhost"), "a sentinel URL is redis"),
    (lambda _: Queue("q", "redis+sentinel://h:x/service"), "a sentinel's address is host:port"),
    (lambda _: Queue("q", "redis+sentinel://h:1/service/x"), "database in a connection URL must be a number"),
    (lambda _: Queue("q", "embedded://"), "embedded:// needs the path of a directory"),
    (lambda url: QueueEvents("", url), "queue name must be"),
    (lambda url: QueueEvents("q", url, last_event_id=""), "last_event_id must be"),
    (lambda url: Worker("a:b", handle, url), "queue name must not contain ':'"),
    (lambda url: Worker("q", None, url), "process must be a function"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda url: Worker("q", handle, url, concurrency=0), "concurrency must be a whole number from 1"),
    (lambda url: Worker("q", handle, url, concurrency=True), "concurrency must be a whole number from 1"),
    (lambda url: Worker("q", handle, url, lock_duration=0), "lock_duration must be longer than 0"),
    (lambda url: Worker("q", handle, url, lock_duration="long"), "lock_duration must be a text such as"),
    (lambda url: Worker("q", handle, url, stalled_interval=-1), "stalled_interval must be between 0"),
    (lambda url: Worker("q", handle, url, max_stalled_count=-1), "max_stalled_count must be a whole number from 0"),
    (lambda url: Worker("q", handle, url, drain_delay=0), "drain_delay must be longer than 0"),
    (lambda url: Worker("q", handle, url, grace=-1), "grace must be between 0"),
    (lambda url: Worker("q", handle, url, max_loop_block=0), "max_loop_block must be longer than 0"),
    (lambda url: Worker("q", handle, url, worker_name="a b"), "worker name must be printable and without blanks"),
    (lambda url: Worker("q", handle, url, remove_on_complete=-1), "remove_on_complete must be a whole number"),
    (lambda url: Worker("q", handle, url, limiter=5), "limiter must be"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda url: Oxmq(url, prefix="a b"), "prefix must be"),
    (lambda url: Oxmq(url, ids="x"), "ids must be"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda url: Oxmq(url).queue("a:b"), "queue name must not contain ':'"),
    (lambda url: Worker("q", handle, url, metrics=-1), "metrics must be a whole number from 0"),
    (lambda url: Worker("q", handle, url, metrics="all"), "metrics must be a whole number from 0"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda url: Worker("q", handle, url, max_started_attempts=0), "max_started_attempts must be a whole number from"),
    (lambda url: FlowProducer(url, prefix=""), "prefix must be"),
    (lambda _: FlowProducer("localhost"), "connection must be a URL"),
    (lambda url: oxmq.sync.Queue("", url), "queue name must be"),
    (lambda url: oxmq.sync.FlowProducer(url, prefix="a b"), "prefix must be"),
    (lambda url: oxmq.sync.QueueEvents("", url), "queue name must be"),
    (lambda _: RateLimit(max=0, duration=1), r"RateLimit\.max must be"),
    (lambda _: Keep(count=-1), r"Keep\.count must be"),
    (lambda _: JobOptions(delay=-1), "delay must be"),
    (lambda _: Deduplication(""), "deduplication id must be a printable text"),
    (lambda _: Deduplication(5), "deduplication id must be a printable text"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda _: Deduplication("a\nb"), "deduplication id must be a printable text"),
    (lambda _: Deduplication("x" * 1025), "deduplication id must be a printable text of 1 to 1024 characters"),
    (lambda _: Deduplication("x", ttl=0), "deduplication ttl must be longer than 0"),
    (lambda _: Deduplication("x", ttl="soon"), "deduplication ttl must be a text such as"),
    (lambda _: Deduplication("x", extend=1), "deduplication extend must be True or False"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda _: Deduplication("x", replace="yes"), "deduplication replace must be"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda _: Deduplication("x", keep_last_if_active=None), "deduplication keep_last_if_active must"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (lambda _: Deduplication("x", reschedule=0), "deduplication reschedule must be"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
]


@pytest.mark.parametrize(("build", "message"), CONSTRUCTORS)
def test_constructors(untouched: str, build: Callable[[str], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(untouched)


def test_building_things_connects_to_nothing(untouched: str) -> None:
    Queue("q", untouched)
    QueueEvents("q", untouched)
    Worker("q", handle, untouched)
    Oxmq(untouched).queue("q")
    oxmq.sync.Queue("q", untouched)
    oxmq.sync.QueueEvents("q", untouched)


PARENT = Parent("1", "bull:q")

ADDS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((5,), {}, "job name must be a string"),
    (("",), {}, "job name must be a string of 1 to 1024 characters"),
    (("a\nb",), {}, "job name must be printable"),
    (("a", float("inf")), {}, "data of job 'a' cannot be written as JSON"),
    (("a", {1, object()}), {}, "data of job 'a' cannot be written as JSON"),
    (("a", "x" * 2**20), {}, "at most 1048576 are allowed"),
    (("a", 1), {"delay": "soon"}, "delay must be a text such as"),
    (("a", 1), {"priority": 2**21}, "priority must be a whole number from 0 to 2097151"),
    (("a", 1), {"job_id": "17"}, "job_id must not be a whole number"),
    (("a", 1), {"job_id": "wait"}, "job_id must not be the name of one of the queue's own keys, not 'wait'"),
    (("a", 1), {"job_id": "metrics:failed:data"}, "job_id must not be the name of one of the queue's own keys"),
    (("a", 1), {"backoff": Backoff("fixed", 5, 7)}, "jitter must be between 0 and 1"),
    (("a", 1), {"timestamp": datetime(2026, 1, 1)}, "timestamp must be a datetime with a time zone"),
    (("a", 1), {"remove_on_complete": "all"}, "remove_on_complete must be a whole number"),
    (("a", 1), {"retries": 3}, "unknown job option 'retries'"),
    (("a", 1), {"atempts": 3}, "unknown job option 'atempts'; did you mean 'attempts'"),
    (("a", 1), {"deduplication": 5}, "deduplication must be a printable text of 1 to 1024 characters"),
    (("a", 1), {"deduplication": ""}, "deduplication must be a printable text of 1 to 1024 characters"),
    (("a", 1), {"parent": "bull:q:1"}, "parent must be a Job or a Parent"),
    (("a", 1), {"parent": Parent("", "bull:q")}, "parent id must be a non-empty string"),
    (("a", 1), {"parent": Parent("1", "q")}, 'parent queue must be a name with its prefix, as "bull:name"'),
    (("a", 1), {"parent": Parent("1", cast("str", None))}, "parent queue must be"),
    (("a", 1), {"parent": PARENT, "deduplication": "x"}, "deduplication and parent cannot be used together"),
    (("a", 1), {"fail_parent_on_failure": 1}, "fail_parent_on_failure must be True or False"),
    (("a", 1), {"continue_parent_on_failure": "yes"}, "continue_parent_on_failure must be True or False"),
    (("a", 1), {"ignore_dependency_on_failure": None}, "ignore_dependency_on_failure must be True or False"),
    (("a", 1), {"remove_dependency_on_failure": []}, "remove_dependency_on_failure must be True or False"),
    (
        ("a", 1),
        {"fail_parent_on_failure": True, "continue_parent_on_failure": True},
        "only one of fail_parent_on_failure, continue_parent_on_failure can be True",
    ),
    (("a", 1), {"expires": 0}, "expires must be longer than 0"),
    (("a", 1), {"expires": "never"}, "expires must be a text such as"),
    (("a", 1), {"telemetry": "00-abc"}, "telemetry must be a Telemetry"),
    (("a", 1), {"telemetry": Telemetry(cast("str", 5))}, "telemetry metadata must be a string"),
    (("a", 1), {"telemetry": Telemetry(omit_context=cast("bool", 1))}, "telemetry omit_context must be True or False"),
]


@pytest.mark.parametrize(("args", "options", "message"), ADDS)
async def test_adds(untouched: str, args: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await Queue("q", untouched).add(*args, **options)
    with pytest.raises(ConfigurationError, match=message):
        oxmq.sync.Queue("q", untouched).add(*args, **options)
    bulk: list[Any] = [("good", 1), (*args, {}, options)[:3] if len(args) == 1 else (*args, options)]
    with pytest.raises(ConfigurationError, match=message):
        await Queue("q", untouched).add_bulk(bulk)


BULKS: list[list[Any]] = [
    [("a",)],
    [("a", 1, {}, 4)],
    ["ab"],
    [5],
    [None],
    [("a", 1, 5)],
    [("a", 1, [("delay", 5)])],
]


@pytest.mark.parametrize("bulk", BULKS)
async def test_bulks_of_the_wrong_shape(untouched: str, bulk: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"a job for add_bulk is|options must be"):
        await Queue("q", untouched).add_bulk(bulk)
    with pytest.raises(ConfigurationError, match=r"a job for add_bulk is|options must be"):
        oxmq.sync.Queue("q", untouched).add_bulk(bulk)


FLOWS: list[tuple[Any, str]] = [
    (None, "a flow must be a FlowJob"),
    ({"name": "a", "queue_name": "q"}, "a flow must be a FlowJob"),
    (FlowJob("a", "a:b"), "queue name must be"),
    (FlowJob("a", cast("str", 5)), "queue name must be"),
    (FlowJob("", "q"), "job name must be"),
    (FlowJob("a", "q", object()), "data of job 'a' cannot be written as JSON"),
    (FlowJob("a", "q", prefix="a b"), "prefix must be"),
    (FlowJob("a", "q", options=cast("Any", 5)), "options must be a mapping"),
    (FlowJob("a", "q", options={"atempts": 3}), "unknown job option 'atempts'; did you mean 'attempts'"),
    (FlowJob("a", "q", children=cast("Any", 5)), "children must be a list of FlowJobs"),
    (FlowJob("a", "q", children=cast("Any", FlowJob("b", "q"))), "children must be a list of FlowJobs"),
    (FlowJob("a", "q", children=cast("Any", ["b"])), "a flow must be a FlowJob, not 'b'"),
    (FlowJob("a", "q", children=[FlowJob("b", "q", options={"delay": -1})]), "delay must be"),
    (
        FlowJob("a", "q", options={"job_id": "x"}, children=[FlowJob("b", "q", options={"job_id": "x"})]),
        "have the id 'x'",
    ),
    (FlowJob("a", "q", children=[FlowJob("b", "q")] * 5_000), "a flow can have at most 5000 jobs"),
    (FlowJob("a", "q", options={"deduplication": "x"}, children=[FlowJob("b", "q")]), "deduplication cannot be used"),
    (
        FlowJob("a", "q", children=[FlowJob("b", "q", options={"parent": PARENT})]),
        "parent cannot be given for a child of the flow",
    ),
]


@pytest.mark.parametrize(("flow", "message"), FLOWS)
async def test_flows(untouched: str, flow: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await FlowProducer(untouched).add(flow)
    with pytest.raises(ConfigurationError, match=message):
        await FlowProducer(untouched).add_bulk([FlowJob("good", "q"), flow])
    with pytest.raises(ConfigurationError, match=message):
        oxmq.sync.FlowProducer(untouched).add(flow)


@pytest.mark.parametrize("options", [5, {"q": {"attempts": 3}}, {"q": None}])
async def test_flows_with_bad_options_for_their_queues(untouched: str, options: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"queue_options.* must be"):
        await FlowProducer(untouched).add(FlowJob("a", "q"), queue_options=options)


READS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda producer: producer.get_flow("x", ""), "queue name must be"),
    (lambda producer: producer.get_flow("x", "q", prefix="a b"), "prefix must be"),
    (lambda producer: producer.get_flow("x", "q", depth=0), "depth must be a whole number from 1"),
    (lambda producer: producer.get_flow("x", "q", max_children="all"), "max_children must be a whole number from 1"),
]


@pytest.mark.parametrize(("read", "message"), READS)
async def test_reading_flows(untouched: str, read: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await read(FlowProducer(untouched))


CALLS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda queue: queue.get_job_counts("sleeping"), "state 'sleeping' is not one of"),
    (lambda queue: queue.get_jobs("sleeping"), "state 'sleeping' is not one of"),
    (lambda queue: queue.get_jobs("waiting", -5), "start must be at least 0"),
    (lambda queue: queue.set_global_concurrency(0), "concurrency must be a whole number from 1"),
    (lambda queue: queue.set_global_concurrency("3"), "concurrency must be a whole number from 1"),
    (lambda queue: queue.rate_limit("long"), "duration must be a text such as"),
    (lambda queue: queue.rate_limit(0), "duration must be longer than 0"),
]


@pytest.mark.parametrize(("call", "message"), CALLS)
async def test_calls(untouched: str, call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await call(Queue("q", untouched))
    with pytest.raises(ConfigurationError, match=message):
        call(oxmq.sync.Queue("q", untouched))


@pytest.mark.parametrize("duration", ["long", -1, 0])
async def test_a_worker_told_to_hold_its_queue_for_no_time(untouched: str, duration: Any) -> None:
    with pytest.raises(ConfigurationError, match="duration must be"):
        await Worker("q", handle, untouched).rate_limit(duration)


@pytest.mark.parametrize("grace", ["long", -1])
async def test_a_worker_told_to_close_with_a_bad_grace(untouched: str, grace: Any) -> None:
    worker = Worker("q", handle, untouched)
    with pytest.raises(ConfigurationError, match="grace must be"):
        await worker.close(grace)
    await worker.close()


async def test_without_a_url_the_environment_says_where(untouched: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OXMQ_URL", "http://nowhere")
    with pytest.raises(ConfigurationError, match="connection URL must begin with"):
        Queue("q")


async def test_a_password_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("redis://user:swordfish@127.0.0.1:1/x", "http://:swordfish@nowhere", "redis://:swordfish@h:port"):
        with pytest.raises(ConfigurationError) as caught:
            Queue("q", url)
        assert "swordfish" not in str(caught.value)


async def test_cancelling_a_call_that_waits_leaves_nothing_behind() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        queue = Queue("q", f"redis://127.0.0.1:{listener.getsockname()[1]}")
        waiting = asyncio.create_task(queue.count())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await queue.close()
