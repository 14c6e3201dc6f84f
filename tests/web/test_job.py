"""One job: what is shown of it, whatever it holds, and how it is changed."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from oxmq import Job, Queue, exponential
from tests.integration.bed import reaches
from tests.web.jobs import failed, ignore, path, start, write
from tests.web.serving import Web
from tools.setup_node import node_executable

EMAIL = "/api/queues/email"


@pytest.fixture
def queue(web: Web) -> Queue:
    return web.bed.queue("email")


# ---- what is shown ---------------------------------------------------------------------------------------------------


async def test_a_waiting_job(web: Web, queue: Queue) -> None:
    job = await queue.add(
        "send", {"to": "ada", "token": "x"}, attempts=3, backoff=exponential(2), remove_on_complete=5, priority=2
    )
    view = await web.get(path(job.id))
    assert (view["id"], view["name"], view["state"], view["priority"]) == (job.id, "send", "prioritized", 2)
    assert (view["data"], view["data_size"], view["data_truncated"]) == (
        {"to": "ada", "token": "[redacted]"}, len('{"to":"ada","token":"x"}'), False,
    )  # fmt: skip
    assert view["options"] == {
        "attempts": 3, "backoff": {"type": "exponential", "delay": 2.0}, "priority": 2, "remove_on_complete": 5,
    }  # fmt: skip
    assert "No worker" in view["why"]
    assert (
        view["result"] is view["lock"] is view["similar_failures"] is view["flow_root"] is view["fingerprint"] is None
    )
    assert (view["stacktrace"], view["logs_count"], view["stuck"]) == ([], 0, False)
    assert view["children"] == {"processed": 0, "unprocessed": 0, "failed": 0, "ignored": 0}
    assert [entry["state"] for entry in view["timeline"]] == ["prioritized"]
    assert view["version"] is None  # workers say it


async def test_an_active_job_and_its_lock(web: Web, queue: Queue, redis_client: Any) -> None:
    await queue.add("send")
    job = await start(web)
    view = await web.get(path(job.id))
    assert (view["state"], view["stuck"], view["lock"]["held"]) == ("active", False, True)
    assert 0 < view["lock"]["expires_in"] <= 30
    assert [entry["state"] for entry in view["timeline"]] == ["waiting", "active"]
    redis_client.delete(f"{web.bed.prefix}:email:{job.id}:lock")
    view = await web.get(path(job.id))
    assert (view["stuck"], view["lock"]) == (True, {"held": False, "expires_in": None})
    assert "its lock has run out" in view["why"]


async def test_a_completed_job(web: Web, queue: Queue) -> None:
    await queue.add("send", {}, delay=0.001)
    job = await asyncio.wait_for(_taken(web), 5)
    await job.move_to_completed({"ok": True, "secret": 1}, "token")
    view = await web.get(path(job.id))
    assert (view["result"], view["why"], view["state"]) == ({"ok": True, "secret": "[redacted]"}, None, "completed")
    states = [entry["state"] for entry in view["timeline"]]
    assert states == ["delayed", "waiting", "active", "completed"]
    assert [entry["at"] for entry in view["timeline"]] == sorted(entry["at"] for entry in view["timeline"])
    assert all(entry["duration"] >= 0 for entry in view["timeline"][:-1])
    assert view["run_time"] == view["timeline"][2]["duration"]


async def _taken(web: Web) -> Job[Any]:
    worker = web.bed.worker(ignore, "email")
    while (job := await worker.get_next_job("token")) is None:
        pass
    return job


async def test_a_job_that_is_tried_again(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, attempts=3, backoff=60)
    await (await start(web)).move_to_failed(ValueError("first"), "token")
    view = await web.get(path(job.id))
    assert (view["state"], view["attempts_made"], view["failed_reason"]) == ("delayed", 1, "first")
    assert view["due_at"] == view["timeline"][-1]["at"] > view["started_at"]
    assert view["timeline"][-1]["text"] == "Will be due to be tried again after 1 attempt"
    assert len(view["stacktrace"]) == 1


async def test_a_job_that_does_not_exist(web: Web) -> None:
    for suffix in ("", "/logs", "/events", "/children", "/flow"):
        problem = await web.get(path("none") + suffix, 404)
        assert problem["title"] == "Not Found"
    for action in ("retry", "promote", "cancel", "duplicate"):
        await web.post(f"{path('none')}:{action}", status=404)
    assert (await web.client.delete(path("none"))).status_code == 404
    assert (await web.client.patch(path("none"), json={"priority": 1})).status_code == 404


@pytest.mark.parametrize("name", ["email", "a/b c%2Fü"])
async def test_ids_and_names_may_be_anything(web: Web, redis_client: Any, name: str) -> None:
    for job_id in ("a/b", "100%", "%2F", "ü ñ 漢", "a?b=c", "a#b", "x:retry", "+", "a:b:c", '"', "..."):
        await live(web, redis_client, job_id, name)


async def live(web: Web, redis_client: Any, job_id: str, name: str) -> None:
    """Do with a job all that can be done by its address."""
    write(web, redis_client, job_id, queue=name)
    view = await web.get(path(job_id, name))
    assert (view["id"], view["queue"], view["state"]) == (job_id, name, "waiting")
    assert (await web.get(path(job_id, name) + "/logs"))["total"] == 0
    assert (await web.post(f"{path(job_id, name)}:cancel"))["state"] == "failed"
    assert (await web.post(f"{path(job_id, name)}:retry"))["state"] == "waiting"
    assert (await web.client.delete(path(job_id, name))).status_code == 204
    await web.get(path(job_id, name), 404)


DEEP = "[" * 1_000 + "]" * 1_000
HOSTILE = [
    "{broken", '{"password": "hush", broken', '"\\ud800"', '{"a": NaN, "b": Infinity, "password": "hush"}', DEEP,
    "[" * 90 + '{"password":"hush"}' + "]" * 90, "[" * 150 + '{"password":"hush"}' + "]" * 150, "1" * 5_000, "1e999",
    "12345678901234567890123", '"\\u0000\\u0007"', b"\xff\xfe\x00", "", "null", '{"\\ud800": 1}', '{"": {"": [""]}}',
    '{"__proto__": {"x": 1}}', '"</script><script>alert(1)</script>"',
]  # fmt: skip


async def test_whatever_is_stored_is_shown(web: Web, redis_client: Any) -> None:
    for number, stored in enumerate(HOSTILE):
        fields: dict[str, Any] = dict.fromkeys(("data", "returnvalue", "progress", "opts", "stacktrace"), stored)
        at: dict[str, Any] = {"failedReason": stored, "finishedOn": "x", "timestamp": "1e300", "parentKey": stored}
        write(web, redis_client, str(number), "failed", **at, **fields)
        answer = await web.client.get(path(str(number)))
        assert answer.status_code == 200, stored
        view = {**answer.json(), "failed_reason": "", "stacktrace": "", "parent": "", "flow_root": ""}
        assert "hush" not in json.dumps(view)
        assert (await web.client.get(path(str(number)) + "/flow")).status_code == 200
    for url in (f"{EMAIL}/failures", f"{EMAIL}/jobs?state=failed", f"{EMAIL}/jobs?state=failed&search=x data.a:1"):
        assert (await web.client.get(url)).status_code == 200
    assert (await web.get(f"{EMAIL}/jobs", state="failed", limit=100))["total"] == len(HOSTILE)


async def test_big_numbers_are_exact(web: Web, redis_client: Any) -> None:
    write(web, redis_client, "1", data='{"big":123456789012345678901234567890,"small":0.1,"whole":1.0,"negative":-0.0}')
    answer = await web.client.get(path("1"))
    assert '"data":{"big":123456789012345678901234567890,"small":0.1,"whole":1.0,"negative":-0.0}' in answer.text


async def test_large_values_are_cut(web: Web, redis_client: Any) -> None:
    large = json.dumps({"password": "hush", "lines": ["x" * 1_000] * 1_024})
    traces = json.dumps(["y" * 20_000] * 60)
    write(
        web, redis_client, "1", "failed", data=large, returnvalue=large, progress=large, opts=large, stacktrace=traces,
        failedReason="z" * 1_000_000, name="n" * 100_000,
    )  # fmt: skip
    answer = await web.client.get(path("1"))
    view = answer.json()
    assert len(answer.content) < 1_500_000
    assert (view["data_truncated"], view["data_size"]) == (True, len(large))
    assert view["data"].startswith('{"password":"[redacted]","lines":["xxx')
    assert len((await web.client.get(f"{EMAIL}/jobs?state=failed")).content) < 100_000


async def test_the_largest_values_that_are_shown_whole(web: Web, redis_client: Any) -> None:
    whole = json.dumps({"x": '\\"' * (64 * 1024 - 10)})
    fields = dict.fromkeys(("data", "returnvalue"), whole)
    write(web, redis_client, "1", "failed", stacktrace=json.dumps(["\0" * 16_000] * 50), **fields)
    answer = await web.client.get(path("1"))
    assert (answer.json()["data_truncated"], answer.json()["data"]) == (False, json.loads(whole))
    assert len(answer.content) < 2_000_000


# ---- source text -----------------------------------------------------------------------------------------------------

TRICKY = {
    "quotes": 'it\'s "so" `here` ${x} \\ \n \u2028 </script>',
    "none": None,
    "flags": [True, False],
    "numbers": [1, -0.5, 10**25],
    "__proto__": {"x": 1},
    "ünïcode 漢": "😀",
}


async def test_the_call_in_python_is_python(web: Web, queue: Queue) -> None:
    job = await queue.add('it\'s "me"', TRICKY, attempts=3, backoff=exponential(2, jitter=0.5), remove_on_fail=True)
    source = (await web.get(path(job.id)))["python_call"]
    compile(source, "call", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    tree = ast.parse(source.split("await ")[1], mode="eval").body
    assert isinstance(tree, ast.Call)
    assert [ast.literal_eval(argument) for argument in tree.args] == ['it\'s "me"', TRICKY]
    assert source.startswith("from oxmq import Queue, exponential\n")
    assert f"Queue('email', prefix='{web.bed.prefix}')" in source
    assert source.endswith("attempts=3, backoff=exponential(2, jitter=0.5), remove_on_fail=True)\n")


async def test_the_call_in_javascript_is_javascript(web: Web, queue: Queue, tmp_path: Path) -> None:
    job = await queue.add('it\'s "me"', TRICKY, attempts=3, keep_logs=5)
    source = (await web.get(path(job.id)))["node_call"]
    program = tmp_path / "call.mjs"
    program.write_text(
        source.replace('import { Queue } from "bullmq";', "class Queue { constructor(...a) { this.a = a }\n"
                       "  add(...b) { console.log(JSON.stringify([this.a, b], (k, v) => v)) } }")
    )  # fmt: skip
    ran = subprocess.run([node_executable(), program], capture_output=True, check=True, timeout=20)
    place, (name, data, options) = json.loads(ran.stdout)
    assert place == ["email", {"prefix": web.bed.prefix}]
    assert (name, options) == ('it\'s "me"', {"attempts": 3, "keepLogs": 5})
    assert {**data, "numbers": None} == {**TRICKY, "numbers": None}


async def test_large_data_is_no_part_of_a_call(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {"text": "x" * 100_000})
    assert "[100011 bytes of data: too large to be shown]" in (await web.get(path(job.id)))["python_call"]


# ---- changes ---------------------------------------------------------------------------------------------------------


async def test_retry_with_edited_data_keeps_what_was_redacted(web: Web, queue: Queue) -> None:
    job_id = await failed(web, queue, {"to": "ada", "password": "hush", "list": [{"token": "t"}]})
    edited = {"to": "bob", "password": "[redacted]", "list": [{"token": "[redacted]"}]}
    view = await web.post(f"{path(job_id)}:retry", {"data": edited})
    assert (view["state"], view["data"]["to"], view["failed_reason"]) == ("waiting", "bob", None)
    job = await queue.get_job(job_id)
    assert job is not None
    assert job.data == {"to": "bob", "password": "hush", "list": [{"token": "t"}]}


async def test_broken_data_can_be_replaced(web: Web, redis_client: Any) -> None:
    write(web, redis_client, "1", "failed", data="{broken")
    problem = await web.post(f"{path('1')}:duplicate", status=422)
    assert "no JSON" in problem["detail"]
    assert (await web.post(f"{path('1')}:retry", {"data": {"a": 1}}))["data"] == {"a": 1}


async def test_retry_without_a_body(web: Web, queue: Queue) -> None:
    job_id = await failed(web, queue, {"to": "ada"})
    answer = await web.client.post(f"{path(job_id)}:retry")
    assert (answer.status_code, answer.json()["state"], answer.json()["data"]) == (200, "waiting", {"to": "ada"})


async def test_a_completed_job_is_run_again(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    await (await start(web)).move_to_completed(1, "token")
    assert (await web.post(f"{path(job.id)}:retry", {"data": None}))["data"] is None


async def test_the_state_that_forbids_something_is_told(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {"n": 1})
    problem = await web.post(f"{path(job.id)}:retry", {"data": {"n": 2}}, 409)
    assert (problem["state"], problem["title"]) == ("waiting", "Conflict")
    assert (await web.get(path(job.id)))["data"] == {"n": 1}
    assert (await web.post(f"{path(job.id)}:promote", status=409))["state"] == "waiting"
    assert (await web.client.patch(path(job.id), json={"delay": 5})).json()["state"] == "waiting"
    await start(web)
    answer = await web.client.delete(path(job.id))
    assert (answer.status_code, answer.json()["state"]) == (409, "active")
    assert (await web.client.patch(path(job.id), json={"data": 1})).status_code == 409
    done = await failed(web, queue)
    assert (await web.post(f"{path(done)}:cancel", status=409))["state"] == "failed"


async def test_promote(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, delay=60)
    assert (await web.post(f"{path(job.id)}:promote"))["state"] == "waiting"


async def test_cancel(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    view = await web.post(f"{path(job.id)}:cancel", {"reason": "not needed"})
    assert (view["state"], view["failed_reason"]) == ("failed", "not needed")


async def test_a_job_that_is_gone_when_it_is_done(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, remove_on_fail=True)
    answer = await web.client.post(f"{path(job.id)}:cancel", json={})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_running_job_is_stopped(web: Web, queue: Queue) -> None:
    async def process(job: Job[Any]) -> None:
        await asyncio.Event().wait()

    job = await queue.add("send")
    web.bed.working(process, "email")
    await reaches(job, "active")
    assert (await web.post(f"{path(job.id)}:cancel"))["state"] in ("active", "failed")
    await reaches(job, "failed")


async def test_a_waiting_job_is_changed(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {"a": 1, "secret": "s"}, delay=60)
    change = {"data": {"a": 2, "secret": "[redacted]"}, "priority": 3, "delay": "2h"}
    answer = await web.client.patch(path(job.id), json=change)
    view = answer.json()
    assert (answer.status_code, view["data"]["a"], view["priority"], view["delay"]) == (200, 2, 3, 7200)
    await job.refresh()
    assert job.data == {"a": 2, "secret": "s"}


async def test_changes_are_checked(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, delay=60)
    wrong: list[Any] = [
        {"priority": -1}, {"priority": 2**21}, {"delay": "soon"}, {"delay": -1}, {"colour": "red"}, [1], "x",
    ]  # fmt: skip
    for body in wrong:
        answer = await web.client.patch(path(job.id), json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_data_that_cannot_be_stored_is_refused(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {"n": 1}, delay=60)
    headers = {"Content-Type": "application/json"}
    for text in ('{"data": NaN}', '{"data": "\\ud800"}', '{"data": ' + "[" * 5_000 + "]" * 5_000 + "}"):
        answer = await web.client.patch(path(job.id), content=text, headers=headers)
        assert answer.status_code in (400, 422)
    assert (await web.get(path(job.id)))["data"] == {"n": 1}


async def test_delete_takes_the_children_along(web: Web, queue: Queue) -> None:
    parent = await queue.add("parent", {}, delay=60)
    await queue.add("child", {}, parent=parent)
    assert (await web.client.delete(path(parent.id))).status_code == 204
    assert await queue.count() == 0


async def test_duplicate(web: Web, queue: Queue) -> None:
    data = {"to": "ada", "password": "hush"}
    first = await queue.add("send", data, job_id="mine", delay=60, attempts=4, priority=2, deduplication="d")
    answer = await web.client.post(
        f"{path(first.id)}:duplicate", json={"data": {"to": "bob", "password": "[redacted]"}}
    )
    added = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, added["url"])
    assert (added["state"], added["queue"]) == ("prioritized", "email")
    job = await queue.get_job(added["id"])
    assert job is not None
    assert (job.name, job.data) == ("send", {"to": "bob", "password": "hush"})
    assert (job.options.attempts, job.delay, job.deduplication_id) == (4, 0, None)


async def test_roles(guarded_web: Web) -> None:
    queue = guarded_web.bed.queue("email")
    job = await queue.add("send", {}, delay=60)
    for who, status in (("viewer", 403), ("operator", 403), ("admin", 204)):
        assert (await guarded_web.as_(who).get(path(job.id))).status_code == 200
        assert (await guarded_web.as_(who).delete(path(job.id))).status_code == status
    job = await queue.add("send", {}, delay=60)
    for action in ("retry", "promote", "cancel", "duplicate"):
        assert (await guarded_web.as_("viewer").post(f"{path(job.id)}:{action}", json={})).status_code == 403
    assert (await guarded_web.as_("viewer").patch(path(job.id), json={"priority": 1})).status_code == 403
    assert (await guarded_web.as_("operator").post(f"{path(job.id)}:promote", json={})).status_code == 200
    other = guarded_web.bed.queue("other")
    strange = await other.add("send")
    for suffix in ("", "/logs", "/events", "/flow", "/children"):
        assert (await guarded_web.as_("only-email").get(path(strange.id, "other") + suffix)).status_code == 403


async def test_changes_are_audited(web: Web, queue: Queue, redis_client: Any) -> None:
    job_id = await failed(web, queue, {})
    await web.post(f"{path(job_id)}:retry")
    await web.post(f"{path(job_id)}:promote", status=409)
    entries = [entry for _, entry in redis_client.xrange(f"{web.bed.prefix}:oxmq-audit")]
    assert [(entry["action"], entry["scope"]) for entry in entries] == [
        ("retry", f"job {job_id}"), ("promote", f"job {job_id}"),
    ]  # fmt: skip
    assert entries[0]["result"] == "done"
    assert "JobStateError" in entries[1]["result"]


# ---- logs and events -------------------------------------------------------------------------------------------------


async def test_the_log_comes_in_pages(web: Web, queue: Queue, redis_client: Any) -> None:
    job = await queue.add("send")
    for number in range(5):
        await job.log(f"line {number}")
    redis_client.rpush(f"{web.bed.prefix}:email:{job.id}:logs", b"\xff", "x" * 100_000)
    first = await web.get(f"{path(job.id)}/logs", limit=4)
    assert (first["lines"], first["total"]) == ([f"line {number}" for number in range(4)], 7)
    rest = await web.get(f"{path(job.id)}/logs", limit=4, cursor=first["cursor"])
    assert (rest["lines"][:2], rest["cursor"]) == (["line 4", "\\xff"], None)
    assert len(rest["lines"][2]) < 10_000
    for _ in range(60):
        await job.log("y" * 8_000)
    page = await web.get(f"{path(job.id)}/logs", cursor="7")
    assert 20 < len(page["lines"]) < 60
    assert page["cursor"] == str(7 + len(page["lines"]))
    await web.get(f"{path(job.id)}/logs", 422, cursor="x")


async def test_events_of_a_job_are_listed(web: Web, queue: Queue) -> None:
    for _ in range(30):
        await queue.add("other")
    job = await queue.add("send", {}, lifo=True)
    running = await start(web)
    await running.update_progress({"done": 1, "token": "x"})
    await running.move_to_completed({"password": "hush"}, "token")
    page = await web.get(f"{path(job.id)}/events")
    assert [event["name"] for event in page["events"]] == ["added", "waiting", "active", "progress", "completed"]
    assert page["events"][-2]["fields"] == {"data": {"done": 1, "token": "[redacted]"}}
    assert "hush" not in json.dumps(page)
    first = await web.get(f"{path(job.id)}/events", limit=1)
    rest = await web.get(f"{path(job.id)}/events", cursor=first["cursor"])
    assert first["events"] + rest["events"] == page["events"]
    await web.get(f"{path(job.id)}/events", 422, cursor="x")


# ---- the sizes of answers --------------------------------------------------------------------------------------------


async def test_no_list_grows_with_what_is_in_the_jobs(web: Web, redis_client: Any) -> None:
    large = json.dumps({"k" * 100_000: ["x" * 1_000] * 200})
    for number in range(100):
        write(web, redis_client, str(number), data=large, progress=large, opts=large, failedReason=large, rjk=large)
    for url in (f"{EMAIL}/jobs?state=waiting&limit=100", f"{EMAIL}/suggestions?state=waiting"):
        answer = await web.client.get(url)
        assert answer.status_code == 200
        assert len(answer.content) < 400_000
