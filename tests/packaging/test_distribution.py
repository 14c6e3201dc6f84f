"""What is published: the wheel and the source distribution have what they should, and nothing besides."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email import message_from_string
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 100

#: What of the package's folder is published.
PACKAGE: Final = (
    r"py\.typed",
    r"(\w+/)*\w+\.py",
    r"scripts/\w+\.lua",
    r"scripts/lib/\w+\.lua",
    r"web/dashboard/(index\.html|source\.sha256|licenses\.txt(\.br|\.gz)?)",
    r"web/dashboard/assets/[\w-]+\.(js|css|svg)(\.br|\.gz)?",
)
#: What describes the wheel.
METADATA: Final = (r"METADATA", r"WHEEL", r"RECORD", r"entry_points\.txt", r"licenses/LICENSE")
#: What a wheel is built from, besides the package.
SOURCES: Final = (
    r"PKG-INFO|pyproject\.toml|hatch_build\.py|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE|\.gitignore",
    r"dashboard/([\w.-]+/)*[\w.-]+\.(ts|tsx|mjs|css|html|json|svg)|dashboard/\.npmrc",
)

EXTRAS: Final = {"cli", "demo", "django", "embedded", "kubernetes", "otel", "sqlalchemy", "standard", "web"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel and the source distribution, built as they are published."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, ROOT],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def wheel_in(folder: Path) -> zipfile.ZipFile:
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)


def wheel_files(folder: Path) -> set[str]:
    return set(wheel_in(folder).namelist())


def sdist_files(folder: Path) -> set[str]:
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def unexpected(files: Iterable[str], *allowed: str) -> list[str]:
    """Return the files that match none of the patterns."""
    return sorted(file for file in files if not any(re.fullmatch(pattern, file) for pattern in allowed))


def in_package() -> set[str]:
    """Return the files of the package that Git knows, relative to the package."""
    listed = subprocess.check_output(["git", "ls-files", "src/oxmq"], cwd=ROOT, text=True)
    return {line.removeprefix("src/oxmq/") for line in listed.splitlines()}


@pytest.mark.timeout(PATIENCE + 20)
def test_the_wheel_has_the_package_and_the_dashboard_and_nothing_else(built: Path) -> None:
    files = wheel_files(built)
    package = [rf"oxmq/{pattern}" for pattern in PACKAGE]
    metadata = [rf"oxmq-[\d.]+\.dist-info/{pattern}" for pattern in METADATA]
    assert unexpected(files, *package, *metadata) == []
    assert {f"oxmq/{file}" for file in in_package()} <= files
    assert {"oxmq/py.typed", "oxmq/web/dashboard/index.html", "oxmq/scripts/add.lua"} <= files


@pytest.mark.timeout(PATIENCE + 20)
def test_the_source_distribution_has_what_a_wheel_is_built_from(built: Path) -> None:
    files = sdist_files(built)
    package = [rf"src/oxmq/{pattern}" for pattern in PACKAGE]
    assert unexpected(files, *SOURCES, *package) == []
    assert {f"src/{file}" for file in wheel_files(built) if file.startswith("oxmq/")} <= files


@pytest.mark.timeout(PATIENCE + 20)
def test_nothing_of_this_machine_or_of_its_registries_is_published(built: Path) -> None:
    wheel = wheel_in(built)
    paths = (str(ROOT).encode(), f"{Path.home()}/".encode())
    for name in wheel.namelist():
        text = wheel.read(name)
        assert not any(path in text for path in paths), name
        assert re.search(rb"https?://registry\.", text) is None, name


@pytest.mark.timeout(PATIENCE + 20)
def test_the_metadata_say_what_an_index_shows(built: Path) -> None:
    wheel = wheel_in(built)
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = message_from_string(wheel.read(name).decode())
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.11")
    assert set(metadata.get_all("Provides-Extra", [])) >= EXTRAS
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *sorted(map(str, built.iterdir()))],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(name).decode())
    assert dict(entries["console_scripts"]) == {"oxmq": "oxmq.cli:main"}
    assert dict(entries["pytest11"]) == {"oxmq": "oxmq.testing.plugin"}
