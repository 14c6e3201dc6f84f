"""Get a PostgreSQL server for the tests without root: unpack the distribution's package into `.cache/postgresql`.

Prints the folder of its programs. Does nothing when there is one already.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbour only now.
from tools.debian import Archive  # noqa: E402 - see above

CACHE = ROOT / ".cache" / "postgresql"
#: Where Debian puts the programs, below the root of the file system.
PROGRAMS = "usr/lib/postgresql"
NEEDED = ("initdb", "postgres")
#: The oldest version that the tests are meant for.
OLDEST = 13


def main() -> int:
    """Print the folder of a usable server's programs, getting one first if need be."""
    found = present() or unpack()
    if found is None:
        print("No PostgreSQL here and none to be had from apt: install PostgreSQL 13 or later.", file=sys.stderr)
        return 1
    print(found)
    return 0


def present() -> Path | None:
    """Return the folder of this machine's programs, or of those that an earlier run unpacked; or None."""
    machines = sorted(Path("/", PROGRAMS).glob("*/bin"), key=_version, reverse=True)
    return next((folder for folder in [*machines, CACHE] if usable(folder)), None)


def usable(folder: Path) -> bool:
    """Tell whether the folder's programs run and are new enough."""
    try:
        answers = [
            subprocess.run([folder / program, "--version"], capture_output=True, text=True, check=True).stdout
            for program in NEEDED
        ]
    except (OSError, subprocess.CalledProcessError):
        return False
    versions = [re.search(r"\(PostgreSQL\) (\d+)", answer) for answer in answers]
    return all(version and int(version[1]) >= OLDEST for version in versions)


def unpack() -> Path | None:
    """Unpack the packages as an ordinary user, and write launchers for their programs; None where apt refuses."""
    if not Archive.is_possible():
        return None
    archive = Archive(CACHE)
    try:
        archive.use_private_lists()
        server = newest_server(archive)
        archive.unpack({server} | archive.missing(server))
    except subprocess.CalledProcessError:
        return None
    for program in NEEDED:
        (found,) = archive.root.glob(f"{PROGRAMS}/*/bin/{program}")
        archive.write_launcher(CACHE / program, str(found.relative_to(archive.root)))
    return CACHE if usable(CACHE) else None


def newest_server(archive: Archive) -> str:
    """Return the name of the package that the distribution's `postgresql` stands for, such as ``postgresql-15``."""
    return next(name for name in archive.needs("postgresql") if re.fullmatch(r"postgresql-\d+", name))


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


if __name__ == "__main__":
    sys.exit(main())
