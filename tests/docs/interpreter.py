"""Run the Python blocks of a page in a process of their own, in order, with everything that the ones before defined."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

CHILD: Final = Path(__file__).with_name("interpreter_child.py")


class BlockError(AssertionError):
    """Say that a block failed, with its traceback and what the page's program has written."""


class Interpreter:
    """Hold the process; it starts with the first order. Use it in a ``with`` block, which ends it."""

    def __init__(self, python: Path, folder: Path, log: Path, environment: Mapping[str, str]) -> None:
        self._python = python
        self._folder = folder
        self._log = log
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1

    def run(self, page: str, line: int, source: str, timeout: float) -> None:
        """Run a block.

        Raises:
            BlockError: it raised, or did not end in time.
        """
        self._order({"do": "run", "page": page, "line": line, "source": source}, timeout)

    def load(self, file: str, timeout: float) -> None:
        """Import a file of the folder.

        Raises:
            BlockError: it cannot be imported.
        """
        self._order({"do": "load", "file": file}, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            os.close(self._answers)
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _order(self, order: Mapping[str, object], timeout: float) -> None:
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        trouble = self._answer(process, timeout)
        if trouble:
            raise BlockError(f"{trouble}\n{self._log.read_text(encoding='utf-8', errors='replace')}")

    def _start(self) -> subprocess.Popen[bytes]:
        self._answers, theirs = os.pipe()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._python), str(CHILD), str(theirs)],
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[theirs],
            )
        os.close(theirs)
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], timeout: float) -> str:
        """Return what went wrong; the answer may be longer than what a pipe holds, but never more than a line."""
        received = b""
        while not received.endswith(b"\n"):
            if not select.select([self._answers], [], [], timeout)[0]:
                return f"it has not ended in {timeout:g} s"
            piece = os.read(self._answers, 65536)
            if not piece:
                return f"the process has ended, with {process.wait(timeout)}"
            received += piece
        return str(json.loads(received))
