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

    def use_private_lists(self) -> None:
        """Fetch the lists of packages into the folder, for those of the machine may be missing or old."""
        for part in ("state/lists/partial", "archives/partial"):
            (self.folder / "apt" / part).mkdir(parents=True, exist_ok=True)
        self._options = [
            f"-oDir::State={self.folder / 'apt/state'}",
            "-oDir::State::status=/var/lib/dpkg/status",
            f"-oDir::Cache={self.folder / 'apt'}",
            "-oAPT::Sandbox::User=",
        ]
        run("apt-get", *self._options, "update")

    def libraries(self, *packages: str) -> set[str]:
        """Return the library packages that the packages name as theirs, installed or not."""
        text = run("apt-cache", *self._options, "depends", "--no-recommends", "--no-suggests", *packages)
        return set(re.findall(r"^ +Depends: ((?:lib|lua-)\S+)$", text, re.MULTILINE))

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


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command quietly and return what it printed."""
    answer = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    return answer.stdout
