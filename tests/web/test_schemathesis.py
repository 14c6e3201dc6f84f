"""What the OpenAPI document says is so, in every role: schemathesis makes requests from it and judges the answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from importlib import import_module
from typing import Any, Final, TypeVar

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from oxmq import FlowJob, Job, every
from oxmq.web import Access, Role, Token, oxmq_web
from tests.integration.bed import Bed, reaches
from tests.web.serving import TOKENS, serving

T = TypeVar("T")

# Any, for the library's own types are generic in what it does not say.
library: Any = import_module("schemathesis")
judges: Any = import_module("schemathesis.checks")
openapi_judges: Any = import_module("schemathesis.specs.openapi.checks")

CHECKS: Final = [
    judges.not_a_server_error,
    openapi_judges.status_code_conformance,
    openapi_judges.content_type_conformance,
    openapi_judges.response_headers_conformance,
    openapi_judges.response_schema_conformance,
]
#: How many requests each operation gets, by role.
EXAMPLES: Final = {"nobody": 2, "viewer": 5, "operator": 5, "admin": 6}
#: What answers anybody.
PUBLIC: Final = ("/health/", "/openapi.json", "/api/session")
#: Its answer never ends.
STREAM: Final = "/api/events"
#: It takes a tree, of which every example costs seconds to think up.
FLOWS: Final = "/api/flows"
#: Headers that this test sets itself, and one that makes the server wait.
OURS: Final = {"accept", "authorization", "cookie", "prefer"}
QUEUE: Final = "email"


class Seeded:
    """Hold what there is to ask for."""

    def __init__(self, app: Any, url: str, known: dict[str, list[str]]) -> None:
        self.app = app
        self.url = url
        self.known = known


@contextmanager
def in_another_thread(context: AbstractAsyncContextManager[T]) -> Generator[T]:
    """Keep an asynchronous context open in a loop of its own, for tests that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(30)
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def seeded(redis_url: str, prefix: str) -> Iterator[Seeded]:
    """Serve a queue with a job in every state to bearers of `TOKENS`."""
    known = asyncio.run(_seed(Bed(redis_url, prefix)))
    tokens = [Token(secret=TOKENS[role], role=Role(role), name=role) for role in ("viewer", "operator", "admin")]
    app = oxmq_web(redis_url, prefix=prefix, access=Access(tokens=tokens))
    with in_another_thread(serving(app)) as url:
        yield Seeded(app, url, known)


async def _seed(bed: Bed) -> dict[str, list[str]]:
    queue = bed.queue(QUEUE)

    async def work(job: Job[Any]) -> object:
        await job.log("one line")
        if job.name == "bad":
            raise ValueError("bad")
        return {"done": True}

    worker = bed.working(work, QUEUE)
    failed, completed = await queue.add("bad", {"n": 1}), await queue.add("good", {"n": 2})
    await reaches(failed, "failed")
    await reaches(completed, "completed")
    await worker.close()
    flow = await bed.producer().add(FlowJob("parent", QUEUE, children=[FlowJob("child", QUEUE)]))
    jobs = [
        failed, completed, flow.job, await queue.add("waiting"), await queue.add("later", delay=3600),
        await queue.add("first", priority=1),
    ]  # fmt: skip
    await queue.upsert_job_scheduler("nightly", every("1d"), "report")
    await bed.close()
    return {"queue": [QUEUE], "job_id": [job.id for job in jobs], "schedule_id": ["nightly"]}


@pytest.mark.parametrize("role", EXAMPLES)
def test_answers_are_as_documented(seeded: Seeded, role: str, redis_client: Any) -> None:
    before = _dump(redis_client)
    headers = {"Accept": "application/json"}
    if role in TOKENS:
        headers["Authorization"] = f"Bearer {TOKENS[role]}"
    faults: list[str] = []
    with requests.Session() as session:
        for operation in _operations(seeded):
            try:
                _examine(operation, seeded, role, session, headers)
            except (AssertionError, BaseExceptionGroup) as fault:
                faults.append(f"{operation.label}: {fault}")
    assert not faults, "\n\n".join(faults)
    if role in ("nobody", "viewer"):
        assert _dump(redis_client) == before, f"a {role} changed something"


def _examine(operation: Any, seeded: Seeded, role: str, session: requests.Session, headers: dict[str, str]) -> None:
    is_closed = role == "nobody" and not operation.path.startswith(PUBLIC)

    @settings(
        max_examples=2 if operation.path == FLOWS else EXAMPLES[role],
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=_cases(operation), known=st.booleans(), number=st.integers(0, 9))
    def examine(case: Any, known: bool, number: int) -> None:
        path: dict[str, Any] = case.path_parameters or {}
        if known:
            path |= {name: seeded.known[name][number % len(seeded.known[name])] for name in path}
        sent: dict[str, str] = case.headers or {}
        for name in OURS & {name.lower() for name in sent}:
            del sent[name]
        answer = case.call(seeded.url, session, headers=headers, timeout=10)
        if answer.content == b"Invalid HTTP request received.":
            return  # the address is longer than uvicorn reads
        case.validate_response(answer, checks=CHECKS)
        if is_closed:
            # What is too large or no JSON is refused before anybody asks who sent it.
            assert answer.status_code in (401, 413, 415), f"{operation.label} answers {answer.status_code} to nobody"

    examine()


def _cases(operation: Any) -> st.SearchStrategy[Any]:
    """Make requests of which most are right and some are wrong in one place."""
    right: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=library.GenerationMode.POSITIVE)
    wrong: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=library.GenerationMode.NEGATIVE)
    can_be_wrong = any(True for _ in operation.iter_parameters()) or bool(operation.body)
    return right | wrong if can_be_wrong else right


def _operations(seeded: Seeded) -> Iterator[Any]:
    schema = library.openapi.from_dict(seeded.app.openapi())
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path != STREAM:
            yield operation


def _dump(redis_client: Any) -> dict[str, Any]:
    readers: dict[str, Callable[[str], Any]] = {
        "hash": redis_client.hgetall,
        "list": lambda key: redis_client.lrange(key, 0, -1),
        "set": redis_client.smembers,
        "stream": redis_client.xrange,
        "string": redis_client.get,
        "zset": lambda key: redis_client.zrange(key, 0, -1, withscores=True),
    }
    # Each minute the application writes down how queues went, whoever looks.
    keys = [key for key in redis_client.keys("*") if not key.endswith(":oxmq:history")]
    return {key: readers[redis_client.type(key)](key) for key in keys}
