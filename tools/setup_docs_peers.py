"""Install the libraries that the documentation compares oxmq with, each in an environment of its own.

The Redis clients that they ask for exclude each other. The environments are those of the bench; what is there stays.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbours only now.
from bench.setup import REQUIREMENTS, install_environment, is_installed, python  # noqa: E402 - see above

#: The environment of each library, by the name of its package.
ENVIRONMENTS: Final = {
    "arq": "arq",
    "bullmq": "bullmq-python",
    "celery": "celery",
    "dramatiq": "dramatiq",
    "rq": "rq",
}


def interpreter_with(package: str) -> Path:
    """Return the Python that has a library.

    Raises:
        RuntimeError: it is not installed.
    """
    if not is_installed(ENVIRONMENTS[package]):
        raise RuntimeError(f"{package} is not installed: run tools/setup_docs_peers.py")
    return python(ENVIRONMENTS[package])


def main() -> int:
    """Install what is missing and say in one line what is there; return 1 where something could not be installed."""
    missing = [name for name, env in ENVIRONMENTS.items() if not install_environment(REQUIREMENTS / f"{env}.txt")]
    print(f"peers: {', '.join(missing)} could not be installed" if missing else f"peers: {', '.join(ENVIRONMENTS)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
