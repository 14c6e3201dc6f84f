"""The client, when the server or the network does what a real one seldom does: against the fake."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from oxmq.errors import ConfigurationError
from oxmq.kubernetes import api_client
from oxmq.kubernetes.api_client import ApiCluster, connect
from oxmq.kubernetes.cluster import (
    RIGHTS,
    AlreadyExistsError,
    Change,
    ClusterError,
    ClusterUnavailableError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    QuotaError,
)
from tests.kubernetes.certificates import Authority
from tests.kubernetes.clusters import LONG
from tests.kubernetes.fake_cluster import ADMIN_TOKEN, CUT, FakeCluster
from tests.support.waiting import eventually

#: Seconds for a request, where a test waits for them to pass.
SHORT = 0.3


def _manifest(name: str = "first") -> dict[str, Any]:
    container = {"name": "main", "image": "oxmq:test"}
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}, "backoffLimit": 0}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeCluster]:
    """Run a fake."""
    async with FakeCluster() as running:
        yield running


@pytest_asyncio.fixture
async def cluster(fake: FakeCluster, tmp_path: Path) -> AsyncIterator[ApiCluster]:
    """Connect to it."""
    connected = await connect({"KUBECONFIG": str(fake.kubeconfig(tmp_path / "config"))}, deadline=LONG)
    yield connected
    await connected.close()


@pytest_asyncio.fixture
async def hasty(fake: FakeCluster, tmp_path: Path) -> AsyncIterator[ApiCluster]:
    """Connect to it with a short deadline."""
    connected = await connect({"KUBECONFIG": str(fake.kubeconfig(tmp_path / "hasty"))}, deadline=SHORT)
    yield connected
    await connected.close()


@pytest.mark.parametrize(
    ("status", "message", "reason", "kind"),
    [
        (400, "unknown field", "BadRequest", InvalidError),
        (401, "Unauthorized", "Unauthorized", ForbiddenError),
        (403, "exceeded quota: q, requested: pods=1", "Forbidden", QuotaError),
        (403, "status unknown for quota: q, resources: pods", "Forbidden", QuotaError),
        (403, "failed quota: q: must specify limits.cpu", "Forbidden", ForbiddenError),
        (405, "not here", "MethodNotAllowed", InvalidError),
        (408, "too slow", "Timeout", ClusterUnavailableError),
        (409, "there is one", "AlreadyExists", AlreadyExistsError),
        (409, 'Operation cannot be fulfilled on resourcequotas "q"', "Conflict", ClusterUnavailableError),
        (410, "too old", "Gone", ExpiredError),
        (413, "too large", "RequestEntityTooLarge", InvalidError),
        (422, "no such field", "Invalid", InvalidError),
        (500, "etcdserver: request timed out", "InternalError", ClusterUnavailableError),
        (503, "shutting down", "ServiceUnavailable", ClusterUnavailableError),
        (599, "odd", "Odd", ClusterUnavailableError),
    ],
)
async def test_what_a_refusal_means(
    fake: FakeCluster, cluster: ApiCluster, status: int, message: str, reason: str, kind: type[ClusterError]
) -> None:
    fake.fail_next("create", status=status, message=message, reason=reason)
    with pytest.raises(kind) as caught:
        await cluster.create_job("default", _manifest())
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.status, caught.value.reason) == (message, status, reason)
    assert not fake.store.listed("jobs")


async def test_a_server_that_asks_for_time_says_how_much(fake: FakeCluster, cluster: ApiCluster) -> None:
    fake.fail_next("create", status=429, message="too many requests", retry_after=7)
    with pytest.raises(ClusterUnavailableError, match="too many requests") as caught:
        await cluster.create_job("default", _manifest())
    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)
    fake.fail_next("create", status=503)
    with pytest.raises(ClusterUnavailableError) as caught:
        await cluster.create_job("default", _manifest())
    assert caught.value.retry_after is None
    assert await cluster.create_job("default", _manifest())


async def test_a_long_message_is_cut(fake: FakeCluster, cluster: ApiCluster) -> None:
    fake.fail_next("get", status=422, message="x" * 5000)
    with pytest.raises(InvalidError) as caught:
        await cluster.get_job("default", "first")
    assert str(caught.value) == "x" * 1000


async def test_a_lost_reply_leaves_the_job(fake: FakeCluster, cluster: ApiCluster) -> None:
    fake.lose_reply_of_next("create")
    with pytest.raises(ClusterUnavailableError) as caught:
        await cluster.create_job("default", _manifest())
    assert caught.value.status == 0
    assert fake.job("first")
    with pytest.raises(AlreadyExistsError):
        await cluster.create_job("default", _manifest())
    assert [request.verb for request in fake.requests] == ["create", "create"]


async def test_a_lost_request_leaves_nothing(fake: FakeCluster, cluster: ApiCluster) -> None:
    fake.fail_next("create", status=CUT)
    with pytest.raises(ClusterUnavailableError, match="cannot be asked"):
        await cluster.create_job("default", _manifest())
    assert not fake.store.listed("jobs")


async def test_a_server_that_hangs_is_given_up(fake: FakeCluster, hasty: ApiCluster) -> None:
    fake.freeze()
    with pytest.raises(ClusterUnavailableError, match="did not answer in time"):
        await hasty.get_job("default", "first")
    with pytest.raises(ClusterUnavailableError, match="did not answer in time"):
        await anext(hasty.watch_jobs("default", "", "1", 60))
    fake.thaw()


async def test_an_answer_that_is_none(fake: FakeCluster, cluster: ApiCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(*_: object) -> list[str]:
        return ["<html>"]

    monkeypatch.setattr(fake, "_look", page)
    for ask in (cluster.get_job("default", "first"), cluster.list_jobs("default", "")):
        with pytest.raises(ClusterUnavailableError, match="gave an answer that is none"):
            await ask


async def test_a_list_whose_pages_expire_starts_anew(
    fake: FakeCluster, cluster: ApiCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "PAGE", 2)
    for index in range(5):
        await cluster.create_job("default", _manifest(f"job-{index}"))
    fake.lose_next_pages()
    listed = await cluster.list_jobs("default", "")
    assert len(listed.items) == 5
    assert [request.verb for request in fake.requests].count("list") == 3
    assert listed.resource_version == str(fake.store.version)


async def test_a_watch_that_is_cut_says_so(fake: FakeCluster, cluster: ApiCluster) -> None:
    changes = cluster.watch_jobs("default", "", str(fake.store.version), 60)
    await cluster.create_job("default", _manifest())
    assert (await anext(changes)).kind == "ADDED"
    assert (await anext(changes)).kind == "MODIFIED"
    fake.cut_watches()
    with pytest.raises(ClusterUnavailableError, match="cannot be asked"):
        await anext(changes)


async def test_a_watch_over_a_dead_connection_is_noticed(fake: FakeCluster, hasty: ApiCluster) -> None:
    waiting = asyncio.ensure_future(anext(hasty.watch_jobs("default", "", str(fake.store.version), 1)))
    await eventually(lambda: fake.watches or waiting.done(), LONG)
    fake.silence_watches()
    fake.keep_job("default", _manifest())
    # On a machine that is busy enough, even the beginning of the answer is late.
    with pytest.raises(ClusterUnavailableError, match=r"silent for too long|did not answer in time"):
        await waiting


async def test_bookmarks_carry_the_version_on(fake: FakeCluster, cluster: ApiCluster) -> None:
    async with aclosing(cluster.watch_jobs("default", "app=none", str(fake.store.version), 60)) as changes:
        fake.keep_job("default", _manifest())
        bookmark = await _bookmarked(fake, changes)
    assert bookmark.resource_version == str(fake.store.version)


async def _bookmarked(fake: FakeCluster, changes: AsyncGenerator[Change]) -> Change:
    """Ask for bookmarks as soon as the watch is open, and return the first."""
    waiting = asyncio.ensure_future(anext(changes))
    await eventually(lambda: fake.watches, LONG)
    fake.bookmark_watches()
    change = await waiting
    assert change.kind == "BOOKMARK"
    return change


async def test_a_watch_may_be_refused(fake: FakeCluster, cluster: ApiCluster) -> None:
    fake.fail_next("watch", status=410, reason="Expired", message="too old resource version")
    with pytest.raises(ExpiredError):
        await anext(cluster.watch_jobs("default", "", "1", 60))
    fake.fail_next("watch", status=429, retry_after=2)
    with pytest.raises(ClusterUnavailableError) as caught:
        await anext(cluster.watch_jobs("default", "", "1", 60))
    assert caught.value.retry_after == 2


async def test_leaving_a_watch_closes_its_connection(fake: FakeCluster, cluster: ApiCluster) -> None:
    async with aclosing(cluster.watch_jobs("default", "", str(fake.store.version), 60)) as changes:
        fake.keep_job("default", _manifest())
        await anext(changes)
        assert fake.watches == 1
    await eventually(lambda: not fake.watches)


async def test_a_closed_client_says_so(fake: FakeCluster, cluster: ApiCluster) -> None:
    changes = cluster.watch_jobs("default", "", str(fake.store.version), 60)
    fake.keep_job("default", _manifest())
    await anext(changes)
    await anext(changes)
    await cluster.close()
    with pytest.raises((ClusterUnavailableError, StopAsyncIteration)):
        await anext(changes)
    with pytest.raises(ClusterUnavailableError, match="closed"):
        await cluster.get_job("default", "first")
    await cluster.close()


async def test_a_disruption_uses_up_an_attempt_unless_the_job_says_otherwise(
    fake: FakeCluster, cluster: ApiCluster
) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    tolerant = _manifest("tolerant")
    tolerant["spec"]["podFailurePolicy"] = {"rules": [rule]}
    for manifest in (tolerant, _manifest("strict")):
        await cluster.create_job("default", manifest)
        fake.set_running(manifest["metadata"]["name"])
        fake.disrupt(manifest["metadata"]["name"])
    assert not (await cluster.get_job("default", "tolerant"))["status"].get("conditions")
    assert len(await cluster.list_pods("default", "job-name=tolerant")) == 2
    assert (await cluster.get_job("default", "strict"))["status"]["failed"] == 1


async def test_of_several_containers_one_is_named(fake: FakeCluster, cluster: ApiCluster) -> None:
    manifest = _manifest()
    manifest["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "proxy"})
    await cluster.create_job("default", manifest)
    fake.set_running("first")
    fake.set_log("first", "a\nb\n")
    pod = fake.pod("first")["metadata"]["name"]
    with pytest.raises(InvalidError, match="a container name must be specified"):
        await cluster.read_log("default", pod, 1)
    assert await cluster.read_log("default", pod, 1, "main") == "b\n"


async def test_a_log_is_cut_to_its_end(fake: FakeCluster, cluster: ApiCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "LONGEST_LOG", 4)
    await cluster.create_job("default", _manifest())
    fake.set_running("first")
    fake.set_log("first", "äöü")
    assert await cluster.read_log("default", fake.pod("first")["metadata"]["name"], 10) == "äö"


async def test_credentials_that_were_replaced_are_taken_up(fake: FakeCluster, tmp_path: Path) -> None:
    config = fake.kubeconfig(tmp_path / "config", token="old")
    fake.add_user("old", RIGHTS)
    cluster = await connect({"KUBECONFIG": str(config)}, deadline=LONG)
    await cluster.list_jobs("default", "")
    fake.remove_user("old")
    fake.add_user("new", RIGHTS)
    fake.kubeconfig(config, token="new")
    await cluster.list_jobs("default", "")
    # What is refused for good costs no second look at once.
    fake.remove_user("new")
    before = len(fake.requests)
    for _ in range(3):
        with pytest.raises(ForbiddenError, match="Unauthorized"):
            await cluster.list_jobs("default", "")
    assert len(fake.requests) == before + 3
    await cluster.close()


def _account(folder: Path, authority: Path, token: str) -> Path:
    """Write what a pod finds of its service account."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    (folder / "namespace").write_text("jobs")
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    return folder


async def test_a_pod_uses_its_service_account_and_every_newer_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeCluster(authority.server()))
        account = _account(tmp_path / "account", authority.certificate, "first")
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(fake.port)}
        cluster = await connect(environment, deadline=LONG, account=account)
        stack.push_async_callback(cluster.close)
        assert (cluster.address, cluster.namespace) == (fake.address, "jobs")
        fake.add_user("first", RIGHTS)
        await cluster.list_jobs("jobs", "")
        # The token is replaced, and the old one works for a while: the library reads the file again in time.
        fake.add_user("second", RIGHTS)
        _account(account, authority.certificate, "second")
        monkeypatch.setattr("kubernetes_asyncio.config.incluster_config.TOKEN_REFRESH_PERIOD", timedelta(0))
        another = await connect(environment, deadline=LONG, account=account)
        stack.push_async_callback(another.close)
        await another.list_jobs("jobs", "")
        fake.add_user("third", RIGHTS)
        _account(account, authority.certificate, "third")
        await another.list_jobs("jobs", "")
        assert [request.token for request in fake.requests] == ["first", "second", "third"]
        # Whatever has become of the old one, the client finds the newest.
        fake.remove_user("first")
        await cluster.list_jobs("jobs", "")
        assert [request.token for request in fake.requests[3:]] == ["first", "third"]


async def test_a_server_that_is_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    async with FakeCluster(theirs.server()) as fake:
        account = _account(tmp_path / "account", ours.certificate, ADMIN_TOKEN)
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(fake.port)}
        cluster = await connect(environment, deadline=LONG, account=account)
        with pytest.raises(ClusterUnavailableError, match="certificate verify failed"):
            await cluster.list_jobs("jobs", "")
        assert not fake.requests
        await cluster.close()


@pytest.mark.parametrize(
    "content",
    ["", "{", "null", "[]", "clusters: 7", "current-context: none\ncontexts: []\nclusters: []\nusers: []"],
)
async def test_a_broken_kubeconfig_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"the kubeconfig {path} cannot be used"):
        await connect({"KUBECONFIG": str(path)})


async def test_a_certificate_that_is_none_is_named(fake: FakeCluster, tmp_path: Path) -> None:
    path = fake.kubeconfig(tmp_path / "config")
    config = json.loads(path.read_text())
    (tmp_path / "ca").write_text("no certificate")
    config["clusters"][0]["cluster"] = {"server": "https://127.0.0.1:1", "certificate-authority": "ca"}
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigurationError, match="certificates cannot be used"):
        await connect({"KUBECONFIG": str(path)})


async def test_without_a_kubeconfig_there_is_no_cluster(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    with pytest.raises(ConfigurationError, match=f"no cluster is configured: .* no kubeconfig at {missing}"):
        await connect({"KUBECONFIG": str(missing)})


async def test_the_first_kubeconfig_that_is_there_is_used(fake: FakeCluster, tmp_path: Path) -> None:
    config = fake.kubeconfig(tmp_path / "config", namespace="jobs")
    cluster = await connect({"KUBECONFIG": f"{tmp_path / 'none'}:{config}"})
    assert cluster.namespace == "jobs"
    await cluster.close()


async def test_a_broken_service_account_is_named(tmp_path: Path) -> None:
    account = _account(tmp_path / "account", Path("/dev/null"), "token")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    with pytest.raises(ConfigurationError, match=f"the service account in {account} cannot be used"):
        await connect(environment, account=account)


async def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "kubernetes_asyncio"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", None)
    with pytest.raises(ConfigurationError, match=r'pip install "oxmq\[kubernetes\]"'):
        await connect({})
