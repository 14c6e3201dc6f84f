"""Get Kustomize for the tests of the manifests: this machine's, else Debian's, unpacked into `.cache/kustomize`."""

from __future__ import annotations

import json
import re
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

CACHE: Final = ROOT / ".cache" / "kustomize"
PROGRAM: Final = "usr/bin/kustomize"
#: The release of Debian that has a new one; its program needs no more than the C library of the one before.
RELEASE: Final = "trixie"
#: What it must be able to do for the overlay: replacements that know delimiters, and components.
LEAST: Final = 5


def main() -> int:
    """Get what is missing, and print how it is called."""
    if command() is None:
        if not Archive.is_possible():
            print("No Kustomize: install version 5 or kubectl 1.27; this machine has no apt to get it", file=sys.stderr)
            return 1
        archive = Archive(CACHE)
        try:
            archive.use_private_lists(release=RELEASE)
            archive.unpack({"kustomize"})
        except subprocess.CalledProcessError as error:
            print(f"No Kustomize: {error.stderr.strip() or error}", file=sys.stderr)
            return 1
    print(*(command() or ()))
    return 0


def command() -> tuple[str, ...] | None:
    """Return the command that renders a folder; None where there is none that is new enough."""
    own = CACHE / "root" / PROGRAM
    if program := shutil.which("kustomize") or (str(own) if own.is_file() else None):
        return (program, "build")
    program = shutil.which("kubectl")
    return (program, "kustomize") if program is not None and _is_new_enough(program) else None


def _is_new_enough(kubectl: str) -> bool:
    asked = [kubectl, "version", "--client", "--output=json"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    version = json.loads(said.stdout).get("kustomizeVersion", "") if said.returncode == 0 else ""
    found = re.match(r"v(\d+)\.", version)
    return bool(found and int(found[1]) >= LEAST)


if __name__ == "__main__":
    sys.exit(main())
