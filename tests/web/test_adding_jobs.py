"""Jobs are added over HTTP: checked, found again by key, and waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oxmq import Job, Oxmq
from oxmq.web import oxmq_web
from tests.integration.bed import Bed
from tests.web.serving import Web, serving

JOBS = "/api/queues/email/jobs"


@pytest.fixture
async def shop(redis_url: str, prefix: str, bed: Bed) -> AsyncIterator[Web]:
    """Serve an application with a task."""
    app = Oxmq(redis_url, prefix=prefix)

    @app.task(queue="email", attempts=3, timeout="30s")
    async def greet(name: str, times: int = 1) -> str:
        return f"Dear {name}" * times

    async with serving(oxmq_web(app)) as url:
        served = Web(url, app, bed)
        yield served
        await served.close()
        await app.close()


async def _greet(job: Job[Any]) -> Any:
    if job.data.get("fail"):
        raise ValueError("no such address")
    return {"greeted": job.data.get("name"), "password": "geheim"}


# ---- one job -----------------------------------------------------------------------------------------------------


async def test_a_job_is_accepted_with_the_place_where_it_is(web: Web) -> None:
    answer = await web.client.post(JOBS, json={"name": "send mail", "data": {"to": "ada"}})
    assert answer.status_code == 202
    added = answer.json()
    assert added == {
        "id": added["id"],
        "state": "waiting",
        "queue": "email",
        "url": f"/api/queues/email/jobs/{added['id']}",
    }
    assert answer.headers["location"] == added["url"]
    job = await web.bed.queue("email").get_job(added["id"])
    assert job is not None
    assert (job.name, job.data) == ("send mail", {"to": "ada"})


async def test_options_are_those_of_oxmq(web: Web) -> None:
    options = {
        "delay": "10m",
        "priority": 3,
        "attempts": 5,
        "backoff": {"type": "exponential", "delay": 2, "jitter": 0.5},
        "timeout": 30,
        "expires": "1h",
        "remove_on_complete": True,
        "remove_on_fail": {"count": 10, "age": "7d"},
        "keep_logs": 7,
        "job_id": "mail-1",
    }
    answer = await web.post(JOBS, {"name": "x", "options": options}, 202)
    assert (answer["id"], answer["state"]) == ("mail-1", "delayed")
    job = await web.bed.queue("email").get_job("mail-1")
    assert job is not None
    stored = job.options.given()
    assert stored["delay"] == 600
    assert stored["backoff"].type == "exponential"
    assert stored["remove_on_fail"].count == 10
    assert (stored["priority"], stored["attempts"], stored["keep_logs"]) == (3, 5, 7)


FAULTS: list[tuple[Any, str, str]] = [
    ({}, "body.name", "required"),
    ({"name": ""}, "body.name", "1 to 1024"),
    ({"name": "a\nb"}, "body.name", "printable"),
    ({"name": "x", "nope": 1}, "body.nope", "not permitted"),
    ({"name": "x", "options": {"dely": 1}}, "body.options.dely", "not permitted"),
    ({"name": "x", "options": {"delay": "soon"}}, "body.options.delay", '"10m"'),
    ({"name": "x", "options": {"priority": "1"}}, "body.options.priority", "integer"),
    ({"name": "x", "options": {"priority": -1}}, "body.options.priority", "0 to 2097151"),
    ({"name": "x", "options": {"backoff": {"type": "fixed", "jitter": 2}}}, "body.options.backoff.jitter", "1"),
    ({"name": "x", "options": {"backoff": []}}, "body.options.backoff", "object, or a length of time"),
    ({"name": "x", "options": {"remove_on_fail": {"count": -1}}}, "body.options.remove_on_fail.count", "0"),
    ({"name": "x", "options": {"job_id": "17"}}, "body.options.job_id", "whole number"),
    ({"name": "x", "options": {"job_id": "\ud800"}}, "body.options.job_id", "control characters"),
    ({"name": "x", "data": {"a": "\ud800"}}, "body.data", "JSON"),
    ({"name": "x", "data": float("nan")}, "body.data", "NaN"),
    (
        {"name": "x", "options": {"fail_parent_on_failure": True, "continue_parent_on_failure": True}},
        "body.options",
        "only one",
    ),
    ([], "body", "dictionary"),
]


async def test_what_is_not_acceptable_is_named(web: Web) -> None:
    for body, field, words in FAULTS:
        answer = await web.client.post(JOBS, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert words in error["message"]


async def test_broken_json_and_bad_queue_names_are_refused(web: Web) -> None:
    broken = await web.client.post(JOBS, content=b'{"name": ', headers={"Content-Type": "application/json"})
    assert broken.status_code == 422
    deep = await web.client.post(JOBS, content=b"[" * 100_000, headers={"Content-Type": "application/json"})
    assert deep.status_code in (400, 422)
    assert deep.headers["content-type"] == "application/problem+json"
    for name in ("with%20blank", "a%3Ab", "x" * 129, "%2F"):
        answer = await web.client.post(f"/api/queues/{name}/jobs", json={"name": "x"})
        assert answer.status_code == 422, answer.text
    assert await web.bed.queue("email").count() == 0


# ---- tasks -------------------------------------------------------------------------------------------------------


async def test_the_arguments_of_a_task_are_checked_and_its_options_hold(shop: Web) -> None:
    added = await shop.post(JOBS, {"name": "greet", "data": {"name": "Ada"}, "options": {"attempts": 7}}, 202)
    job = await shop.bed.queue("email").get_job(added["id"])
    assert job is not None
    assert (job.options.attempts, job.options.timeout) == (7, 30)
    plain = await shop.post(JOBS, {"name": "something else", "data": {"name": 4}}, 202)
    other = await shop.bed.queue("email").get_job(plain["id"])
    assert other is not None
    assert other.options.given().get("timeout") is None


MISFITS: list[tuple[Any, str]] = [
    ({"name": 4}, "body.data.name"),
    ({}, "body.data.name"),
    ({"name": "Ada", "age": 3}, "body.data.age"),
    ({"name": "Ada", "times": "x"}, "body.data.times"),
    ([], "body.data"),
]


async def test_arguments_that_do_not_fit_are_named(shop: Web) -> None:
    for data, field in MISFITS:
        refused = await shop.post(JOBS, {"name": "greet", "data": data}, 422)
        assert [error["field"] for error in refused["errors"]] == [field]


# ---- the same again ----------------------------------------------------------------------------------------------


async def test_a_key_makes_a_repeat_find_the_same_job(web: Web) -> None:
    body = {"name": "x", "data": {"a": 1, "b": 2}}
    first = await web.post(JOBS, body, 202, **{"Idempotency-Key": "k-1"})
    again = await web.client.post(
        JOBS, content='{"data":{"b":2,"a":1}, "name":"x"}',
        headers={"Content-Type": "application/json", "Idempotency-Key": "k-1"},
    )  # fmt: skip
    assert again.json() == first
    assert (await web.post(JOBS, body, 202, **{"Idempotency-Key": "k-2"}))["id"] != first["id"]
    assert await web.bed.queue("email").count() == 2
    refused = await web.post(JOBS, {"name": "x", "data": {"a": 3}}, 422, **{"Idempotency-Key": "k-1"})
    assert refused["errors"][0]["field"] == "header.idempotency-key"
    assert "other content" in refused["errors"][0]["message"]


async def test_a_repeat_is_found_whatever_became_of_the_job(web: Web) -> None:
    body = {"name": "x", "data": {"name": "Ada"}}
    first = await web.post(JOBS, body, 202, **{"Idempotency-Key": "k"})
    job = await web.bed.queue("email").get_job(first["id"])
    assert job is not None
    await job.update_data({"changed": True})
    assert (await web.post(JOBS, body, 202, **{"Idempotency-Key": "k"}))["id"] == first["id"]
    web.bed.working(_greet, "email")
    waited = await web.post(JOBS, body, 200, **{"Idempotency-Key": "k", "Prefer": "wait=5"})
    assert (waited["id"], waited["state"]) == (first["id"], "completed")


async def test_many_at_once_with_one_key_add_one_job(web: Web) -> None:
    answers = await asyncio.gather(*(web.post(JOBS, {"name": "x"}, 202, **{"Idempotency-Key": "k"}) for _ in range(10)))
    assert len({answer["id"] for answer in answers}) == 1
    assert await web.bed.queue("email").count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
async def test_keys_that_are_none_are_refused(web: Web, key: str) -> None:
    refused = await web.post(JOBS, {"name": "x"}, 422, **{"Idempotency-Key": key})
    assert refused["errors"][0]["field"].lower() == "header.idempotency-key"


async def test_a_key_and_an_id_are_not_given_together(web: Web) -> None:
    body = {"name": "x", "options": {"job_id": "mine"}}
    assert "Idempotency-Key" in (await web.post(JOBS, body, 422, **{"Idempotency-Key": "k"}))["errors"][0]["message"]


async def test_the_keys_of_two_users_have_nothing_to_do_with_each_other(guarded_web: Web) -> None:
    headers = {"Idempotency-Key": "k"}
    ours = await guarded_web.as_("operator").post(JOBS, json={"name": "x", "data": 1}, headers=headers)
    theirs = await guarded_web.as_("only-email").post(JOBS, json={"name": "x", "data": 2}, headers=headers)
    assert (ours.status_code, theirs.status_code) == (202, 202)
    assert ours.json()["id"] != theirs.json()["id"]


# ---- waiting -----------------------------------------------------------------------------------------------------


async def test_a_result_can_be_waited_for(web: Web) -> None:
    web.bed.working(_greet, "email")
    answer = await web.client.post(JOBS, json={"name": "x", "data": {"name": "Ada"}}, headers={"Prefer": "wait=10"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=10"
    body = answer.json()
    assert body["state"] == "completed"
    assert body["result"] == {"greeted": "Ada", "password": "[redacted]"}
    assert answer.headers["location"] == body["url"]


async def test_a_failure_can_be_waited_for(web: Web) -> None:
    web.bed.working(_greet, "email")
    body = await web.post(JOBS, {"name": "x", "data": {"fail": True}}, 200, Prefer="respond-async, wait=10;x=1")
    assert (body["state"], body["failed_reason"]) == ("failed", "no such address")
    assert "result" not in body


async def test_who_waits_in_vain_is_told_where_to_look(web: Web) -> None:
    answer = await web.client.post(JOBS, json={"name": "x"}, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")
    plain = await web.client.post(JOBS, json={"name": "x"}, headers={"Prefer": "wait=soon"})
    assert plain.status_code == 202
    assert "preference-applied" not in plain.headers


# ---- many --------------------------------------------------------------------------------------------------------


async def test_a_thousand_jobs_are_added_in_order(web: Web) -> None:
    body = {"jobs": [{"name": f"n{at}", "data": at, "options": {"priority": at % 2}} for at in range(1000)]}
    answer = await web.post(JOBS + ":bulk", body, 202)
    assert len({job["id"] for job in answer["jobs"]}) == 1000
    assert [job["state"] for job in answer["jobs"][:2]] == ["waiting", "prioritized"]
    waiting = await web.bed.queue("email").get_waiting(0, -1)
    assert [job.name for job in waiting] == [f"n{at}" for at in range(0, 1000, 2)]


async def test_bulk_adds_all_or_none(web: Web) -> None:
    refused = await web.post(
        JOBS + ":bulk", {"jobs": [{"name": "x"}, {"name": "y", "options": {"delay": "soon"}}]}, 422
    )
    assert refused["errors"][0]["field"] == "body.jobs.1.options.delay"
    for jobs in ([], [{"name": "x"}] * 1001):
        assert (await web.post(JOBS + ":bulk", {"jobs": jobs}, 422))["errors"][0]["field"] == "body.jobs"
    assert await web.bed.queue("email").count() == 0


async def test_bulk_with_a_key_is_found_again(web: Web) -> None:
    body = {"jobs": [{"name": "a", "options": {"remove_on_complete": True}}, {"name": "b"}]}
    first = await web.post(JOBS + ":bulk", body, 202, **{"Idempotency-Key": "k"})
    await web.bed.queue("email").remove(first["jobs"][0]["id"])
    again = await web.post(JOBS + ":bulk", body, 202, **{"Idempotency-Key": "k"})
    assert [job["id"] for job in again["jobs"]] == [job["id"] for job in first["jobs"]]
    assert [job["state"] for job in again["jobs"]] == ["unknown", "waiting"]
    assert await web.bed.queue("email").count() == 1
    longer = {"jobs": [*body["jobs"], {"name": "c"}]}
    await web.post(JOBS + ":bulk", longer, 422, **{"Idempotency-Key": "k"})
    assert await web.bed.queue("email").count() == 1


# ---- flows -------------------------------------------------------------------------------------------------------

FLOW = {
    "queue": "reports",
    "name": "book",
    "children": [
        {"queue": "email", "name": "page", "data": {"n": 1}},
        {"queue": "email", "name": "page", "data": {"n": 2}, "options": {"delay": 60}},
    ],
}


async def test_a_flow_is_added_as_a_tree(web: Web) -> None:
    tree = await web.post("/api/flows", FLOW, 202)
    assert (tree["queue"], tree["name"], tree["state"]) == ("reports", "book", "waiting-children")
    assert [child["state"] for child in tree["children"]] == ["waiting", "delayed"]
    assert tree["url"] == f"/api/queues/reports/jobs/{tree['id']}"
    job = await web.bed.queue("reports").get_job(tree["id"])
    assert job is not None
    assert await job.get_state() == "waiting-children"


async def test_a_flow_with_a_key_is_found_again(web: Web) -> None:
    first = await web.post("/api/flows", FLOW, 202, **{"Idempotency-Key": "k"})
    assert await web.post("/api/flows", FLOW, 202, **{"Idempotency-Key": "k"}) == first
    await web.post("/api/flows", {**FLOW, "name": "other"}, 422, **{"Idempotency-Key": "k"})
    assert await web.bed.queue("email").count() == 2


async def test_a_flow_names_what_is_wrong_in_it(web: Web, guarded_web: Web) -> None:
    bad = {**FLOW, "children": [{"queue": "email", "name": "page", "options": {"lifo": 1}}]}
    refused = await web.post("/api/flows", bad, 422)
    assert refused["errors"][0]["field"] == "body.children.0.options.lifo"
    theirs = await guarded_web.as_("only-email").post("/api/flows", json=FLOW)
    assert theirs.status_code == 403
    assert await web.bed.queue("email").count() == 0


async def test_the_tasks_of_a_flow_are_checked(shop: Web) -> None:
    flow = {**FLOW, "children": [{"queue": "email", "name": "greet", "data": {"name": 1}}]}
    refused = await shop.post("/api/flows", flow, 422)
    assert refused["errors"][0]["field"] == "body.children.0.data.name"
