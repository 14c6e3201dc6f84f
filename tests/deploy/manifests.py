"""Read what ``deploy/`` says of Kubernetes: as it is written, and as Kustomize makes it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes"
EXAMPLE: Final = KUBERNETES / "overlays" / "example"
#: What Kustomize must be able to do for the overlay: replacements that know delimiters, and components.
_LEAST_KUSTOMIZE: Final = 5

Object = dict[str, Any]


def read_yaml(path: Path) -> list[Any]:
    """Return the documents of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def written() -> list[Object]:
    """Return every object of the base and the components."""
    paths = sorted(path for folder in ("base", "components") for path in (KUBERNETES / folder).rglob("*.yaml"))
    return [each for path in paths if path.name != "kustomization.yaml" for each in read_yaml(path)]


def rendered() -> list[Object]:
    """Return every object of the example overlay; skip the test where no program can render it."""
    command = kustomize()
    if command is None:
        pytest.skip(f"neither kustomize nor kubectl with Kustomize {_LEAST_KUSTOMIZE} is on the PATH")
    made = subprocess.run([*command, str(EXAMPLE)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


@cache
def kustomize() -> tuple[str, ...] | None:
    """Return the command that renders a folder; None where this machine has none that is new enough."""
    if program := shutil.which("kustomize"):
        return (program, "build")
    program = shutil.which("kubectl")
    if program is None:
        return None
    said = subprocess.run(
        [program, "version", "--client", "--output=json"], capture_output=True, text=True, check=False
    )
    version = json.loads(said.stdout).get("kustomizeVersion", "") if said.returncode == 0 else ""
    found = re.match(r"v(\d+)\.", version)
    return (program, "kustomize") if found and int(found[1]) >= _LEAST_KUSTOMIZE else None


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def containers(objects: list[Object]) -> Iterator[tuple[str, Object, Object]]:
    """Yield each container that runs oxmq: the name of what it is in, the pod's spec, and its own."""
    for name, deployment in of_kind(objects, "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        for container in pod["containers"]:
            yield name, pod, container
