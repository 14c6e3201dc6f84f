"""Get a Redis server for the tests without root: unpack the distribution's package into `.cache/redis`.

Prints the path of a `redis-server` of version 7 or newer. Does nothing when there is one already. Where there is no
apt or no network, says so in one sentence and ends well: the tests then use Valkey alone, which a wheel brings.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbour only now.
from tools.debian import Archive  # noqa: E402 - see above

CACHE = ROOT / ".cache" / "redis"
LAUNCHER = CACHE / "redis-server"
PACKAGES = ("redis-server", "redis-tools")


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
    """Unpack the packages as an ordinary user, and write a launcher that finds their libraries."""
    if not Archive.is_possible():
        return None
    archive = Archive(CACHE)
    try:
        download(archive)
    except subprocess.CalledProcessError:
        return None
    archive.write_launcher(LAUNCHER, "usr/bin/redis-server")
    return usable(LAUNCHER)


def download(archive: Archive) -> None:
    """Fetch the packages and the libraries that they name, with the machine's package lists or fresh private ones."""
    try:
        archive.unpack(archive.libraries(*PACKAGES).union(PACKAGES))
    except subprocess.CalledProcessError:
        archive.use_private_lists()
        archive.unpack(archive.libraries(*PACKAGES).union(PACKAGES))


if __name__ == "__main__":
    sys.exit(main())
