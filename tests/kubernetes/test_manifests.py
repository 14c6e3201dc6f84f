"""The manifests of ``deploy/`` before a real API server: it accepts each object, and the rights do what they say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from oxmq.kubernetes import cluster
from tests.deploy.manifests import Object, of_kind, rendered, written
from tests.kubernetes.control_plane import ControlPlane
from tests.support.waiting import eventually_sync

KEDA: Final = Path(__file__).parent / "keda.yaml"
PATIENCE: Final = 30.0
RIGHTS_ARE_IN: Final = ("ServiceAccount", "Role", "RoleBinding")
NOBODYS: Final = (
    ("", "secrets", "get"),
    ("", "pods", "create"),
    ("", "pods", "delete"),
    ("", "pods/exec", "create"),
    ("batch", "jobs", "patch"),
)


@pytest.fixture(scope="module")
def keda(control_plane: ControlPlane) -> Iterator[None]:
    """Have the server know KEDA's objects."""
    applied = control_plane.kubectl("apply", "-f", str(KEDA))
    assert applied.returncode == 0, applied.stderr

    def is_served() -> bool:
        listed = control_plane.kubectl("get", "scaledobjects,triggerauthentications", "--all-namespaces")
        return listed.returncode == 0

    eventually_sync(is_served, PATIENCE, "the server does not serve KEDA's objects")
    yield
    control_plane.kubectl("delete", "-f", str(KEDA), "--wait=false")


@pytest.fixture(params=[written, rendered], ids=["as written", "as rendered"])
def objects(request: pytest.FixtureRequest, control_plane: ControlPlane, namespace: str) -> list[Object]:
    """Return the objects, moved to the test's namespace."""
    make: Callable[[], list[Object]] = request.param
    served = control_plane.kubectl("api-versions").stdout.split()
    return [in_namespace(each, namespace, served) for each in make() if each["kind"] != "Namespace"]


def in_namespace(found: Object, namespace: str, served: list[str]) -> Object:
    """Return an object as Kustomize would put it into a namespace, in a version that the server has."""
    moved = copy.deepcopy(found)
    moved["metadata"]["namespace"] = namespace
    for subject in moved.get("subjects", []):
        subject["namespace"] = namespace
    if moved["apiVersion"] == "policy/v1" and "policy/v1" not in served:
        # Of the same fields: policy/v1 came with Kubernetes 1.21.
        moved["apiVersion"] = "policy/v1beta1"
    return moved


def apply(control_plane: ControlPlane, objects: list[Object], *options: str) -> tuple[int, str]:
    """Apply objects on the server's side, and return the exit code and what was said."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    answer = control_plane.kubectl("apply", "--server-side", *options, "-f", "-", text=text)
    return answer.returncode, answer.stdout + answer.stderr


@pytest.mark.usefixtures("keda")
def test_the_server_accepts_every_object(objects: list[Object], control_plane: ControlPlane) -> None:
    code, said = apply(control_plane, objects, "--dry-run=server")
    assert code == 0, said
    assert said.count("serverside-applied (server dry run)") == len(objects)


@pytest.mark.usefixtures("keda")
@pytest.mark.parametrize(
    ("kind", "name", "spelled"),
    [("Deployment", "oxmq-worker", "replica"), ("ScaledObject", "oxmq-worker", "maxReplicas")],
)
def test_the_server_would_refuse_a_misspelled_field(
    kind: str, name: str, spelled: str, objects: list[Object], control_plane: ControlPlane
) -> None:
    found = of_kind(objects, kind)[name]
    found["spec"][spelled] = 3
    code, said = apply(control_plane, [found], "--dry-run=server")
    assert code != 0
    assert spelled in said


def test_each_account_may_do_what_the_code_asks_for_and_no_more(
    objects: list[Object], control_plane: ControlPlane, namespace: str
) -> None:
    code, said = apply(control_plane, [each for each in objects if each["kind"] in RIGHTS_ARE_IN])
    assert code == 0, said
    everything = {*cluster.RIGHTS, *cluster.OWN_POD_RIGHTS, *NOBODYS}
    expected: dict[str, set[Any]] = {
        "oxmq-scheduler": {*cluster.RIGHTS, *cluster.OWN_POD_RIGHTS},
        "oxmq-worker": {*cluster.OWN_POD_RIGHTS},
        "oxmq-web": set(),
        "oxmq-job": set(),
    }

    def found() -> dict[str, set[tuple[str, str, str]]]:
        return {
            account: {right for right in everything if may(control_plane, namespace, account, right)}
            for account in expected
        }

    # The server's authorizer hears of new roles a moment after they were made.
    eventually_sync(lambda: found() == expected, PATIENCE, f"the rights are not {expected}")


def may(control_plane: ControlPlane, namespace: str, account: str, right: tuple[str, str, str]) -> bool:
    """Ask the server whether a service account has a right."""
    group, resource, verb = right
    name, _, part = resource.partition("/")
    answer = control_plane.kubectl(
        "auth", "can-i", verb, f"{name}.{group}" if group else name, f"--subresource={part}",
        f"--as=system:serviceaccount:{namespace}:{account}", f"--namespace={namespace}",
    )  # fmt: skip
    return answer.stdout.strip() == "yes"
