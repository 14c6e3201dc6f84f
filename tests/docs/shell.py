"""Type the commands of a page into one shell, as a reader does: variables and background jobs stay."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from msgspec import Struct

from tests.support.waiting import NotSoError, eventually_sync

#: How long what runs in the background may take to end when the page is over, in seconds.
_PATIENCE: Final = 10.0
#: What the shell says of its background jobs.
_NOTICE: Final = re.compile(r"^\[\d+\][+-]?\s+(\w+(?: \d+)?)\s.*\n", re.MULTILINE)


class Ran(Struct, frozen=True):
    """Hold what became of a command; `log` goes on growing for one in the background."""

    code: int
    log: Path

    @property
    def output(self) -> str:
        """Return what it has written, without what the shell says of others."""
        return _NOTICE.sub("", self.log.read_text(encoding="utf-8", errors="replace"))


class Shell:
    """Run commands one after the other in a folder. Use it in a ``with`` block, which ends whatever still runs."""

    def __init__(self, folder: Path, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._count = 0
        self._broken: list[str] = []
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Every background job gets a process group of its own, and `kill %1` works.
        self.run("set -m", 30)

    def run(self, command: str, timeout: float) -> Ran:
        """Run a command and return what became of it.

        Raises:
            TimeoutError: it has not ended in time.
        """
        self._count += 1
        log = self._logs / f"{self._count}.log"
        assert self._bash.stdin is not None
        typed = f"eval {shlex.quote(command)} </dev/null >{shlex.quote(str(log))} 2>&1; echo $?\n"
        self._bash.stdin.write(typed.encode())
        self._bash.stdin.flush()
        answered = self._answer(timeout)
        if answered is None:
            raise TimeoutError(f"`{command}` has not ended in {timeout:g} s; it wrote:\n{Ran(0, log).output}")
        self._note_ends(log)
        return Ran(int(answered), log)

    def broken(self) -> list[str]:
        """Return what the shell said of background jobs that failed by themselves."""
        self.run("jobs", 30)
        return self._broken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError):
            self._end_all([int(number) for number in self.run("jobs -p", 5).output.split()])
        os.killpg(self._bash.pid, signal.SIGKILL)
        for pipe in (self._bash.stdin, self._bash.stdout):
            assert pipe is not None
            pipe.close()
        self._bash.wait()

    def _answer(self, timeout: float) -> bytes | None:
        """Return the shell's next line; None where it does not come in time."""
        output: IO[bytes] | None = self._bash.stdout
        assert output is not None
        return output.readline() if select.select([output], [], [], timeout)[0] else None

    def _note_ends(self, log: Path) -> None:
        said = log.read_text(encoding="utf-8", errors="replace")
        self._broken += [match[0].strip() for match in _NOTICE.finditer(said) if match[1].startswith("Exit ")]

    def _end_all(self, groups: list[int]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for group in groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, number)
            with contextlib.suppress(NotSoError):
                eventually_sync(lambda: not any(map(_is_there, groups)), _PATIENCE, "still there")
                return


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
