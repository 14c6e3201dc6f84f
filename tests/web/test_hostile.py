"""Whatever is sent and whatever lies in Redis: an answer comes, and it is never a fault of the server."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx2
import pytest

from oxmq.keys import QueueKeys
from tests.support import hostile
from tests.web.serving import Web

MIB: Final = 1024 * 1024
#: Answers of these never end by themselves.
STREAMS: Final = frozenset({"/api/events"})
#: How many requests are under way at a time.
AT_ONCE: Final = 16


class Door(NamedTuple):
    """One operation of the OpenAPI document."""

    method: str
    path: str
    params: tuple[str, ...]
    query: tuple[str, ...]
    has_body: bool

    def url(self, values: dict[str, str]) -> str:
        """Return the path with values in it, each of which stays within its part of the path."""
        return self.path.format(**{name: quote(values.get(name, "none"), safe="") for name in self.params})


@pytest.fixture
async def doors(web: Web) -> list[Door]:
    document = await web.get("/openapi.json")
    return [
        _door(method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path not in STREAMS
    ]


def _door(method: str, path: str, operation: dict[str, Any]) -> Door:
    params: list[dict[str, str]] = operation.get("parameters", [])
    found = {where: tuple(p["name"] for p in params if p["in"] == where) for where in ("path", "query")}
    return Door(method.upper(), path, found["path"], found["query"], "requestBody" in operation)


class Knocker:
    """Send requests, many at a time, and note every answer that is a fault of the server."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.faults: list[str] = []

    async def knock(self, method: str, url: str, what: str, **request: Any) -> int:
        """Send one request; return the status of the answer, 0 for none."""
        headers = {"Accept": "application/json", **request.pop("headers", {})}
        async with self._turns:
            try:
                answer = await self._client.request(method, url, headers=headers, **request)
            except httpx2.HTTPError as error:
                self.faults.append(f"{method} {url[:120]} with {what:.80}: {error!r}")
                return 0
        if answer.status_code >= 500:
            self.faults.append(f"{method} {url[:120]} with {what:.80}: {answer.status_code} {answer.text[:200]}")
        return answer.status_code

    def verdict(self) -> None:
        """Fail the test if there was a fault."""
        assert not self.faults, f"{len(self.faults)} faults:\n" + "\n".join(self.faults[:20])


@pytest.fixture
async def knocker(web: Web) -> AsyncIterator[Knocker]:
    knocker = Knocker(web.client)
    yield knocker
    knocker.verdict()


# ---- names, ids and parameters ------------------------------------------------------------------------------------


async def test_hostile_names_in_every_path(doors: list[Door], knocker: Knocker) -> None:
    requests = [
        knocker.knock(door.method, door.url({param: text}), text, **({"json": {}} if door.has_body else {}))
        for door in doors
        for param in door.params
        for text in _some(hostile.STRINGS, 24, door.path + param)
        if text  # an empty part makes another path
    ]
    assert len(await asyncio.gather(*requests)) > 100


async def test_hostile_values_of_every_parameter(web: Web, doors: list[Door], knocker: Knocker) -> None:
    job = await web.bed.queue("email").add("x", {})
    known = {"queue": "email", "job_id": job.id, "schedule_id": "none"}
    requests = [
        knocker.knock(door.method, door.url(known), text, params={param: text})
        for door in doors
        if door.method == "GET"
        for param in door.query
        for text in _some((*hostile.STRINGS, "0", "-1", "101", "1000000000", "1e3", "true"), 16, door.path + param)
    ]
    assert len(await asyncio.gather(*requests)) > 30


async def test_unknown_parameters_are_refused_at_every_door(doors: list[Door], knocker: Knocker) -> None:
    for door in doors:
        if door.method == "GET" and door.path.startswith("/api/"):
            status = await knocker.knock("GET", door.url({"queue": "email"}), "nmae", params={"nmae": "1"})
            assert status == 422, door


async def test_a_page_has_1_to_100_entries(web: Web) -> None:
    for limit in ("0", "-1", "101", "1000000000", "1.5", "ten", ""):
        refusal = await web.get("/api/queues/email/jobs", 422, state="waiting", limit=limit)
        assert "limit" in refusal["errors"][0]["field"]


async def test_a_page_is_as_long_as_was_asked(web: Web) -> None:
    await web.bed.queue("email").add_bulk([("x", {"n": n}) for n in range(120)])
    page = await web.get("/api/queues/email/jobs", state="waiting", limit="100")
    assert (len(page["jobs"]), page["total"]) == (100, 120)
    rest = await web.get("/api/queues/email/jobs", state="waiting", limit="100", cursor=page["cursor"])
    assert (len(rest["jobs"]), rest["cursor"]) == (20, None)
    assert len({job["id"] for job in page["jobs"] + rest["jobs"]}) == 120


# ---- bodies -------------------------------------------------------------------------------------------------------


async def test_hostile_bodies_at_every_door(web: Web, doors: list[Door], knocker: Knocker) -> None:
    job = await web.bed.queue("email").add("x", {})
    known = {"queue": "email", "job_id": job.id, "schedule_id": "none"}
    requests = [
        knocker.knock(door.method, door.url(known), what, content=body, headers={"Content-Type": "application/json"})
        for door in doors
        if door.has_body
        for what, body in hostile.BODIES.items()
    ]
    assert len(await asyncio.gather(*requests)) > 100


async def test_a_body_of_more_than_a_mebibyte_is_refused(web: Web) -> None:
    url, headers = "/api/queues/email/jobs", {"Content-Type": "application/json"}
    shell = len(b'{"name":"x","data":""}')
    whole = b'{"name":"x","data":"' + b"x" * (MIB - shell) + b'"}'
    assert (await web.client.post(url, content=whole, headers=headers)).status_code == 202
    assert (await web.client.post(url, content=whole + b" ", headers=headers)).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, MIB, 65_536):
            yield whole[start : start + 65_536]
        yield b" "

    assert (await web.client.post(url, content=chunks(), headers=headers)).status_code == 413


async def test_what_was_added_comes_back_as_it_was(web: Web) -> None:
    added = await web.post("/api/queues/email/jobs", {"name": "x", "data": hostile.data()}, 202)
    job = await web.get(added["url"] if added["url"].startswith("/") else f"/{added['url']}")
    secret = {name: "[redacted]" for name in hostile.NAMES if "cookie" in name.lower() or "passwd" in name}
    names = {name: name for name in hostile.NAMES} | secret
    expected = {**hostile.data(), "names": names, "password": "[redacted]"}
    if job["data_truncated"]:
        assert "must not be seen" not in json.dumps(job)
    else:
        assert job["data"] == expected


async def test_only_json_is_read(web: Web) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"):
        answer = await web.client.post(
            "/api/queues/email/jobs", content=b'{"name":"x"}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 415
    assert await web.bed.queue("email").count() == 0


# ---- headers ------------------------------------------------------------------------------------------------------

HEADERS: Final = {
    "Idempotency-Key": ["", "a b", "x" * 5000, "a:b", "wait", "\xe4", "{x}", "0"],
    "Prefer": ["wait", "wait=", "wait=-1", "wait=nan", "wait=1e999", "wait=" + "9" * 400, ";;;", "wait=0, wait=1"],
    "Authorization": ["Bearer", "Basic", "Basic !!!", "Basic gP8=", "Digest x", "Bearer \xe4", "x" * 5000],
    "Cookie": ["oxmq_session=", "oxmq_session=\xe4", "oxmq_session=" + "x" * 5000, ";;;==", "=x"],
    "Accept": ["", "*", "text/event-stream;q=x", "application/json," * 300, "\xe4"],
    "Origin": ["null", "http://", "http://[", "javascript:1"],
    "Sec-Fetch-Site": ["cross-site", "x", ""],
    "X-Forwarded-For": ["'", "x" * 5000, "\xe4"],
    "Content-Encoding": ["gzip", "x"],
    "Range": ["bytes=0-0", "bytes=x", "bytes=-1"],
    "If-None-Match": ["*", '"x"', "x"],
}  # fmt: skip


async def test_hostile_headers(web: Web, knocker: Knocker) -> None:
    job = await web.bed.queue("email").add("x", {})
    requests = [
        knocker.knock(method, url, f"{name}: {value}", headers={name: value.encode("latin-1")}, json=body)
        for name, values in HEADERS.items()
        for value in values
        for method, url, body in (
            ("POST", "/api/queues/email/jobs", {"name": "x"}),
            ("GET", f"/api/queues/email/jobs/{job.id}", None),
        )
    ]
    await asyncio.gather(*requests)


async def test_hostile_hosts(web: Web) -> None:
    for host in ("", "[", "a b", "evil.example", "\xe4", "x" * 5000):
        answer = await web.client.get("/api/session", headers={b"Host": host.encode("latin-1")})
        assert 400 <= answer.status_code < 500, host


async def test_a_stream_begins_after_any_last_event_id(web: Web) -> None:
    job = await web.bed.queue("email").add("x", {})
    for last in ("", "x", "0-0.x", "-1.-1", "9" * 400, "0-0." + "9" * 400, "\xe4", "$", "0-0.0"):
        headers = {b"Accept": b"text/event-stream", b"Last-Event-ID": last.encode("latin-1")}
        for path in (f"/api/queues/email/jobs/{job.id}/events", "/api/events?topics=overview"):
            async with web.client.stream("GET", path, headers=headers) as answer:
                assert answer.status_code in (200, 400, 422), (path, last)


async def test_hostile_topics(web: Web) -> None:
    many = ",".join(["overview"] * 500)
    for topics in ("", ",", "x", "queue:", "queue:a:b", "queue:" + "x" * 5000, "queue:\0", many):
        async with web.client.stream("GET", "/api/events", params={"topics": topics}) as answer:
            assert answer.status_code in (200, 422), topics


# ---- broken keyspaces ---------------------------------------------------------------------------------------------

PARTS: Final = (
    "wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed", "events", "meta",
    "id", "repeat", "repeat:s", "limiter", "stalled", "metrics:completed", "metrics:completed:data", "oxmq:workers",
    "oxmq:history", "oxmq:relayed", "oxmq:counts",
    "j", "j:logs", "j:lock", "j:dependencies", "j:processed", "j:failed", "j:unsuccessful",
)  # fmt: skip


def _spoil(redis_client: Any, key: str, kind: str) -> None:
    redis_client.delete(key)
    match kind:
        case "string":
            redis_client.set(key, b"\xff\x00<script>")
        case "list":
            redis_client.rpush(key, b"\xff", "j", "", "0:1")
        case "zset":
            redis_client.zadd(key, {b"\xff": float("inf"), "j": -1.5, "": 0})
        case "hash":
            redis_client.hset(
                key, mapping={b"\xff": b"\xfe", "name": b"\xff", "data": "{", "opts": "[", "timestamp": "x"}
            )
        case _:
            redis_client.xadd(key, {b"\xff": b"\xff", "event": "x"})


def _readers(doors: list[Door]) -> Iterator[tuple[Door, dict[str, str]]]:
    for door in doors:
        if door.method == "GET":
            yield door, {"queue": "email", "job_id": "j", "schedule_id": "s"}


@pytest.mark.parametrize("kind", ["string", "list", "zset", "hash", "stream"])
async def test_keys_of_the_wrong_type(
    web: Web, doors: list[Door], knocker: Knocker, redis_client: Any, prefix: str, kind: str
) -> None:
    base = QueueKeys("email", prefix).base
    redis_client.hset(f"{base}meta", "opts.maxLenEvents", "1000")
    for part in PARTS:
        saved = redis_client.execute_command("DUMP", f"{base}{part}", NEVER_DECODE=True)
        _spoil(redis_client, f"{base}{part}", kind)
        await asyncio.gather(
            *(
                knocker.knock("GET", door.url(values), f"{part} as {kind}", params=_state(door, "waiting"))
                for door, values in _readers(doors)
                if "{queue}" in door.path or part in ("meta", "wait", "oxmq:workers")
            )
        )
        redis_client.delete(f"{base}{part}")
        if saved:
            redis_client.execute_command("RESTORE", f"{base}{part}", 0, saved)


async def test_everything_is_broken_at_once(
    web: Web, doors: list[Door], knocker: Knocker, redis_client: Any, prefix: str
) -> None:
    base = QueueKeys("email", prefix).base
    redis_client.hset(
        f"{base}meta", mapping={"concurrency": "x", "max": b"\xff", "duration": "-1", "paused": "?", "version": b"\xff"}
    )
    jobs: dict[bytes | str, dict[str, Any]] = {
        b"\xff\xfe": {"name": b"\xff", "data": b"\xff"},
        "empty": {"x": "y"},
        "j": {
            "name": hostile.SCRIPTS[0], "data": hostile.deep(100_000), "opts": hostile.deep(500), "progress": "{",
            "timestamp": "1e400", "processedOn": "-9" * 30, "finishedOn": "nan", "delay": "x", "priority": "1e9",
            "failedReason": "\0" * 10, "stacktrace": '[1, {"a": 2}, null]', "returnvalue": "9" * 10_000, "ats": "x",
            "atm": "-1", "parentKey": ":::", "parent": "[1]", "rjk": "x", "pb": b"\xff", "deid": b"\xff",
        },
        "big": {"name": "x" * 100_000, "data": json.dumps("x" * 3 * MIB), "opts": "{}", "timestamp": "1"},
        "surrogate": {"name": "x", "data": '"\\ud800"', "opts": '{"jobId": "\\ud800"}', "failedReason": "\\ud800"},
    }  # fmt: skip
    for job_id, fields in jobs.items():
        key = base.encode() + (job_id if isinstance(job_id, bytes) else job_id.encode())
        redis_client.hset(key, mapping=fields)
        redis_client.lpush(f"{base}wait", job_id)
        for part in ("completed", "failed", "delayed", "prioritized", "waiting-children"):
            redis_client.zadd(f"{base}{part}", {job_id: 1e300})
    redis_client.rpush(f"{base}j:logs", b"\xff", "x" * 100_000, "\x1b[2J")
    redis_client.hset(f"{base}j:processed", mapping={b"\xff": b"\xff", "a": "{", f"{base}j": "1"})
    redis_client.sadd(f"{base}j:dependencies", b"\xff", "::", f"{base}j", "x")
    redis_client.zadd(f"{base}repeat", {b"\xff": float("inf"), "s": 1e300})
    redis_client.hset(
        f"{base}repeat:s", mapping={"every": "x", "pattern": b"\xff", "tz": "No/Where", "data": "{", "name": b"\xff"}
    )
    redis_client.hset(f"{base}oxmq:workers", mapping={b"\xff": b"\xff", "w": "{}"})
    redis_client.hset(f"{prefix}:{hostile.SCRIPTS[0]}:meta", "paused", "1")
    redis_client.hset(prefix.encode() + b":\xff\xfe:meta", "paused", "1")
    states = ("waiting", "completed", "failed", "delayed", "prioritized", "waiting-children", "active")
    ids = ("j", "empty", "big", "surrogate", "\ufffd\ufffd", "none")
    requests = [
        knocker.knock("GET", door.url({**values, "job_id": job_id}), f"{job_id} {state}", params=_state(door, state))
        for door, values in _readers(doors)
        for job_id in (ids if "job_id" in door.params else ids[:1])
        for state in (states if "state" in door.query else states[:1])
    ]
    answered = len(await asyncio.gather(*requests))
    redis_client.flushall()  # before somebody wants to read the names
    assert answered > 20


def _state(door: Door, state: str) -> dict[str, str]:
    return {"state": state} if "state" in door.query else {}


def _some(texts: tuple[str, ...], count: int, salt: str) -> list[str]:
    """Return some of the texts, others for every salt, the same in every run."""
    start = sum(salt.encode()) % len(texts)
    return list(itertools.islice(itertools.cycle(texts), start, start + min(count, len(texts))))
