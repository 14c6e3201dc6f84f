"""Examine real servers, in good and in bad health."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oxmq import Job, Queue, Worker, every
from oxmq.doctor import Finding, Level, Report, examine, judge
from oxmq.doctor.facts import ServerFacts, gather_facts
from oxmq.errors import ConfigurationError, UnavailableError
from oxmq.sync import Queue as SyncQueue
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.support.servers import Flavour, RedisServer, available_flavours, free_port
from tests.support.waiting import eventually, eventually_sync


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with RedisServer("valkey", appendonly="everysec") as running:
        yield running


@pytest.fixture
def server(shared: RedisServer) -> RedisServer:
    with shared.client() as client:
        client.flushall()
    return shared


async def report_on(url: str, **options: Any) -> Report:
    return await examine(Endpoint(url), **options)


def examined(url: str, **options: Any) -> Report:
    return asyncio.run(report_on(url, **options))


def facts_of(url: str) -> ServerFacts:
    async def gather() -> ServerFacts:
        runner = AsyncRunner(Endpoint(url))
        try:
            return await gather_facts(runner)
        finally:
            await runner.close()

    return asyncio.run(gather())


def about(report: Report, subject: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.subject == subject]
    return found


def oxmq(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if name != "OXMQ_URL"}
    command = [sys.executable, "-m", "oxmq", "doctor", *arguments]
    return subprocess.run(command, cwd=directory, env=outside, capture_output=True, text=True, check=False)


# ---- the server --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", available_flavours())
def test_a_server_in_good_health_has_no_findings_but_good_ones(flavour: Flavour) -> None:
    with RedisServer(flavour, appendonly="everysec") as healthy:
        report = examined(healthy.url)
    assert about(report, "server").what.lower().startswith(flavour)
    assert "a crash of the machine may lose the writes of the last 1 to 2 seconds" in about(report, "persistence").what
    assert report.level is Level.OK
    assert about(report, "queues").what == "there are none with the prefix 'bull'"


def test_the_words_on_persistence_follow_the_settings() -> None:
    with RedisServer("valkey") as server:
        nothing = about(examined(server.url), "persistence")
        with server.client() as client:
            client.config_set("save", "900 1 60 100")
            snapshots = about(examined(server.url), "persistence")
            client.config_set("appendonly", "yes")
            client.config_set("appendfsync", "always")
            # Until its first file is written the server does not even end in good order.
            eventually_sync(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 20)
            always = about(examined(server.url), "persistence")
            client.config_set("appendfsync", "no")
            sometimes = about(examined(server.url), "persistence")
    assert (nothing.level, nothing.what) == (Level.WARNING, "nothing is written to disk")
    assert "all jobs are lost" in nothing.why
    assert f"redis-cli -u {server.url}/0 CONFIG SET appendonly yes" in nothing.fix
    assert snapshots.level is Level.WARNING
    assert snapshots.what == "snapshots only (after 900 s with 1 writes, or after 60 s with 100 writes)"
    assert (always.level, "no crash loses a job" in always.what) == (Level.OK, True)
    assert sometimes.level is Level.WARNING
    assert "30 seconds" in sometimes.why


def test_replicas_are_weighed_and_a_replica_is_refused(server: RedisServer) -> None:
    with RedisServer("valkey", config={"replicaof": f"127.0.0.1 {server.port}"}) as replica:
        with server.client() as client:
            eventually_sync(lambda: client.info("replication").get("connected_slaves") == 1, 20)
        primary, secondary = examined(server.url), examined(replica.url)
    assert about(primary, "replication").level is Level.WARNING
    assert "a failover loses the writes that no replica had yet" in about(primary, "replication").why
    assert about(secondary, "role").level is Level.ERROR
    assert about(secondary, "role").fix == (f"use the address of its primary: 127.0.0.1:{server.port}",)


def test_eviction_is_an_error_and_full_memory_is_announced() -> None:
    with RedisServer("valkey", config={"maxmemory-policy": "allkeys-lru"}) as server:
        with server.client() as client:
            client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))
        report = examined(server.url)
    assert about(report, "eviction").level is Level.ERROR
    assert f"redis-cli -u {server.url}/0 CONFIG SET maxmemory-policy noeviction" in about(report, "eviction").fix
    assert about(report, "memory").level > Level.OK
    assert about(report, "memory").why == "when it is full no job can be added"


def test_what_a_server_forbids_is_said_and_the_rest_is_judged(server: RedisServer) -> None:
    with server.client() as client:
        client.acl_setuser(
            "limited", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-config", "-client"]
        )
    report = examined(f"redis://limited:pw@127.0.0.1:{server.port}")
    unread = [finding.what for finding in report.findings if finding.subject == "access"]
    assert {what.partition(" (")[0].removeprefix("could not be read: ") for what in unread} == {
        "CONFIG GET",
        "CLIENT LIST",
    }
    assert "how often it is flushed could not be read" in about(report, "persistence").what
    assert about(report, "eviction").level is Level.OK
    assert "limited" not in report.address
    assert "pw" not in report.address


def test_a_server_that_tells_nothing_of_itself_is_examined_all_the_same(server: RedisServer) -> None:
    with server.client() as client:
        client.acl_setuser("blind", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-info"])
        client.hset("bull:q:meta", "paused", "1")
        client.rpush("bull:q:wait", "ghost")
    report = examined(f"redis://blind:pw@127.0.0.1:{server.port}")
    assert about(report, "server").what == "its version is not known"
    assert any("names job ghost" in finding.what for finding in report.findings)


def test_a_server_without_entry_raises(server: RedisServer) -> None:
    with pytest.raises(UnavailableError):
        examined(f"redis://nobody:wrong@127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    ("info", "subject", "level", "words"),
    [
        ({"redis_version": "6.2.14"}, "server", Level.ERROR, "Redis 6.2.14"),
        ({"redis_version": "7.0.0"}, "server", Level.OK, "Redis 7.0.0"),
        ({"redis_version": "7.4.0", "dragonfly_version": "df-v1.2.3"}, "server", Level.WARNING, "Dragonfly df-v1.2.3"),
        ({"redis_version": "7.2.10"}, "security", Level.WARNING, "Redis 7.2.10 has CVE-2025-49844"),
        ({"redis_version": "8.6.2"}, "security", Level.WARNING, "Redis 8.6.2 has CVE-2026-23479"),
        ({"server_name": "valkey", "valkey_version": "8.1.3"}, "security", Level.WARNING, "Valkey 8.1.3 has"),
        ({"redis_version": "7.4.6", "redis_mode": "sentinel"}, "role", Level.ERROR, "Sentinel"),
        ({"redis_version": "7.4.6", "redis_mode": "cluster"}, "role", Level.WARNING, "cluster"),
        ({"aof_enabled": "1", "aof_last_write_status": "err"}, "persistence", Level.ERROR, "the last write"),
        ({"connected_clients": "96", "maxclients": "100"}, "clients", Level.ERROR, "96 connected"),
    ],
)  # fmt: skip
def test_what_other_servers_say_of_themselves_is_judged(
    info: dict[str, str], subject: str, level: Level, words: str
) -> None:
    facts = ServerFacts(
        address="redis://there", info=info, config={}, unread=(), client_names=None, trips_ms=(1.0,), ahead_s=0.0
    )
    found = [finding for finding in judge(facts) if finding.subject == subject]
    assert any(finding.level is level and words in finding.what for finding in found)


@pytest.mark.parametrize("version", ["7.2.11", "8.2.2", "8.8.0"])
def test_a_version_without_a_known_hole_is_not_warned_of(server: RedisServer, version: str) -> None:
    facts = msgspec.structs.replace(facts_of(server.url), info={"redis_version": version})
    assert not [finding for finding in judge(facts) if finding.subject == "security"]


def test_a_slow_way_and_a_wrong_clock_are_told(server: RedisServer) -> None:
    facts = msgspec.structs.replace(facts_of(server.url), trips_ms=(30.0, 40.0), ahead_s=-3.5)
    found = {finding.subject: finding for finding in judge(facts)}
    assert found["latency"].level is Level.WARNING
    assert found["clock"].what == "the server's is 3500 ms behind this host's"
    assert found["clock"].level is Level.WARNING


# ---- the queues --------------------------------------------------------------------------------------------------


def test_broken_queues_are_found_among_other_keys_and_whole_ones_are_counted(server: RedisServer) -> None:
    with SyncQueue("whole", server.url) as queue:
        queue.add_bulk([("n", {}) for _ in range(30)])
    with SyncQueue("broken", server.url) as queue:
        job = queue.add("n", {}, delay=60)
    with server.client() as client:
        client.zadd("bull:broken:completed", {job.id: 1})
        client.set("bull:broken:limiter", 1)
        client.mset({"bull:x": 1, "bull:no:queue": 1, "cache:1": 1, "other:broken:wait": 1})
    report = examined(server.url)
    assert report.level is Level.ERROR
    broken = [finding for finding in report.findings if finding.subject == "queue broken"]
    assert {finding.why for finding in broken if finding.level is Level.ERROR} == {
        "rule K1 of the keyspace", "rule K15 of the keyspace",
    }  # fmt: skip
    whole = [finding for finding in report.findings if finding.subject == "queue whole"]
    assert [finding.level for finding in whole] == [Level.OK, Level.WARNING]
    assert "(30 wait); no rule of the keyspace is broken" in whole[0].what
    assert whole[1].what == "30 unfinished jobs and no worker is connected"
    assert not [finding for finding in report.findings if finding.subject in ("queue no", "queue x")]


def test_repeatable_jobs_of_an_older_kind_are_reported_and_schedulers_are_not(server: RedisServer) -> None:
    with SyncQueue("q", server.url) as queue:
        queue.upsert_job_scheduler("new", every("1h"))
    with server.client() as client:
        client.zadd("bull:q:repeat", {"job::::* * * * *": 2e12, "0f3c": 2e12})
        client.hset("bull:q:repeat:0f3c", mapping={"name": "old", "every": 1000})
    said = [finding.what for finding in examined(server.url).findings if "older kind" in finding.what]
    assert sorted(said) == [
        "'0f3c' is a repeatable job of BullMQ's older kind",
        "'job::::* * * * *' is a repeatable job of BullMQ's older kind",
    ]


def test_only_the_named_queues_of_the_named_prefix_are_examined(server: RedisServer) -> None:
    for prefix, name in (("p*", "one"), ("p*", "two"), ("pp", "one")):
        with SyncQueue(name, server.url, prefix=prefix) as queue:
            queue.pause()
    everything, one = examined(server.url, prefix="p*"), examined(server.url, prefix="p*", queues=["one"])
    two = examined(server.url, prefix="p*", queues=["one", "two"])
    assert _queues(everything) == _queues(two) == ["queue one", "queue two"]
    assert _queues(one) == ["queue one"]
    assert about(examined(server.url, queues=["three"]), "queues").what.startswith("there are none named three")
    with pytest.raises(ConfigurationError, match="queue name must not contain"):
        examined(server.url, queues=["a:b"])


def _queues(report: Report) -> list[str]:
    return [finding.subject for finding in report.findings if finding.subject.startswith("queue ")]


def test_more_keys_than_wanted_are_left_alone(server: RedisServer) -> None:
    with SyncQueue("big", server.url) as queue:
        queue.add_bulk([("n", {}) for _ in range(3000)])
    report = examined(server.url, max_keys=100)
    assert about(report, "queues").what == "there are more than 100 keys to look at"
    assert about(report, "queues").level is Level.WARNING
    with server.client() as client:
        client.flushall()
        client.rpush("bull:big:wait", *range(300))
    assert about(examined(server.url, max_keys=100), "queue big").what == "bull:big:wait has more than 100 elements"


async def test_a_queue_at_full_work_is_not_taken_for_a_broken_one(server: RedisServer) -> None:
    done = 0

    async def process(job: Job[Any]) -> str:
        nonlocal done
        await asyncio.sleep(0)
        done += 1
        return job.id

    async with Queue("busy", server.url) as queue, Worker("busy", process, server.url, concurrency=50) as worker:
        worker.start()
        for start in range(0, 6000, 1000):
            await queue.add_bulk([("n", {"i": i}) for i in range(start, start + 1000)])
            report = await report_on(server.url)
            assert [finding for finding in report.findings if finding.level is Level.ERROR] == []
            assert not [finding for finding in report.findings if "no worker is connected" in finding.what]
        await eventually(lambda: done == 6000, 30)


# ---- the command -------------------------------------------------------------------------------------------------


def test_the_command_prints_a_report_and_exits_with_0_when_there_is_no_error(
    server: RedisServer, tmp_path: Path
) -> None:
    ended = oxmq(tmp_path, "--url", server.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{server.url}/0\n")
    assert "append-only file" in ended.stdout


def test_the_command_exits_with_1_at_an_error_and_its_json_parses(server: RedisServer, tmp_path: Path) -> None:
    with server.client() as client:
        client.rpush("bull:q:active", "ghost")
    ended = oxmq(tmp_path, "--url", server.url, "--queue", "q", "--json")
    assert (ended.returncode, ended.stderr) == (1, "")
    report = json.loads(ended.stdout)
    assert report["level"] == "error"
    assert {"level": "error", "subject": "queue q"}.items() <= report["findings"][-2].items()


def test_the_command_exits_with_2_when_there_is_nothing_to_examine(tmp_path: Path) -> None:
    nowhere = oxmq(tmp_path)
    assert nowhere.returncode == 2
    assert nowhere.stderr == "Error: there is no server here: give --url, or set OXMQ_URL\n"
    unreachable = oxmq(tmp_path, "--url", f"redis://127.0.0.1:{free_port()}", "--json")
    assert unreachable.returncode == 2
    assert "cannot connect to redis://127.0.0.1" in json.loads(unreachable.stdout)["error"]
    assert unreachable.stderr.count("\n") == 1


def test_without_a_cluster_the_command_says_so_and_exits_with_1(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    ended = oxmq(tmp_path, "--url", server.url, "--kubernetes", "--json")
    assert (ended.returncode, ended.stderr) == (1, "")
    (cluster,) = [each for each in json.loads(ended.stdout)["findings"] if each["subject"] == "cluster"]
    assert (cluster["level"], cluster["what"].startswith("no cluster is configured: ")) == ("error", True)
    assert cluster["fix"]
    alone = oxmq(tmp_path, "--url", server.url, "--namespace", "jobs")
    assert (alone.returncode, alone.stderr) == (
        2, "Error: --namespace says where to look with --kubernetes: give both\n"
    )  # fmt: skip


def test_without_the_library_of_clusters_the_command_says_what_to_install(server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "kubernetes_asyncio").mkdir()
    (tmp_path / "kubernetes_asyncio" / "__init__.py").write_text("raise ImportError")
    ended = oxmq(tmp_path, "--url", server.url, "--kubernetes")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith('needs kubernetes-asyncio: pip install "oxmq[kubernetes]"\n')
