"""Read what ``deploy/`` says of Kubernetes: as it is written, and as Kustomize makes it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tools import setup_kustomize

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes"
EXAMPLE: Final = KUBERNETES / "overlays" / "example"

Object = dict[str, Any]


def read_yaml(path: Path) -> list[Any]:
    """Return the documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def written() -> list[Object]:
    """Return every object of the base and the components."""
    paths = sorted(path for folder in ("base", "components") for path in (KUBERNETES / folder).rglob("*.yaml"))
    return [each for path in paths if path.name != "kustomization.yaml" for each in read_yaml(path)]


def rendered() -> list[Object]:
    """Return every object of the example overlay."""
    command = setup_kustomize.command()
    assert command is not None, "there is no Kustomize; run tools/setup_kustomize.py"
    made = subprocess.run([*command, str(EXAMPLE)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def containers(objects: list[Object]) -> Iterator[tuple[str, Object, Object]]:
    """Yield each container that runs oxmq: the name of what it is in, the pod's spec, and its own."""
    for name, deployment in of_kind(objects, "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield name, pod, container
