"""What oxmq relies on in a cluster, on the fake and on a real one."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from oxmq.kubernetes import api_client
from oxmq.kubernetes.cluster import (
    OWN_POD_RIGHTS,
    RIGHTS,
    AlreadyExistsError,
    Change,
    Cluster,
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaError,
)
from tests.kubernetes.clusters import LONG, FakeStage, Object, Stage
from tests.support.waiting import eventually


def _names(items: list[Object]) -> list[str]:
    return [str(item["metadata"]["name"]) for item in items]


async def _is_gone(stage: Stage, job: str) -> bool:
    """Tell whether a Job and its pods have gone."""
    listed = await stage.cluster.list_jobs(stage.namespace, "")
    return job not in _names(listed.items) and not await stage.pods(job)


async def _changes_until(stage: Stage, version: str, last: tuple[str, str], selector: str = "") -> list[Change]:
    """Return the changes after a version up to the one of a kind and name; bookmarks say nothing here."""
    seen: list[Change] = []
    async with aclosing(stage.cluster.watch_jobs(stage.namespace, selector, version, LONG)) as changes:
        async for change in changes:
            if change.kind != "BOOKMARK":
                seen.append(change)
                if (change.kind, change.object["metadata"]["name"]) == last:
                    break
    return seen


async def test_a_created_job_is_returned_as_it_is_stored(stage: Stage) -> None:
    created = await stage.create("first", labels={"app": "tests"})
    assert created["metadata"]["namespace"] == stage.namespace
    assert created["metadata"]["labels"] == {"app": "tests"}
    assert created["spec"]["backoffLimit"] == 0
    found = await stage.cluster.get_job(stage.namespace, "first")
    assert found["metadata"]["uid"] == created["metadata"]["uid"]
    listed = await stage.cluster.list_jobs(stage.namespace, "app=tests")
    assert [item["metadata"]["uid"] for item in listed.items] == [created["metadata"]["uid"]]
    assert listed.resource_version


def test_the_client_is_a_cluster(stage: Stage) -> None:
    cluster: Cluster = stage.cluster
    assert cluster.namespace == stage.namespace
    assert "://127.0.0.1:" in cluster.address


async def test_a_name_is_taken_once(stage: Stage) -> None:
    await stage.create("first")
    with pytest.raises(AlreadyExistsError, match=r'jobs\.batch "first" already exists') as caught:
        await stage.create("first")
    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"name": "main", "command": ["true"]}, "image: Required value"),
        ({"name": "main", "image": "oxmq:test", "env": [{"name": "NUMBER", "value": 7}]}, "handled as a Job"),
    ],
    ids=["no image", "a number for a text"],
)
async def test_a_pod_that_cannot_be_is_refused(stage: Stage, container: dict[str, Any], said: str) -> None:
    manifest = stage.manifest("first")
    manifest["spec"]["template"]["spec"]["containers"] = [container]
    with pytest.raises(InvalidError, match=said):
        await stage.cluster.create_job(stage.namespace, manifest)
    assert await _is_gone(stage, "first")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {"name": "Not_A_Name"}}, "metadata.name: Invalid value"),
        ({"metadata": {"name": "n" * 64}}, "no more than 63 characters"),
        ({"metadata": {"name": "first", "labels": {"app": "not a label"}}}, "a valid label must"),
        ({"kind": "Pod"}, "Job"),
    ],
    ids=["the name", "a long name", "a label", "the kind"],
)
async def test_a_job_that_cannot_be_is_refused(stage: Stage, change: Object, said: str) -> None:
    with pytest.raises(InvalidError, match=said) as caught:
        await stage.cluster.create_job(stage.namespace, {**stage.manifest("first"), **change})
    assert caught.value.status in (400, 422)


async def test_what_is_missing_is_not_found(stage: Stage) -> None:
    cluster, namespace = stage.cluster, stage.namespace
    with pytest.raises(NotFoundError, match=r'jobs\.batch "none" not found'):
        await cluster.get_job(namespace, "none")
    with pytest.raises(NotFoundError):
        await cluster.delete_job(namespace, "none", "0000")
    with pytest.raises(NotFoundError):
        await cluster.annotate_pod(namespace, "none", {"a": "b"})
    with pytest.raises(NotFoundError):
        await cluster.read_log(namespace, "none", 10)
    with pytest.raises(NotFoundError, match='namespaces "no-such" not found'):
        await cluster.create_job("no-such", stage.manifest("first"))
    assert (await cluster.list_jobs("no-such", "")).items == []
    assert await cluster.list_pods(namespace, "job-name=none") == []
    assert await cluster.list_events(namespace, "none") == []


async def test_deleting_means_one_uid_and_takes_the_pods_along(stage: Stage) -> None:
    created = await stage.create("first")
    await stage.run("first")
    with pytest.raises(ConflictError, match="the UID in the precondition"):
        await stage.cluster.delete_job(stage.namespace, "first", "another-uid")
    assert not (await stage.cluster.get_job(stage.namespace, "first"))["metadata"].get("deletionTimestamp")
    await stage.cluster.delete_job(stage.namespace, "first", created["metadata"]["uid"])
    await eventually(lambda: _is_gone(stage, "first"), LONG, "the job or its pod is still there")
    with pytest.raises(NotFoundError):
        await stage.cluster.delete_job(stage.namespace, "first", created["metadata"]["uid"])


async def test_selectors(stage: Stage) -> None:
    await stage.create("a", labels={"app": "x"})
    await stage.create("b", labels={"app": "x", "size": "big"})
    await stage.create("c", labels={"app": "y", "size": "small"})
    expected = {
        "": ["a", "b", "c"],
        "app=x": ["a", "b"],
        "app=x,size=big": ["b"],
        "size": ["b", "c"],
        "!size": ["a"],
        "app!=x": ["c"],
        "app in (x, z),size notin (small)": ["a", "b"],
    }
    found = {
        selector: sorted(_names((await stage.cluster.list_jobs(stage.namespace, selector)).items))
        for selector in expected
    }
    assert found == expected


async def test_a_selector_that_is_none_is_refused(stage: Stage) -> None:
    with pytest.raises(InvalidError) as caught:
        await stage.cluster.list_jobs(stage.namespace, "a=b=c")
    assert caught.value.status == 400


async def test_a_list_has_all_pages(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "PAGE", 2)
    names = [f"job-{index}" for index in range(5)]
    for name in names:
        await stage.create(name)
    listed = await stage.cluster.list_jobs(stage.namespace, "")
    assert sorted(_names(listed.items)) == names
    await stage.create("later")
    changes = await _changes_until(stage, listed.resource_version, ("ADDED", "later"))
    assert "later" in [change.object["metadata"]["name"] for change in changes]


async def test_a_watch_shows_what_happens_after_a_list_in_order(stage: Stage) -> None:
    await stage.create("before", labels={"app": "x"})
    listed = await stage.cluster.list_jobs(stage.namespace, "app=x")
    uid = (await stage.create("first", labels={"app": "x"}))["metadata"]["uid"]
    await stage.create("other", labels={"app": "y"})
    await stage.create("second", labels={"app": "x"})
    await stage.cluster.delete_job(stage.namespace, "first", uid)
    changes = await _changes_until(stage, listed.resource_version, ("DELETED", "first"), "app=x")
    seen = [(change.kind, change.object["metadata"]["name"]) for change in changes]
    assert [each for each in seen if each[0] != "MODIFIED"] == [
        ("ADDED", "first"),
        ("ADDED", "second"),
        ("DELETED", "first"),
    ]
    versions = [int(change.resource_version) for change in changes]
    assert versions == sorted(versions)
    assert versions[0] > int(listed.resource_version)
    # It goes on from any of them.
    after = await _changes_until(stage, changes[0].resource_version, ("DELETED", "first"), "app=x")
    assert after == changes[1:]


async def test_a_watch_ends_when_its_time_is_over(stage: Stage) -> None:
    await stage.create("first")
    listed = await stage.cluster.list_jobs(stage.namespace, "app=none")
    changes = stage.cluster.watch_jobs(stage.namespace, "app=none", listed.resource_version, 1)
    assert {change.kind async for change in changes} <= {"BOOKMARK"}


async def test_a_watch_from_forgotten_history_has_expired(stage: Stage) -> None:
    await stage.create("first")
    listed = await stage.cluster.list_jobs(stage.namespace, "")
    await stage.compact()
    with pytest.raises(ExpiredError):
        await _changes_until(stage, listed.resource_version, ("ADDED", "none"))
    again = await stage.cluster.list_jobs(stage.namespace, "")
    await stage.create("second")
    changes = await _changes_until(stage, again.resource_version, ("ADDED", "second"))
    assert changes[-1].kind == "ADDED"


async def test_a_server_that_goes_away_is_noticed_and_found_again(stage: Stage) -> None:
    listed = await stage.cluster.list_jobs(stage.namespace, "")
    changes = stage.cluster.watch_jobs(stage.namespace, "", listed.resource_version, LONG)
    await stage.create("first")
    assert (await anext(changes)).object["metadata"]["name"] == "first"
    await stage.stop()
    with pytest.raises((StopAsyncIteration, ClusterUnavailableError)):
        while True:
            await anext(changes)
    with pytest.raises(ClusterUnavailableError) as caught:
        await stage.cluster.get_job(stage.namespace, "first")
    assert caught.value.status == 0
    await stage.start()
    # The real one refuses a little longer what it cannot yet judge.
    await eventually(lambda: _can_get(stage, "first"), LONG, "the server does not answer again")


async def _can_get(stage: Stage, job: str) -> bool:
    try:
        await stage.cluster.get_job(stage.namespace, job)
    except (ClusterUnavailableError, ForbiddenError):
        return False
    return True


async def test_a_job_that_succeeds(stage: Stage) -> None:
    created = await stage.create("first", labels={"app": "x"})
    pod = await stage.run("first")
    assert pod["metadata"]["labels"]["app"] == "x"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
    assert "running" in pod["status"]["containerStatuses"][0]["state"]
    running = (await stage.cluster.get_job(stage.namespace, "first"))["status"]
    assert running["active"] == 1
    assert running["startTime"]
    await stage.finish("first", 0)
    assert await stage.condition("first", "Complete")
    status = (await stage.cluster.get_job(stage.namespace, "first"))["status"]
    assert (status["succeeded"], status.get("active"), status.get("failed")) == (1, None, None)
    assert status["completionTime"]
    pod = await stage.pod_in("first", "Succeeded")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")


async def test_a_job_that_fails(stage: Stage) -> None:
    await stage.create("first")
    await stage.run("first")
    await stage.finish("first", 3)
    failed = await stage.condition("first", "Failed")
    assert failed["reason"] == "BackoffLimitExceeded"
    pod = await stage.pod_in("first", "Failed")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    status = (await stage.cluster.get_job(stage.namespace, "first"))["status"]
    assert (status["failed"], status.get("active")) == (1, None)


async def test_a_job_that_takes_too_long(stage: Stage) -> None:
    await stage.create("first", activeDeadlineSeconds=1)
    failed = await stage.condition("first", "Failed")
    # The controller of 1.20 may see its own killing of the pod first.
    is_early = not isinstance(stage, FakeStage) and failed["reason"] == "BackoffLimitExceeded"
    assert is_early or failed["reason"] == "DeadlineExceeded"


async def test_a_finished_job_is_removed_after_its_time(stage: Stage) -> None:
    await stage.create("first", ttlSecondsAfterFinished=0)
    await stage.run("first")
    await stage.finish("first", 0)
    await eventually(lambda: _is_gone(stage, "first"), LONG, "the job or its pod is still there")


async def test_the_end_of_a_log_is_read(stage: Stage) -> None:
    await stage.create("first")
    pod = (await stage.run("first"))["metadata"]["name"]
    assert await stage.cluster.read_log(stage.namespace, pod, 2) == "two\nthree\n"
    assert await stage.cluster.read_log(stage.namespace, pod, 100, "main") == "one\ntwo\nthree\n"
    with pytest.raises(InvalidError, match="not valid for pod"):
        await stage.cluster.read_log(stage.namespace, pod, 2, "other")


async def test_a_pod_that_waits_has_no_log_yet(stage: Stage) -> None:
    await stage.create("first", script="imagepull")
    await stage.hold_up("first")
    pod = (await stage.pods("first"))[0]
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert "oxmq:test" in waiting["message"]
    assert pod["status"]["phase"] == "Pending"
    with pytest.raises(InvalidError, match="waiting to start"):
        await stage.cluster.read_log(stage.namespace, pod["metadata"]["name"], 2)


async def test_a_pod_that_no_node_takes_says_why(stage: Stage) -> None:
    await stage.create("first", cpu="1000")
    await stage.starve("first")

    async def unscheduled() -> Object | None:
        found = [each for pod in await stage.pods("first") for each in pod["status"].get("conditions", [])]
        return next((each for each in found if each["type"] == "PodScheduled" and each["status"] == "False"), None)

    condition = await eventually(unscheduled, LONG, "the pod has a node")
    assert condition
    assert condition["reason"] == "Unschedulable"
    assert "Insufficient cpu" in condition["message"]
    pod = (await stage.pods("first"))[0]
    assert pod["status"]["phase"] == "Pending"

    async def noted() -> list[str]:
        events = await stage.cluster.list_events(stage.namespace, pod["metadata"]["name"])
        return [event["type"] for event in events if event["reason"] == "FailedScheduling"]

    assert set(await eventually(noted, LONG, "there is no event")) == {"Warning"}


async def test_a_pod_that_takes_too_much_memory(stage: Stage) -> None:
    await stage.create("first", script="oom:0.1")
    await stage.kill("first")
    pod = await stage.pod_in("first", "Failed")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert (await stage.condition("first", "Failed"))["reason"] == "BackoffLimitExceeded"


async def test_a_pod_that_is_put_out(stage: Stage) -> None:
    await stage.create("first", script="evict:0.1")
    await stage.evict("first")
    pod = await stage.pod_in("first", "Failed")
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"].startswith("The node was low on resource: memory.")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    assert (await stage.condition("first", "Failed"))["reason"] == "BackoffLimitExceeded"


async def test_events_are_those_of_one_object(stage: Stage) -> None:
    await stage.create("first")
    await stage.create("second")

    async def found() -> list[Object]:
        return await stage.cluster.list_events(stage.namespace, "first")

    events = await eventually(found, LONG, "there is no event")
    assert events[0]["reason"] == "SuccessfulCreate"
    assert events[0]["message"].startswith("Created pod: first-")
    assert {event["involvedObject"]["name"] for event in events} == {"first"}


async def test_annotations_of_a_pod_are_added(stage: Stage) -> None:
    await stage.create("first")
    pod = (await stage.run("first"))["metadata"]["name"]
    await stage.cluster.annotate_pod(stage.namespace, pod, {"oxmq.dev/cost": "7"})
    annotations = (await stage.pods("first"))[0]["metadata"]["annotations"]
    assert annotations == {"lab/script": "", "oxmq.dev/cost": "7"}


async def test_rights_are_asked_for(stage: Stage) -> None:
    rights = [*RIGHTS, *OWN_POD_RIGHTS]
    assert [await stage.cluster.is_allowed(stage.namespace, *right) for right in rights] == [True] * len(rights)
    async with stage.stranger() as stranger:
        allowed = [await stranger.is_allowed(stage.namespace, *right) for right in rights]
    assert allowed == [False] * len(rights)


async def test_without_rights_everything_is_forbidden(stage: Stage) -> None:
    async with stage.stranger() as stranger:
        with pytest.raises(ForbiddenError, match='cannot create resource "jobs" in API group "batch"') as caught:
            await stranger.create_job(stage.namespace, stage.manifest("first"))
        assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
        with pytest.raises(ForbiddenError, match='cannot list resource "pods"'):
            await stranger.list_pods(stage.namespace, "")
        with pytest.raises(ForbiddenError, match='cannot watch resource "jobs"'):
            await anext(stranger.watch_jobs(stage.namespace, "", "1", 1))


async def test_without_credentials_everything_is_forbidden(stage: Stage) -> None:
    async with stage.unknown() as unknown:
        with pytest.raises(ForbiddenError, match="Unauthorized") as caught:
            await unknown.list_jobs(stage.namespace, "")
    assert (caught.value.status, caught.value.reason) == (401, "Unauthorized")


async def test_a_quota_that_is_used_up_is_no_lack_of_rights(stage: Stage) -> None:
    await stage.set_quota(0)

    async def refusal() -> ClusterError | None:
        try:
            created = await stage.create("first")
        except ClusterError as error:
            # The real one counts first what there is, and says so.
            return error if "exceeded" in str(error) else None
        await stage.cluster.delete_job(stage.namespace, "first", created["metadata"]["uid"])
        return None

    error = await eventually(refusal, LONG, "the quota does not hold")
    assert isinstance(error, QuotaError)
    assert error.status == 403
