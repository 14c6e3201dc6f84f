"""Requests are small and JSON, errors are problem documents, and browsers are told what a page may do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from oxmq.web import Redaction
from oxmq.web.redaction import restore
from tests.web.serving import Web

JOBS = "/api/queues/email/jobs"
JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024


def _chunks(total: int) -> Iterator[bytes]:
    yield b'{"name": "x", "data": "'
    for _ in range(total // 65_536):
        yield b"a" * 65_536
    yield b'"}'


def _assert_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]


# ---- bodies ------------------------------------------------------------------------------------------------------


async def test_bodies_have_at_most_a_mebibyte(web: Web) -> None:
    large = json.dumps({"name": "x", "data": "a" * MIB}).encode()
    _assert_problem(await web.client.post(JOBS, content=large, headers=JSON), 413)
    _assert_problem(await web.client.post(JOBS, content=_async(_chunks(2 * MIB)), headers=JSON), 413)
    fitting = json.dumps({"name": "x", "data": "a" * (MIB - 100)}).encode()
    assert (await web.client.post(JOBS, content=fitting, headers=JSON)).status_code == 202
    assert (await web.client.post(JOBS, content=_async(_chunks(MIB // 2)), headers=JSON)).status_code == 202
    assert await web.bed.queue("email").count() == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_bodies_are_json(web: Web, kind: str) -> None:
    for content in (b'{"name": "x"}', _async(iter([b'{"name": "x"}']))):
        _assert_problem(await web.client.post(JOBS, content=content, headers={"Content-Type": kind}), 415)
    _assert_problem(await web.client.post(JOBS, content=b'{"name": "x"}'), 415)
    charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await web.client.post(JOBS, content=b'{"name": "x"}', headers=charset)).status_code == 202


async def _async(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# ---- errors ------------------------------------------------------------------------------------------------------


ERRORS: list[tuple[str, str, int]] = [
    ("GET", "/api/nothing", 404),
    ("POST", "/api/nothing", 404),
    ("GET", "/api", 404),
    ("GET", "/api/queues/none", 404),
    ("GET", "/api/queues/email/jobs/none/of/it", 404),
    ("GET", "/metrics/x", 404),
    ("GET", "/assets/none.js", 404),
    ("GET", "/assets/..%2findex.html", 404),
    ("GET", "/favicon.png", 404),
    ("PUT", "/api/overview", 405),
    ("DELETE", "/api/queues/email", 405),
    ("GET", "/api/overview?no=1", 422),
    ("GET", "/api/queues/email/schedules?limit=101", 422),
    ("GET", "/api/queues/a%3Ab", 422),
    ("POST", "/api/queues/email/jobs", 422),
]


async def test_every_error_is_a_problem_document(web: Web) -> None:
    for method, path, status in ERRORS:
        _assert_problem(await web.client.request(method, path), status)


async def test_parameters_that_nobody_knows_are_named(web: Web) -> None:
    refused = (await web.client.get("/api/queues/email/schedules?limt=3&limit=x")).json()
    assert {error["field"] for error in refused["errors"]} <= {"query.limt", "query.limit"}
    refused = (await web.client.get("/api/queues/email/schedules?limt=3")).json()
    assert refused["errors"][0]["field"] == "query.limt"
    assert "cursor, limit" in refused["errors"][0]["message"]


async def test_what_goes_wrong_here_is_not_told_but_logged(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("the secret of the house")

    api: FastAPI = web.app
    api.router.add_api_route("/api/broken", fail)
    api.router.routes.insert(0, api.router.routes.pop())
    answer = await web.client.get("/api/broken")
    _assert_problem(answer, 500)
    assert "secret" not in answer.text
    assert "Content-Security-Policy" in answer.headers
    assert "the secret of the house" in caplog.text


# ---- browsers ----------------------------------------------------------------------------------------------------


async def test_browsers_are_told_what_pages_may_do(web: Web) -> None:
    for path in ("/", "/queues/email?tab=jobs", "/api/session", "/api/nothing", "/assets/none.js"):
        headers = (await web.client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers
    assert (await web.client.get("/api/session")).headers["cache-control"] == "no-store"
    assert (await web.client.get("/")).headers["content-type"].startswith("text/html")
    assert (await web.client.head("/")).status_code == 200


async def test_names_may_have_any_characters(web: Web, redis_client: Any, prefix: str) -> None:
    for name in ("a/b", "100%", "a%2Fb", "ü", "a b"):
        redis_client.hset(f"{prefix}:{name}:meta", "version", "x")
        answer = await web.client.get(f"/api/queues/{_quoted(name)}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == name


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


# ---- secrets -----------------------------------------------------------------------------------------------------


def test_values_of_secret_keys_are_replaced_however_deep_they_lie() -> None:
    redact = Redaction()
    value = {"user": {"Password": "x", "api_key": 1, "note": "fine", "token": None}, "list": [{"my-secret": [1, 2]}]}
    assert redact(value) == {
        "user": {"Password": "[redacted]", "api_key": "[redacted]", "note": "fine", "token": None},
        "list": [{"my-secret": "[redacted]"}],
    }
    assert Redaction(())(value) == value
    assert Redaction(["note"])({"note": 1, "token": 2}) == {"note": "[redacted]", "token": 2}


def test_what_was_redacted_and_left_so_stays_as_it_is_stored() -> None:
    stored = {"a": {"password": "x"}, "list": [{"token": "y"}, 2], "n": 1}
    seen = {"a": {"password": "[redacted]"}, "list": [{"token": "[redacted]"}, 3, "[redacted]"], "new": "[redacted]"}
    assert restore(seen, stored) == {
        "a": {"password": "x"},
        "list": [{"token": "y"}, 3, "[redacted]"],
        "new": "[redacted]",
    }
    assert restore("[redacted]", stored) == stored


# ---- the document ------------------------------------------------------------------------------------------------


async def test_the_document_says_how_to_call_everything(web: Web) -> None:
    document = (await web.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"token", "login"}
    ids: list[str] = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["tags"], path
            ids.append(operation["operationId"])
    assert len(ids) == len(set(ids))
    assert "add_job" in ids
