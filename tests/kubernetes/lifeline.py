"""End what a test started, also when the test's own process is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

#: Reads "+number" for a process group and "-number" for one that has ended; the end of its input is the signal.
_GUARD = """
import os, shutil, signal, sys
groups = set()
for line in sys.stdin:
    number = int(line)
    groups.add(number) if number > 0 else groups.discard(-number)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
for folder in sys.argv[1:]:
    shutil.rmtree(folder, ignore_errors=True)
"""


class Lifeline:
    """A small process that outlives this one by a moment: it kills the process groups that it knows.

    Args:
        folders: what it removes then.
    """

    def __init__(self, *folders: Path) -> None:
        self._lock = threading.Lock()
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, *map(str, folders)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def add(self, group: int) -> None:
        """Take charge of a process group: of one that `Popen(process_group=0)` started, it is the process's id."""
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Forget a process group that has ended, for its number may be given to another. Harmless once closed."""
        self._write(f"-{group}\n")

    def close(self) -> None:
        """Kill what is left, remove the folders, and return when that is done."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._guard.stdin:
                self._guard.stdin.close()
        self._guard.wait()

    def _write(self, line: str) -> None:
        with self._lock:
            pipe = self._guard.stdin
            if pipe and not pipe.closed:
                pipe.write(line)
                pipe.flush()
