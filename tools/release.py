"""Build a release into ``dist/``, and refuse one that is not fit to be published: see ``RELEASING.md``."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

ROOT: Final = Path(__file__).resolve().parent.parent
DIST: Final = ROOT / "dist"

#: A job from end to end, as the first thing that a user tries.
SMOKE: Final = """
import asyncio
from oxmq import Oxmq

app = Oxmq()

@app.task
async def greet(name: str) -> str:
    return f"Hello, {name}!"

async def main() -> None:
    worker = app.worker()
    running = asyncio.create_task(worker.run(handle_signals=False))
    job = await greet.enqueue(name="release")
    print(await job.result(timeout=30))
    await worker.close()
    await running

asyncio.run(main())
"""


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    step("build", sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    step("contents", sys.executable, "-m", "pytest", "-q", ROOT / "tests" / "packaging")
    (wheel,) = DIST.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        python = install(wheel, Path(folder) / "venv")
        step("a first job", python, "-c", SMOKE, cwd=folder)
        name = wheel.name.split("-py3")[0]
        write_python_bom(python, DIST / f"{name}.cdx.json")
        write_dashboard_bom(DIST / f"{name}-dashboard.cdx.json")
        write_sums()
        audit(python, Path(folder) / "requirements.txt")


def step(title: str, *command: str | Path, cwd: str | Path = ROOT) -> None:
    """Run one step, and end with its exit code if it fails."""
    print(f"== {title}", flush=True)
    done = subprocess.run(command, cwd=cwd, check=False)
    if done.returncode:
        raise SystemExit(f"{title} failed ({done.returncode})")


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel and `[standard]`, as a user would; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    step("install", python, "-m", "pip", "install", "--quiet", f"{wheel}[standard]")
    return python


def write_python_bom(python: Path, target: Path) -> None:
    """Write down what an installation of `[standard]` brings."""
    settings = ("--pyproject", ROOT / "pyproject.toml", "--mc-type", "library", "--output-reproducible")
    step("bill of materials", sys.executable, "-m", "cyclonedx_py", "environment", *settings, "-o", target, python)


def write_dashboard_bom(target: Path) -> None:
    """Write down what is bundled into the dashboard, as CycloneDX 1.6."""
    components = [npm_component(name, package["version"]) for name, package in bundled_packages()]
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    target.write_text(json.dumps(bom, indent=2) + "\n")


def bundled_packages() -> list[tuple[str, dict[str, Any]]]:
    """Return the packages of the dashboard's lock file that are not for its development only, by name."""
    lock: dict[str, Any] = json.loads((ROOT / "dashboard" / "package-lock.json").read_text())
    packages: dict[str, dict[str, Any]] = lock["packages"]
    return [
        (path.rpartition("node_modules/")[2], package)
        for path, package in sorted(packages.items())
        if path and not package.get("dev") and not package.get("optional") and not package.get("peer")
    ]


def npm_component(name: str, version: str) -> dict[str, str]:
    """Return a package of npm's as a component."""
    purl = f"pkg:npm/{quote(name)}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def write_sums() -> None:
    files = sorted(path for path in DIST.iterdir() if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def audit(python: Path, requirements: Path) -> None:
    """Ask for known vulnerabilities of everything but oxmq itself that the installation brought."""
    frozen = subprocess.check_output([python, "-m", "pip", "freeze", "--exclude", "oxmq"], text=True)
    requirements.write_text(frozen)
    step("audit", sys.executable, "-m", "pip_audit", "--strict", "--no-deps", "--requirement", requirements)


if __name__ == "__main__":
    main()
