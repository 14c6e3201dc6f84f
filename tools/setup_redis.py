"""Get a Redis server for the tests without root: unpack the distribution's package into `.cache/redis`.

Prints the path of a `redis-server` of version 7 or newer. Does nothing when there is one already. Where there is no
apt or no network, says so in one sentence and ends well: the tests then use Valkey alone, which a wheel brings.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "redis"
LAUNCHER = CACHE / "redis-server"
PACKAGES = ("redis-server", "redis-tools")
#: The C library must be the one that runs already.
NOT_UNPACKED = {"libc6"}


def main() -> int:
    """Print the path of a usable `redis-server`, getting one first if need be."""
    found = present() or unpack()
    if found:
        print(found)
    else:
        print("No Redis 7 here and none to be had from apt: the tests use Valkey only.", file=sys.stderr)
    return 0


def present() -> Path | None:
    """Return the usable `redis-server` of this machine or of an earlier run, or None."""
    return usable(shutil.which("redis-server")) or usable(LAUNCHER)


def usable(program: str | Path | None) -> Path | None:
    """Return `program` if it runs and is Redis 7.0 or newer."""
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.search(r"Redis server v=(\d+)", answer.stdout)
    return Path(program) if version and int(version[1]) >= 7 else None


def unpack() -> Path | None:
    """Download the packages as an ordinary user, unpack them, and write a launcher that finds their libraries."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    downloads = CACHE / "packages"
    downloads.mkdir(parents=True, exist_ok=True)
    try:
        download(downloads)
        for package in downloads.glob("*.deb"):
            run("dpkg", "-x", str(package), str(CACHE / "root"))
    except subprocess.CalledProcessError:
        return None
    write_launcher()
    return usable(LAUNCHER)


def download(target: Path) -> None:
    """Fetch the packages and the libraries that they name, with the machine's package lists or fresh private ones."""
    try:
        run("apt-get", "download", *PACKAGES, *libraries(), cwd=target)
    except subprocess.CalledProcessError:
        private = private_lists()
        run("apt-get", *private, "update")
        run("apt-get", *private, "download", *PACKAGES, *libraries(*private), cwd=target)


def libraries(*options: str) -> list[str]:
    """Return the library packages that the server depends on."""
    text = run("apt-cache", *options, "depends", "--no-recommends", "--no-suggests", *PACKAGES)
    named = set(re.findall(r"^ +Depends: ((?:lib|lua-)\S+)$", text, re.MULTILINE))
    return sorted(named - NOT_UNPACKED)


def private_lists() -> list[str]:
    """Return apt options that keep package lists in the cache, where no root is needed."""
    for folder in ("state/lists/partial", "archives/partial"):
        (CACHE / "apt" / folder).mkdir(parents=True, exist_ok=True)
    return [
        f"-oDir::State={CACHE / 'apt/state'}",
        "-oDir::State::status=/var/lib/dpkg/status",
        f"-oDir::Cache={CACHE / 'apt'}",
        "-oAPT::Sandbox::User=",
    ]


def write_launcher() -> None:
    """Write a script that runs the unpacked server in place of itself, wherever the repository lies."""
    folders = sorted({str(library.parent.relative_to(CACHE)) for library in (CACHE / "root").rglob("*.so*")})
    paths = ":".join(f"$here/{folder}" for folder in folders)
    LAUNCHER.write_text(
        "#!/bin/sh\n"
        'here=$(cd "$(dirname "$0")" && pwd)\n'
        f'LD_LIBRARY_PATH="{paths}" exec "$here/root/usr/bin/redis-server" "$@"\n'
    )
    LAUNCHER.chmod(0o755)


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command quietly and return what it printed."""
    answer = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}
    )
    return answer.stdout


if __name__ == "__main__":
    sys.exit(main())
