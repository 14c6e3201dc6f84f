"""The Job object that is made of a task's declaration and a queue's job, and what is refused before there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import structs

from oxmq.errors import ConfigurationError, Unrecoverable
from oxmq.executors.child_task import Reference
from oxmq.kubernetes.manifest import Work, build_job, check_server_reachable, image_of, job_variables, merge_patch
from oxmq.kubernetes.naming import Identity, identify
from oxmq.kubernetes.settings import HeavySettings
from oxmq.kubernetes.spec import Kubernetes
from tests.kubernetes.pod_environment import expand

Json = dict[str, Any]
JOB = Identity(
    owner="3f2a", prefix="bull", queue="reports", job_id="17", timestamp=1_700_000_000_000, number=2, attempt=1,
    task="monthly_report",
)  # fmt: skip
WORK = Work(identity=JOB, reference=Reference("shop.tasks", "monthly_report"), data=b'{"month":5}')
SETTINGS = HeavySettings(place="kubernetes", image="registry/app:1.4", url="redis://redis:6379/0")
SECRET = "hunter2"


def build(spec: Kubernetes | None = None, settings: HeavySettings = SETTINGS, work: Work = WORK) -> Json:
    found: Json = build_job(spec or Kubernetes(), settings, work)
    return found


def pod_of(job: Json) -> Json:
    found: Json = job["spec"]["template"]["spec"]
    return found


def container_of(job: Json) -> Json:
    containers: list[Json] = pod_of(job)["containers"]
    (found,) = containers
    return found


def variables_of(job: Json) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container_of(job)["env"] if "value" in entry}


def texts_in(value: object) -> Iterator[str]:
    """Return every text in a JSON value."""
    yield from msgspec.json.encode(value).decode().split('"')


def test_the_job_of_a_task() -> None:
    job = build(Kubernetes(cpu="500m", memory="1Gi", timeout="1m", pending_timeout=30, grace=10, ttl="5m"))
    metadata = {"labels": JOB.labels, "annotations": JOB.annotations}
    assert job == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": JOB.name, **metadata},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": 300,
            "activeDeadlineSeconds": 30 + 60 + 60,
            "template": {
                "metadata": metadata,
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 10,
                    "automountServiceAccountToken": False,
                    "containers": [
                        {
                            "name": "job",
                            "image": "registry/app:1.4",
                            "command": [
                                "python", "-m", "oxmq", "run-job", "shop.tasks:monthly_report", "--queue=reports",
                                "--job=17", "--run=2", "--patience=120",
                            ],
                            "env": [
                                {"name": "OXMQ_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                                {"name": "OXMQ_JOB_ADDED", "value": "1700000000000"},
                                {"name": "PYTHONUNBUFFERED", "value": "1"},
                                {"name": "OXMQ_URL", "value": "redis://redis:6379/0"},
                            ],
                            "resources": {
                                "requests": {"cpu": "500m", "memory": "1Gi"},
                                "limits": {"cpu": "500m", "memory": "1Gi"},
                            },
                            "terminationMessagePath": "/dev/termination-log",
                            "securityContext": {"allowPrivilegeEscalation": False},
                        }
                    ],
                },
            },
        },
    }  # fmt: skip
    assert identify(job) == JOB
    assert msgspec.json.decode(msgspec.json.encode(job)) == job


def test_the_job_of_a_program() -> None:
    job = build(Kubernetes(image="ffmpeg:7", command=["ffmpeg", "-i", "$(OXMQ_JOB_ID)"], env={"A": "b"}))
    assert container_of(job)["command"] == ["ffmpeg", "-i", "$(OXMQ_JOB_ID)"]
    assert variables_of(job) == {
        "OXMQ_QUEUE": "reports",
        "OXMQ_JOB_ID": "17",
        "OXMQ_JOB_NAME": "monthly_report",
        "OXMQ_ATTEMPT": "1",
        "OXMQ_JOB_DATA": '{"month":5}',
        "OXMQ_RESULT_FILE": "/dev/termination-log",
        "A": "b",
    }


def test_everything_that_a_task_may_say() -> None:
    spec = Kubernetes(
        image="other:2", resources={"nvidia.com/gpu": 1}, timeout=None, service_account="robot",
        image_pull_secrets=["pull"], node_selector={"disk": "ssd"}, tolerations=[{"key": "gpu", "operator": "Exists"}],
        env_from=["secret:one", "configmap:two"], env={"LEVEL": "high"}, heart_timeout="10m",
    )  # fmt: skip
    job = build(spec, structs.replace(SETTINGS, env_from=("secret:one", "secret:three"), service_account="default"))
    pod, container = pod_of(job), container_of(job)
    assert "activeDeadlineSeconds" not in job["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("robot", True)
    assert (pod["imagePullSecrets"], pod["nodeSelector"]) == ([{"name": "pull"}], {"disk": "ssd"})
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert container["image"] == "other:2"
    assert container["resources"] == {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}
    assert container["envFrom"] == [
        {"secretRef": {"name": "one"}}, {"configMapRef": {"name": "two"}}, {"secretRef": {"name": "three"}},
    ]  # fmt: skip
    assert (container["command"][-1], variables_of(job)["LEVEL"]) == ("--patience=600", "high")
    assert "OXMQ_URL" not in variables_of(job)


@pytest.mark.parametrize(
    ("given", "seconds"), [({"timeout": 0.4, "pending_timeout": 0.3}, 61), ({"timeout": "2h"}, 7_200 + 600 + 60)]
)
def test_the_cluster_stops_a_pod_later_than_the_worker_would(given: Json, seconds: int) -> None:
    assert build(Kubernetes(**given))["spec"]["activeDeadlineSeconds"] == seconds


@pytest.mark.parametrize(("grace", "seconds"), [(0, 0), (0.2, 1), (1.0, 1), ("90s", 90)])
def test_a_short_grace_is_not_none(grace: float | str, seconds: int) -> None:
    assert pod_of(build(Kubernetes(grace=grace)))["terminationGracePeriodSeconds"] == seconds


@pytest.mark.parametrize("command", [None, ["show"]])
def test_nothing_in_it_is_secret(command: list[str] | None) -> None:
    url = f"redis://user:{SECRET}@redis:6379/0"
    spec = Kubernetes(command=command, env_from=["secret:oxmq"])
    job = build(spec, structs.replace(SETTINGS, url=url))
    assert not [text for text in texts_in(job) if SECRET in text or "redis://" in text]


HARMFUL = ["$(OXMQ_QUEUE)", "$$", "$$(PATH)", "$(", "a$b", "$HOME", "`id`", "; rm -rf /", "--help", "-x", "a b", '"']


@pytest.mark.parametrize("text", HARMFUL)
def test_a_node_gives_a_program_its_job_as_it_is(text: str) -> None:
    identity = structs.replace(JOB, job_id=text, task=text, queue=text)
    data = msgspec.json.encode({"text": text})
    variables = variables_of(
        build(Kubernetes(command=["show"]), work=structs.replace(WORK, identity=identity, data=data))
    )
    seen: dict[str, str] = {}
    for name, value in variables.items():
        seen[name] = expand(value, seen)
    assert (seen["OXMQ_JOB_ID"], seen["OXMQ_JOB_NAME"], seen["OXMQ_QUEUE"]) == (text, text, text)
    assert msgspec.json.decode(seen["OXMQ_JOB_DATA"]) == {"text": text}


@pytest.mark.parametrize("text", HARMFUL)
def test_a_node_gives_a_task_its_job_as_it_is(text: str) -> None:
    job = build(work=structs.replace(WORK, identity=structs.replace(JOB, job_id=text, queue=text)))
    known = {"OXMQ_QUEUE": "wrong", "PATH": "wrong"}
    words = [expand(word, known) for word in container_of(job)["command"]]
    assert words[5:7] == [f"--queue={text}", f"--job={text}"]


def test_data_that_does_not_fit_fails_the_job_and_says_what_to_do() -> None:
    assert len(job_variables(JOB, b"x" * 102_400, "f")["OXMQ_JOB_DATA"]) == 102_400
    with pytest.raises(Unrecoverable, match=r"has 102401 bytes.*pass a reference to the data instead"):
        build(Kubernetes(command=["show"]), work=structs.replace(WORK, data=b"x" * 102_401))
    assert build(work=structs.replace(WORK, data=b"x" * 102_401))


def test_data_that_is_no_text_is_shown() -> None:
    assert job_variables(JOB, b"\xff", "f")["OXMQ_JOB_DATA"] == "\\xff"


def test_a_patch_says_what_has_no_name_here() -> None:
    toleration = {"template": {"spec": {"priorityClassName": "low", "terminationGracePeriodSeconds": None}}}
    job = build(Kubernetes(patch={"metadata": {"labels": {"team": "a"}}, "spec": toleration}))
    assert job["metadata"]["labels"] == JOB.labels | {"team": "a"}
    assert pod_of(job)["priorityClassName"] == "low"
    assert "terminationGracePeriodSeconds" not in pod_of(job)
    assert "team" not in job["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": None}, {"metadata": {"name": "mine", "labels": None, "annotations": {"oxmq.dev/number": "9"}}},
        {"metadata": {"labels": {"oxmq.dev/owner": "other"}}}, {"spec": {"backoffLimit": 6, "completions": 2}},
        {"spec": {"parallelism": 5, "template": {"metadata": {"labels": {"oxmq.dev/run": None}}}}},
        {"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}},
    ],
)  # fmt: skip
def test_no_patch_makes_a_job_that_is_not_found_again(patch: Json) -> None:
    job, plain = build(Kubernetes(patch=patch)), build()
    assert identify(job) == JOB
    assert job["metadata"]["labels"].items() >= JOB.labels.items()
    assert job["spec"]["template"]["metadata"] == plain["spec"]["template"]["metadata"]
    assert pod_of(job)["restartPolicy"] == "Never"
    assert [job["spec"][name] for name in ("backoffLimit", "completions", "parallelism")] == [0, 1, 1]


#: The examples of RFC 7396, its appendix A: target, patch, result.
PATCHES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), PATCHES)
def test_a_patch_is_laid_over_as_the_standard_says(target: Any, patch: Any, result: Any) -> None:
    before = msgspec.json.encode((target, patch))
    assert merge_patch(target, patch) == result
    assert msgspec.json.encode((target, patch)) == before


def test_an_image_must_be_named_somewhere() -> None:
    nothing = structs.replace(SETTINGS, image=None)
    assert image_of(Kubernetes(image="a:1"), SETTINGS, "t") == "a:1"
    assert image_of(Kubernetes(), SETTINGS, "t") == "registry/app:1.4"
    with pytest.raises(ConfigurationError, match=r"task 't' names no image: .*OXMQ_KUBERNETES_IMAGE"):
        image_of(Kubernetes(), nothing, "t")


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        (Kubernetes(), {"url": "redis://redis:6379/0"}),
        (Kubernetes(), {"url": "unix:///run/redis.sock"}),
        (Kubernetes(env_from=["secret:oxmq"]), {"url": None}),
        (Kubernetes(env_from=["secret:oxmq"]), {"url": f"redis://:{SECRET}@redis"}),
        (Kubernetes(), {"url": f"redis://:{SECRET}@redis", "env_from": ("secret:oxmq",)}),
        (Kubernetes(env={"OXMQ_URL": "redis://redis"}), {"url": f"redis://:{SECRET}@redis"}),
        (Kubernetes(command=["show"]), {"url": None}),
        (Kubernetes(command=["show"]), {"url": f"redis://:{SECRET}@redis"}),
    ],
)
def test_pods_that_find_redis_and_show_no_password_are_accepted(spec: Kubernetes, settings: Json) -> None:
    check_server_reachable(spec, structs.replace(SETTINGS, **settings), "report")


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (Kubernetes(), {"url": None}, "would not know where Redis is"),
        (Kubernetes(), {"url": "embedded:///var/lib/app"}, "would not know where Redis is"),
        (Kubernetes(), {"url": f"redis://:{SECRET}@redis:6379"}, "holds a password"),
        (Kubernetes(), {"url": f"redis://redis:6379/0?password={SECRET}"}, "holds a password"),
        (Kubernetes(), {"url": f"redis://redis/0?db=1&Password={SECRET}"}, "holds a password"),
        (Kubernetes(env={"OXMQ_URL": f"redis://:{SECRET}@redis"}), {}, "holds a password"),
        (
            Kubernetes(env={"OXMQ_URL": f"redis://:{SECRET}@redis"}, env_from=["secret:other"]), {"url": None},
            "holds a password",
        ),
    ],
)  # fmt: skip
def test_others_are_refused_and_told_the_way(spec: Kubernetes, settings: Json, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        check_server_reachable(spec, structs.replace(SETTINGS, **settings), "report")
    assert "'report'" in str(caught.value)
    assert "secret:NAME" in str(caught.value)
    assert SECRET not in str(caught.value)
