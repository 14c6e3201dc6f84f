"""The manifests for Kubernetes fit the code: its rights, its variables, its commands and its grace periods."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from oxmq.app import Oxmq
from oxmq.cli.target import load_app
from oxmq.cli.worker import read_address
from oxmq.kubernetes import cluster
from oxmq.kubernetes.settings import read_settings
from oxmq.web.access import Login, Token
from tests.deploy.commands import longest_end, parse
from tests.deploy.manifests import DEPLOY, EXAMPLE, Object, containers, of_kind, rendered, written

WORKERS: Final = ("oxmq-worker", "oxmq-scheduler")
#: In seconds, for which a worker goes on beside a handler that blocks its event loop.
MAX_LOOP_BLOCK: Final = 300

Rights = set[tuple[str, str, str]]


@pytest.fixture(params=[written, rendered], ids=["as written", "as rendered"])
def objects(request: pytest.FixtureRequest) -> list[Object]:
    make: Callable[[], list[Object]] = request.param
    return make()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Oxmq]:
    monkeypatch.chdir(DEPLOY / "example")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("OXMQ_URL", "redis://valkey:6379")
    yield load_app("app:app")
    sys.modules.pop("app", None)


def rights_of(objects: list[Object], account: str) -> Rights:
    """Return all that a service account may do."""
    roles = of_kind(objects, "Role")
    bound = [
        binding["roleRef"]["name"]
        for binding in of_kind(objects, "RoleBinding").values()
        if account in [subject["name"] for subject in binding["subjects"]]
    ]
    return {
        (group, resource, verb)
        for name in bound
        for rule in roles[name]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("account", "rights"),
    [
        ("oxmq-scheduler", {*cluster.RIGHTS, *cluster.OWN_POD_RIGHTS}),
        ("oxmq-worker", {*cluster.OWN_POD_RIGHTS}),
        ("oxmq-web", set[Any]()),
        ("oxmq-job", set[Any]()),
    ],
)
def test_everyone_may_do_exactly_what_the_code_asks_for(objects: list[Object], account: str, rights: Rights) -> None:
    assert account in of_kind(objects, "ServiceAccount")
    assert rights_of(objects, account) == rights
    if not rights:
        assert of_kind(objects, "ServiceAccount")[account]["automountServiceAccountToken"] is False


def test_the_commands_are_ones_of_oxmq_and_their_queues_the_applications(objects: list[Object], app: Oxmq) -> None:
    found = {name: parse(container["args"]) for name, _, container in containers(objects)}
    assert {name: options["target"] for name, options in found.items()} == dict.fromkeys(
        ("oxmq-web", *WORKERS), "app:app"
    )
    queues = [queue for name in WORKERS for queue in found[name]["queues"].split(",")]
    assert sorted(queues) == sorted(app.queue_names)


def test_a_worker_may_use_up_its_grace_period_after_its_hook(objects: list[Object]) -> None:
    for name, pod, container in containers(objects):
        if name in WORKERS:
            assert pod["terminationGracePeriodSeconds"] > longest_end(container["args"])
            assert container["lifecycle"]["preStop"]["httpGet"]["path"] == "/drain"


def test_a_worker_is_probed_where_it_answers_and_with_patience(objects: list[Object]) -> None:
    for name, _, container in containers(objects):
        if name in WORKERS:
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert read_address(parse(container["args"])["health"]) == ("0.0.0.0", ports["health"])
            live, ready = container["livenessProbe"], container["readinessProbe"]
            assert {live["httpGet"]["path"], ready["httpGet"]["path"]} == {"/health/live", "/health/ready"}
            assert live["periodSeconds"] * live["failureThreshold"] >= MAX_LOOP_BLOCK


def test_the_variables_of_heavy_jobs_are_ones_that_oxmq_reads(objects: list[Object]) -> None:
    ((_, _, container),) = [found for found in containers(objects) if found[0] == "oxmq-scheduler"]
    variables = {each["name"]: each.get("value", "oxmq") for each in container["env"]}
    settings = read_settings(variables)
    assert settings.place == "kubernetes"
    assert settings.image == container["image"]
    assert settings.namespace == "oxmq"
    assert settings.service_account in of_kind(objects, "ServiceAccount")
    assert settings.env_from == ("secret:oxmq",)


def test_nothing_runs_as_root_or_writes_to_its_image(objects: list[Object]) -> None:
    pods = [of_kind(objects, "StatefulSet")["valkey"]["spec"]["template"]["spec"]]
    pods += [pod for _, pod, _ in containers(objects)]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"memory"} <= container["resources"]["limits"].keys()


def test_valkey_keeps_what_was_acknowledged(objects: list[Object]) -> None:
    (container,) = of_kind(objects, "StatefulSet")["valkey"]["spec"]["template"]["spec"]["containers"]
    words = container["args"]
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"


def test_each_budget_leaves_somebody_at_work(objects: list[Object]) -> None:
    deployments = of_kind(objects, "Deployment")
    for name, budget in of_kind(objects, "PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == deployments[name]["spec"]["selector"]["matchLabels"]
        assert deployments[name]["spec"].get("replicas", 2) > 1


def test_the_overlay_names_its_image_and_namespace_everywhere() -> None:
    objects = rendered()
    assert {container["image"] for _, _, container in containers(objects)} == {"registry.example.com/shop:1.4"}
    assert {each["metadata"].get("namespace") for each in objects if each["kind"] != "Namespace"} == {"oxmq"}
    subjects = [each for binding in of_kind(objects, "RoleBinding").values() for each in binding["subjects"]]
    assert {subject["namespace"] for subject in subjects} == {"oxmq"}
    (trigger,) = of_kind(objects, "ScaledObject")["oxmq-worker"]["spec"]["triggers"]
    assert trigger["metadata"]["url"] == "http://oxmq-web.oxmq.svc:6967/api/load?queue=default"
    assert "replicas" not in of_kind(objects, "Deployment")["oxmq-worker"]["spec"]


def test_every_secret_that_is_asked_for_is_there() -> None:
    objects = rendered()
    secrets = of_kind(objects, "Secret")
    asked = {source["secretRef"]["name"] for _, _, each in containers(objects) for source in each["envFrom"]}
    (authentication,) = of_kind(objects, "TriggerAuthentication").values()
    (target,) = authentication["spec"]["secretTargetRef"]
    assert {*asked, target["name"]} == set(secrets)


def test_the_examples_of_secrets_are_read_and_agree() -> None:
    def variables(name: str) -> dict[str, str]:
        lines = (EXAMPLE / name).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    web = variables("web.env")
    assert Login.parse(web["OXMQ_WEB_LOGINS"]).user == "ada"
    assert Token.parse(web["OXMQ_WEB_TOKENS"]).secret == variables("load.env")["token"]
    assert variables("oxmq.env").keys() == {"OXMQ_URL"}
