"""Get Prometheus for the tests of the alert rules: this machine's, else Debian's, unpacked into `.cache/prometheus`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbour only now.
from tools.debian import Archive  # noqa: E402 - see above

CACHE: Final = ROOT / ".cache" / "prometheus"
#: The server, and the program that checks its files.
PROGRAMS: Final = ("prometheus", "promtool")


def main() -> int:
    """Get what is missing, and print where the programs are."""
    if not is_there():
        if not Archive.is_possible():
            print(
                "No Prometheus: install prometheus and promtool; this machine has no apt to get them", file=sys.stderr
            )
            return 1
        try:
            unpack(Archive(CACHE))
        except subprocess.CalledProcessError as error:
            print(f"No Prometheus: {error.stderr.strip() or error}", file=sys.stderr)
            return 1
    print(*map(program, PROGRAMS))
    return 0


def is_there() -> bool:
    """Tell whether both programs are here."""
    return all(program(name) for name in PROGRAMS)


def program(name: str) -> Path | None:
    """Return the path of one of the programs; None where it is not here."""
    own = CACHE / "root" / "usr" / "bin" / name
    found = shutil.which(name) or (own if own.is_file() else None)
    return Path(found) if found else None


def unpack(archive: Archive) -> None:
    """Fetch the package, with the machine's package lists or fresh private ones; it needs nothing but the C library."""
    try:
        archive.unpack({"prometheus"})
    except subprocess.CalledProcessError:
        archive.use_private_lists()
        archive.unpack({"prometheus"})


if __name__ == "__main__":
    sys.exit(main())
