"""Get programs out of Debian's packages without root: download them, unpack them, and run them where they lie."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

#: The C library must be the one that runs already.
NOT_UNPACKED = {"libc6"}


class Archive:
    """Take packages from apt into a folder of its own.

    Every method raises `subprocess.CalledProcessError` where apt or dpkg refuses, for want of a network say.

    Args:
        folder: where everything goes; `root` in it is what would be the root of the file system.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self._options: list[str] = []

    @staticmethod
    def is_possible() -> bool:
        """Tell whether this machine has apt and dpkg."""
        return bool(shutil.which("apt-get") and shutil.which("dpkg"))

    def use_private_lists(self, *, source_packages: bool = False, release: str = "") -> None:
        """Fetch the lists of packages into the folder, for those of the machine may be missing or old.

        Args:
            source_packages: fetch the lists of source packages as well, which few machines ask for; only
                the distribution's own sources are used then.
            release: the name of another release of the distribution, whose packages are wanted instead.
        """
        for part in ("state/lists/partial", "archives/partial"):
            (self.folder / "apt" / part).mkdir(parents=True, exist_ok=True)
        self._options = [
            f"-oDir::State={self.folder / 'apt/state'}",
            "-oDir::State::status=/var/lib/dpkg/status",
            f"-oDir::Cache={self.folder / 'apt'}",
            "-oAPT::Sandbox::User=",
            *(self._own_sources(release or codename()) if source_packages or release else []),
        ]
        run("apt-get", *self._options, "update")

    def _own_sources(self, release: str) -> list[str]:
        parts = self.folder / "apt" / "sources.list.d"
        parts.mkdir(exist_ok=True)
        written = with_source_packages(configured_sources(), codename())
        if release != codename():
            written = of_other_release(written, codename(), release)
        for name, text in written.items():
            (parts / name).write_text(text)
        return ["-oDir::Etc::sourcelist=/dev/null", f"-oDir::Etc::sourceparts={parts}"]

    def needs(self, *packages: str) -> set[str]:
        """Return the packages that the packages name as needed, installed or not."""
        text = run("apt-cache", *self._options, "depends", "--no-recommends", "--no-suggests", *packages)
        return set(re.findall(r"^ +Depends: (\S+)$", text, re.MULTILINE))

    def libraries(self, *packages: str) -> set[str]:
        """Return the library packages that the packages name as theirs, installed or not."""
        return {package for package in self.needs(*packages) if package.startswith(("lib", "lua-"))}

    def missing(self, *packages: str) -> set[str]:
        """Return the packages and all that they need, as far as this machine does not have them."""
        text = run("apt-get", *self._options, "install", "--simulate", "--no-install-recommends", *packages)
        return set(re.findall(r"^Inst (\S+)", text, re.MULTILINE))

    def unpack(self, packages: set[str]) -> None:
        """Download packages and unpack them, without running anything that comes with them."""
        downloads = self.folder / "packages"
        downloads.mkdir(parents=True, exist_ok=True)
        run("apt-get", *self._options, "download", *sorted(packages - NOT_UNPACKED), cwd=downloads)
        for package in downloads.glob("*.deb"):
            run("dpkg", "-x", str(package), str(self.root))

    def download_source(self, package: str) -> list[Path]:
        """Download the files of a source package; `use_private_lists` with source packages comes first."""
        downloads = self.folder / "sources"
        downloads.mkdir(parents=True, exist_ok=True)
        run("apt-get", *self._options, "source", "--download-only", package, cwd=downloads)
        return sorted(downloads.iterdir())

    def write_launcher(self, launcher: Path, program: str, settings: str = "") -> None:
        """Write a script that runs an unpacked program in place of itself, wherever the repository lies.

        Args:
            launcher: where; in `folder`.
            program: the program's path below `root`.
            settings: what the shell is to set before, such as ``NAME=value``; ``$here`` is the folder.
        """
        folders = sorted({str(library.parent.relative_to(self.folder)) for library in self.root.rglob("*.so*")})
        paths = ":".join(f"$here/{folder}" for folder in folders)
        launcher.write_text(
            "#!/bin/sh\n"
            'here=$(cd "$(dirname "$0")" && pwd)\n'
            f"{settings}"
            f'LD_LIBRARY_PATH="{paths}" exec "$here/root/{program}" "$@"\n'
        )
        launcher.chmod(0o755)


def codename() -> str:
    """Return the distribution's name of its release, such as ``bookworm``; empty where there is none."""
    release = Path("/etc/os-release")
    found = re.search(r'^VERSION_CODENAME="?(\w+)', release.read_text(), re.MULTILINE) if release.is_file() else None
    return found[1] if found else ""


def configured_sources() -> list[Path]:
    """Return the files that tell this machine's apt where packages are."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [file for file in files if file.is_file() and file.suffix in {".list", ".sources"}]


def with_source_packages(files: list[Path], release: str) -> dict[str, str]:
    """Return the entries of a release for binary and source packages, by the name of a file for apt.

    Args:
        files: apt's own, in either format.
        release: the name of the release; what others than the distribution offer for it is left out.
    """
    suites = {release, f"{release}-updates", f"{release}-security"}
    lines: list[str] = []
    stanzas: list[str] = []
    for file in files:
        text = file.read_text()
        if file.suffix == ".list":
            lines += _one_line_entries(text, suites)
        else:
            stanzas += _stanzas(text, suites)
    return {"own.list": "".join(lines), "own.sources": "\n".join(stanzas)}


def of_other_release(written: dict[str, str], own: str, other: str) -> dict[str, str]:
    """Return what `with_source_packages` returned for another release of the distribution, without its updates."""
    lines = [line for line in written["own.list"].splitlines(keepends=True) if f" {own} " in f"{line} "]
    stanzas = re.split(r"\n\n+", written["own.sources"].strip())
    named = [
        re.sub(r"(?m)^Suites:.*$", f"Suites: {other}", each)
        for each in stanzas
        if re.search(rf"Suites:.*\b{own}(\s|$)", each)
    ]
    return {"own.list": "".join(lines).replace(f" {own} ", f" {other} "), "own.sources": "\n\n".join(named) + "\n"}


def _one_line_entries(text: str, suites: set[str]) -> list[str]:
    found = re.findall(r"^deb[ \t]+((?:\[[^\]]*\][ \t]+)?\S+[ \t]+(\S+).*)$", text, re.MULTILINE)
    return [f"{kind} {entry}\n" for entry, suite in found if suite.rstrip("/") in suites for kind in ("deb", "deb-src")]


def _stanzas(text: str, suites: set[str]) -> list[str]:
    found: list[str] = []
    for stanza in re.split(r"\n(?:[ \t]*\n)+", text):
        named = re.search(r"^Suites:(.*)$", stanza, re.MULTILINE | re.IGNORECASE)
        if named and suites.issuperset(named[1].split()) and not re.search(r"(?mi)^Enabled:\s*no", stanza):
            found.append(re.sub(r"(?mi)^Types:.*$", "Types: deb deb-src", stanza).strip() + "\n")
    return found


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command quietly and return what it printed."""
    answer = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    return answer.stdout
