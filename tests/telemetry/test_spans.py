"""The spans of producers and workers: their parents, their links, what they say and what they never say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode

from oxmq import FlowJob, Job, Parent, ParentNotFoundError, RateLimited, every
from oxmq.options import Telemetry
from tests.integration.bed import Bed, reaches
from tests.integration.twin import Twin
from tests.support.waiting import eventually
from tests.telemetry.recording import Recorder

PATIENCE = 30.0
SECRET = "hush-5f1c"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


@pytest.fixture
def make_recorder() -> Iterator[Any]:
    made: list[Recorder] = []

    def make(*args: Any, **options: Any) -> Recorder:
        made.append(Recorder(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def done(_: Job[Any]) -> str:
    return "done"


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def context_of(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.context
    assert context is not None
    return context


def id_of(span: ReadableSpan) -> int:
    return context_of(span).span_id


def trace_of(span: ReadableSpan) -> int:
    return context_of(span).trace_id


def header_of(span: ReadableSpan) -> str:
    return f"00-{trace_of(span):032x}-{id_of(span):016x}-{context_of(span).trace_flags:02x}"


def linked(links: Sequence[Link]) -> list[int]:
    return [link.context.span_id for link in links]


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def carried(job: Any) -> str:
    return str(msgspec.json.decode(job.record.opts).get("tm", ""))


# ---- producers ---------------------------------------------------------------------------------------------------


async def test_an_add_has_a_span_that_the_job_carries(twin: Twin, recorder: Recorder, redis_client: Any) -> None:
    queue = twin.queue(telemetry=recorder.telemetry)
    with recorder.tracer.start_as_current_span("request") as request:
        job = await queue.add("greet", {"name": SECRET})
    span = recorder.one("add q.greet")
    assert span.kind is SpanKind.PRODUCER
    assert parent_of(span) == request.get_span_context().span_id
    assert said(span) == {
        "messaging.system": "bullmq",
        "messaging.destination.name": "q",
        "messaging.operation.name": "add",
        "messaging.operation.type": "send",
        "messaging.message.id": job.id,
        "bullmq.job.name": "greet",
    }
    stored = msgspec.json.decode(redis_client.hget(f"{twin.prefix}:q:{job.id}", "opts"))
    assert stored.keys() == {"attempts", "tm"}
    assert msgspec.json.decode(stored["tm"]) == {"traceparent": header_of(span)}


async def test_the_jobs_of_a_bulk_share_a_span(twin: Twin, recorder: Recorder) -> None:
    queue = twin.queue(telemetry=recorder.telemetry)
    jobs = await queue.add_bulk([("a", 1), ("b", 2, {"attempts": 3}), ("c", 3)])
    span = recorder.one("addBulk q")
    assert said(span)["messaging.batch.message_count"] == 3
    assert len({carried(job) for job in jobs}) == 1
    assert f"{id_of(span):016x}" in carried(jobs[0])
    assert [job.options.attempts for job in jobs] == [0, 3, 0]


async def test_each_job_of_a_flow_has_a_span_and_links_to_what_it_waits_for(twin: Twin, recorder: Recorder) -> None:
    producer = twin.producer(telemetry=recorder.telemetry)
    leaf = FlowJob("leaf", "leaves")
    await producer.add(FlowJob("root", "q", children=[FlowJob("branch", "q", children=[leaf]), leaf]))
    call, root = recorder.one("addFlow q"), recorder.one("addNode q.root")
    branch, leaves = recorder.one("addNode q.branch"), recorder.named("addNode leaves.leaf")
    assert {parent_of(span) for span in (root, branch, *leaves)} == {id_of(call)}
    assert set(linked(root.links)) < {id_of(branch), *map(id_of, leaves)}
    assert id_of(branch) in linked(root.links)
    assert len(root.links) == 2
    assert linked(branch.links) in [[id_of(leaf_span)] for leaf_span in leaves]
    assert all(said(span)["messaging.operation.type"] == "create" for span in (root, branch, *leaves))
    assert all(said(span)["messaging.message.id"] for span in (root, branch, *leaves))


async def test_a_large_flow_has_one_span(bed: Bed, recorder: Recorder) -> None:
    producer = bed.producer(telemetry=recorder.telemetry)
    node = await producer.add(FlowJob("root", "q", children=[FlowJob("leaf", "q") for _ in range(300)]))
    span = recorder.one("addFlow q")
    assert len(recorder.spans) == 1
    assert {f"{id_of(span):016x}" in carried(child.job) for child in node.children} == {True}


async def test_an_apps_calls_have_spans(bed: Bed, recorder: Recorder) -> None:
    app = bed.app(telemetry=recorder.telemetry)

    @app.task
    def greet(name: str) -> None: ...

    await greet.enqueue(name="a")
    await asyncio.to_thread(greet.enqueue_sync, name="b")
    await app.enqueue_many([greet.call(name="c"), greet.call(name="d")])
    await app.flow(greet.call(name="e"), children=[greet.call(name="f")])
    await app.queue().add("greet", {"name": "g"})
    names = [span.name for span in recorder.spans]
    assert names.count("add default.greet") == 3
    assert names.count("addBulk default") == 1
    assert names.count("addNode default.greet") == 2
    assert names[-2:] == ["addFlow default", "add default.greet"]


async def test_a_call_that_fails_marks_its_span(bed: Bed, recorder: Recorder) -> None:
    producer = bed.producer(telemetry=recorder.telemetry)
    with pytest.raises(ParentNotFoundError):
        await producer.add(FlowJob("a", "q", options={"parent": Parent("nobody", f"{bed.prefix}:q")}))
    span = recorder.one("addFlow q")
    assert span.status.status_code is StatusCode.ERROR
    assert said(span)["error.type"] == "oxmq.errors.ParentNotFoundError"


async def test_what_the_caller_says_a_job_carries_wins(twin: Twin, recorder: Recorder) -> None:
    queue = twin.queue(telemetry=recorder.telemetry)
    given = '{"traceparent":"00-11111111111111111111111111111111-2222222222222222-01"}'
    own = await queue.add("a", 1, telemetry=Telemetry(given))
    none = await queue.add("b", 1, telemetry=Telemetry(omit_context=True))
    assert carried(own) == given
    assert msgspec.json.decode(none.record.opts) == {"attempts": 0, "omc": True}


# ---- workers -----------------------------------------------------------------------------------------------------


async def test_a_run_has_a_span_below_its_producers(bed: Bed, recorder: Recorder) -> None:
    queue = bed.queue(telemetry=recorder.telemetry)

    async def handle(_: Job[Any]) -> None:
        with recorder.tracer.start_as_current_span("inner"):
            pass

    bed.working(handle, telemetry=recorder.telemetry, worker_name="w1")
    job = await queue.add("greet", SECRET)
    await reaches(job, "completed", PATIENCE)
    added, run, inner = recorder.one("add q.greet"), recorder.one("process q"), recorder.one("inner")
    settled = (await eventually(lambda: recorder.named("complete q"), PATIENCE))[0]
    assert run.kind is SpanKind.CONSUMER
    assert [parent_of(span) for span in (inner, settled, run)] == [id_of(run), id_of(run), id_of(added)]
    assert run.status.status_code is StatusCode.UNSET
    assert said(run) == {
        "messaging.system": "bullmq",
        "messaging.destination.name": "q",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": job.id,
        "bullmq.job.name": "greet",
        "bullmq.job.attempts.made": 0,
        "bullmq.worker.name": "w1",
    }
    assert said(settled)["messaging.operation.type"] == "settle"


async def test_a_job_that_carries_nothing_begins_a_trace(bed: Bed, recorder: Recorder) -> None:
    job = await bed.queue().add("greet")
    bed.working(done, telemetry=recorder.telemetry)
    await reaches(job, "completed", PATIENCE)
    assert parent_of(recorder.one("process q")) is None


async def test_spans_of_a_thread_are_below_its_runs(bed: Bed, recorder: Recorder) -> None:
    app = bed.app(telemetry=recorder.telemetry)

    @app.task
    def outer() -> None:
        with recorder.tracer.start_as_current_span("inner"):
            following.enqueue_sync()

    @app.task
    async def following() -> None: ...

    worker = bed.app_worker(app)
    running = asyncio.create_task(worker.run(handle_signals=False))
    await (await outer.enqueue()).result(timeout=PATIENCE)
    await eventually(lambda: len(recorder.named("process default")) == 2, PATIENCE)
    await worker.close()
    await running
    runs = {said(run)["bullmq.job.name"]: run for run in recorder.named("process default")}
    first, second = runs["outer"], runs["following"]
    inner, added = recorder.one("inner"), recorder.one("add default.following")
    assert [parent_of(inner), parent_of(added), parent_of(second)] == [id_of(first), id_of(inner), id_of(added)]


async def test_an_attempt_links_to_the_one_before(bed: Bed, recorder: Recorder, redis_client: Any) -> None:
    queue = bed.queue(telemetry=recorder.telemetry)
    tries: list[int] = []

    async def handle(job: Job[Any]) -> None:
        tries.append(job.attempts_made)
        if len(tries) < 3:
            raise ValueError(SECRET)

    bed.working(handle, telemetry=recorder.telemetry)
    job = await queue.add("greet", attempts=3)
    await reaches(job, "completed", PATIENCE)
    runs = recorder.named("process q")
    added = recorder.one("add q.greet")
    assert [parent_of(run) for run in runs] == [id_of(added)] * 3
    assert [linked(run.links) for run in runs] == [[], [id_of(runs[0])], [id_of(runs[1])]]
    assert [said(run)["bullmq.job.attempts.made"] for run in runs] == [0, 1, 2]
    assert [run.status.status_code for run in runs] == [StatusCode.ERROR] * 2 + [StatusCode.UNSET]
    assert said(runs[0])["error.type"] == "ValueError"
    stored = msgspec.json.decode(redis_client.hget(f"{bed.prefix}:q:{job.id}", "tm"))
    assert stored == {"traceparent": header_of(runs[1])}


async def test_a_job_without_context_gets_none_when_it_fails(bed: Bed, recorder: Recorder, redis_client: Any) -> None:
    async def handle(_: Job[Any]) -> None:
        raise ValueError("no")

    bed.working(handle, telemetry=recorder.telemetry)
    job = await bed.queue(telemetry=recorder.telemetry).add("greet", telemetry=Telemetry(omit_context=True))
    await reaches(job, "failed", PATIENCE)
    assert not redis_client.hexists(f"{bed.prefix}:q:{job.id}", "tm")
    assert parent_of(recorder.one("process q")) is None


async def test_a_run_that_is_stopped_says_why(bed: Bed, recorder: Recorder) -> None:
    async def handle(_: Job[Any]) -> None:
        await asyncio.Event().wait()

    worker = bed.working(handle, telemetry=recorder.telemetry, concurrency=2)
    queue = bed.queue()
    late = await queue.add("late", timeout=0.05)
    await reaches(late, "failed", PATIENCE)
    cancelled = await queue.add("cancelled")
    await reaches(cancelled, "active", PATIENCE)
    await eventually(lambda: worker.cancel_job(cancelled.id, SECRET), PATIENCE)
    await reaches(cancelled, "failed", PATIENCE)
    given_back = await queue.add("given back")
    await reaches(given_back, "active", PATIENCE)
    await eventually(lambda: worker.health().running == 1, PATIENCE)
    await worker.close(grace=0)
    runs = {said(run)["bullmq.job.name"]: run for run in recorder.named("process q")}
    assert said(runs["late"])["error.type"] == "timeout"
    assert said(runs["cancelled"])["error.type"] == "cancelled"
    assert said(runs["given back"])["oxmq.job.outcome"] == "release"
    assert runs["given back"].status.status_code is StatusCode.UNSET


async def test_a_run_that_is_put_off_has_not_failed(bed: Bed, recorder: Recorder) -> None:
    async def handle(job: Job[Any]) -> None:
        if not recorder.named("process q"):
            raise RateLimited(0.01)

    bed.working(handle, telemetry=recorder.telemetry)
    job = await bed.queue().add("greet")
    await reaches(job, "completed", PATIENCE)
    first, _ = recorder.named("process q")
    assert (first.status.status_code, said(first)["oxmq.job.outcome"]) == (StatusCode.UNSET, "release")


async def test_each_job_of_a_schedule_begins_a_trace(bed: Bed, recorder: Recorder) -> None:
    queue = bed.queue(telemetry=recorder.telemetry)
    carried_on = '{"traceparent":"00-11111111111111111111111111111111-2222222222222222-01"}'
    await queue.upsert_job_scheduler("tick", every(0.05), "tick", telemetry=Telemetry(carried_on))
    bed.working(done, telemetry=recorder.telemetry)
    await eventually(lambda: len(recorder.named("process q")) > 2, PATIENCE)
    runs = recorder.named("process q")[:3]
    await queue.remove_job_scheduler("tick")
    assert [parent_of(run) for run in runs] == [None] * 3
    assert len({trace_of(run) for run in runs}) == 3
    assert {tuple(linked(run.links)) for run in runs} == {(0x2222222222222222,)}
    assert {said(run)["bullmq.job.scheduler.id"] for run in runs} == {"tick"}


async def test_stalled_jobs_have_a_span(bed: Bed, recorder: Recorder) -> None:
    queue = bed.queue()
    job = await queue.add("greet")
    by_hand = bed.worker(done, lock_duration=0.05, stalled_interval=0.05)
    assert await by_hand.get_next_job("token")
    bed.working(done, telemetry=recorder.telemetry, stalled_interval=0.05)
    await reaches(job, "completed", PATIENCE)
    found = said(recorder.one("recover q"))
    assert (found["messaging.batch.message_count"], found["bullmq.job.ids"]) == (1, (job.id,))


# ---- whoever may have written what a job carries -----------------------------------------------------------------

HOSTILE = [
    "", "null", "[]", "7", "{", '"text"', "{}", '{"traceparent":7}', '{"traceparent":"nonsense"}',
    '{"traceparent":"00-00000000000000000000000000000000-0000000000000000-01"}', '{"a":' * 5000, "[" * 100_000,
    '{"traceparent":"00-' + "Z" * 32 + '-2222222222222222-00"}',
    '{"traceparent":"00-' + "0" * 32 + '-2222222222222222-00"}',
    '{"traceparent":"' + "f" * 1_000_000 + '"}', '{"traceparent":["00"]}', '{"baggage":"%%%=,;;"}',
    '{"traceparent":"zz-11111111111111111111111111111111-2222222222222222-01","tracestate":"\\u0000"}',
    '{"traceparent":"00-11111111111111111111111111111111-2222222222222222-zz"}', "\ud83d\ude00".encode(
        "utf-16", "surrogatepass").decode("utf-16"),
]  # fmt: skip


async def test_nothing_that_a_job_carries_harms_it(bed: Bed, recorder: Recorder, redis_client: Any) -> None:
    queue = bed.queue()
    jobs = [await queue.add("greet", telemetry=Telemetry(text)) for text in HOSTILE]
    tried_before = await queue.add("greet")
    redis_client.hset(f"{bed.prefix}:q:{tried_before.id}", mapping={"tm": b"\xff\xfe", "ats": 1})
    not_text = await queue.add("greet")
    redis_client.hset(f"{bed.prefix}:q:{not_text.id}", "opts", '{"attempts":1,"tm":{"traceparent":[1]},"omc":7}')
    bed.working(done, telemetry=recorder.telemetry, concurrency=5)
    for job in (*jobs, tried_before, not_text):
        await reaches(job, "completed", PATIENCE)
    runs = recorder.named("process q")
    assert len(runs) == len(jobs) + 2
    assert {parent_of(run) for run in runs} == {None}


async def test_nothing_of_a_job_but_ids_and_names_is_said(bed: Bed, recorder: Recorder) -> None:
    queue = bed.queue(telemetry=recorder.telemetry)

    async def handle(job: Job[Any]) -> str:
        await job.update_progress({"at": SECRET})
        await job.log(SECRET)
        if job.name == "fail":
            raise ValueError(SECRET) from RuntimeError(SECRET)
        return SECRET

    bed.working(handle, telemetry=recorder.telemetry)
    for job in await queue.add_bulk([("fail", {"secret": SECRET}, {"attempts": 2}), ("pass", SECRET)]):
        await eventually(job.is_failed if job.name == "fail" else job.is_completed, PATIENCE)
    told = [span.to_json() for span in recorder.spans]
    assert len(told) >= 6
    assert any(re.search(r"exception\.stacktrace.*raise ValueError\(SECRET\)", span) for span in told)
    assert not any(SECRET in span for span in told)


async def test_what_errors_say_is_recorded_where_it_is_asked_for(bed: Bed, make_recorder: Any) -> None:
    recorder = make_recorder(error_messages=True)

    async def handle(_: Job[Any]) -> None:
        raise ValueError("the reason")

    bed.working(handle, telemetry=recorder.telemetry)
    await reaches(await bed.queue().add("greet"), "failed", PATIENCE)
    event = recorder.one("process q").events[0]
    assert dict(event.attributes or {})["exception.message"] == "the reason"


# ---- sampling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF), ParentBased(TraceIdRatioBased(0))])
async def test_what_is_not_sampled_is_not_recorded_further_on(bed: Bed, make_recorder: Any, sampler: Any) -> None:
    recorder = make_recorder(sampler)
    queue, onward = bed.queue(telemetry=recorder.telemetry), bed.queue("onward", telemetry=recorder.telemetry)
    added: list[Job[Any]] = []

    async def handle(_: Job[Any]) -> None:
        added.append(await onward.add("next"))

    bed.working(handle, telemetry=recorder.telemetry)
    job = await queue.add("greet")
    await reaches(job, "completed", PATIENCE)
    first, second = (msgspec.json.decode(carried(one))["traceparent"].split("-") for one in (job, added[0]))
    assert [int(flags, 16) & 1 for flags in (first[3], second[3])] == [0, 0]
    assert first[1] == second[1]
    assert not recorder.spans


async def test_a_sampler_that_does_not_follow_producers_is_asked(bed: Bed, make_recorder: Any) -> None:
    producer, recorder = make_recorder(ALWAYS_OFF), make_recorder(ALWAYS_ON)
    bed.working(done, telemetry=recorder.telemetry)
    await reaches(await bed.queue(telemetry=producer.telemetry).add("greet"), "completed", PATIENCE)
    assert recorder.one("process q").parent is not None


async def test_settling_has_no_spans_where_none_are_wanted(bed: Bed, make_recorder: Any) -> None:
    recorder = make_recorder(settle_spans=False)
    bed.working(done, telemetry=recorder.telemetry)
    await reaches(await bed.queue().add("greet"), "completed", PATIENCE)
    await eventually(lambda: recorder.metrics().get("oxmq.jobs.completed"), PATIENCE)
    assert [span.name for span in recorder.spans] == ["process q"]
