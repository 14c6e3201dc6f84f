"""The Dockerfile: what it copies is there, is enough to build from, and its result is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
from dockerfile_parse import DockerfileParser

from tests.deploy.manifests import DEPLOY

ROOT: Final = DEPLOY.parent
PATIENCE: Final = 110


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile in order, without comments."""
    parser: Any = DockerfileParser(path=str(path))
    found: list[dict[str, Any]] = parser.structure
    return [(each["instruction"], each["value"]) for each in found if each["instruction"] != "COMMENT"]


def copied() -> list[str]:
    """Return what the image is built from, relative to the checkout."""
    values = [value.split() for name, value in instructions(DEPLOY / "Dockerfile") if name == "COPY"]
    return [source for words in values if not words[0].startswith("--from=") for source in words[:-1]]


def last_stage() -> dict[str, str]:
    found = instructions(DEPLOY / "Dockerfile")
    begin = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[begin:])


def test_what_is_copied_is_in_the_checkout_and_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / source).exists() for source in copied())
    assert sent == set(copied())


@pytest.mark.timeout(PATIENCE + 10)
def test_what_is_copied_is_enough_to_build_oxmq(tmp_path: Path) -> None:
    """As the image does it, but for the dashboard, whose build has tests of its own."""
    unwanted = shutil.ignore_patterns("node_modules", "__pycache__", "dashboard")
    for source in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / source, ignore=unwanted)
        else:
            shutil.copy(ROOT / source, tmp_path / source)
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path / "wheels", tmp_path],
        env={**os.environ, "OXMQ_DASHBOARD": "skip"}, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "wheels").glob("oxmq-*.whl")
    assert "oxmq/cli/program.py" in zipfile.ZipFile(wheel).namelist()


def test_the_extras_that_are_installed_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"standard", "kubernetes"} <= extras.keys()
    assert any("[standard,kubernetes]" in value for name, value in instructions(DEPLOY / "Dockerfile") if name == "RUN")


def test_the_image_runs_oxmq_and_not_as_root() -> None:
    final = last_stage()
    assert final["ENTRYPOINT"] == '["oxmq"]'
    assert final["USER"] == "10001:10001"
    assert final["STOPSIGNAL"] == "SIGTERM"


def test_an_application_is_added_by_an_image_that_keeps_all_this() -> None:
    folder = DEPLOY / "example"
    names = [name for name, _ in instructions(folder / "Dockerfile")]
    assert names == ["ARG", "FROM", "COPY"]
    assert (folder / "app.py").is_file()
