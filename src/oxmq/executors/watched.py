"""Run a program under a warden: see `oxmq.executors.warden`, which is the other end of this."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from oxmq.executors import warden
from oxmq.executors.child_task import ProcessError


class Orders(Struct, frozen=True, kw_only=True):
    """Hold what a warden needs to know of its program; times are in seconds.

    Attributes:
        memory: how many bytes each process may take; None for any number.
        cores: the numbers of the cores to run on; empty for all.
        timeout: how long the program may run; None for any time.
        grace: how long it may take to end after SIGTERM.
        hand_on: file descriptors that the program gets.
        capture: whether to keep the end of what it writes.
        folder: removed when this process dies.
    """

    memory: int | None = None
    cores: Sequence[int] = ()
    timeout: float | None = None
    grace: float = 0.0
    hand_on: Sequence[int] = ()
    capture: bool = False
    folder: str | None = None


class Report(Struct, frozen=True):
    """Hold how a program ended.

    Attributes:
        code: its exit code, below 0 for a signal; None when it did not start.
        stopped: ``timeout`` or ``asked`` when it was stopped, else empty.
        output: the last lines that it wrote.
        error: why it did not start.
        errno: the number of that error; 0 when it has none.
    """

    code: int | None = None
    stopped: str = ""
    output: list[str] = []
    error: str = ""
    errno: int = 0


class WatchedProcess:
    """Run one program, once. The methods may be called by different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = self._given_up = False
        self._control = -1

    def run(self, command: Sequence[str], environment: Mapping[str, str], orders: Orders) -> Report:
        """Run the program to its end, with these variables and no others; blocks.

        Raises:
            OSError, ValueError: the arguments or variables are not possible.
            ProcessError: the program was given up before it started, or its warden was killed, and it too.
        """
        near, far = os.pipe()
        with os.fdopen(near, "rb") as report:
            try:
                process = self._start(command, environment, orders, far)
            finally:
                os.close(far)  # so that the report ends with the warden
            try:
                text = report.read()
            finally:
                # As long as the warden is not reaped, its group cannot be another's.
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self.give_up()
        try:
            return msgspec.json.decode(text, type=Report)
        except msgspec.DecodeError:
            raise ProcessError("the job's process was killed, as the process that watches over it was") from None

    def stop(self) -> None:
        """Have the program stopped: SIGTERM, and SIGKILL when its grace is over. Does not wait for that."""
        with self._lock:
            if not self._started:
                self._given_up = True
            elif self._control >= 0:
                with contextlib.suppress(BrokenPipeError):
                    os.write(self._control, b"s")

    def give_up(self) -> None:
        """Have the program killed at once, if it still runs. Does not wait for that."""
        with self._lock:
            self._given_up = True
            control, self._control = self._control, -1
            if control >= 0:
                os.close(control)

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str], orders: Orders, report: int
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._given_up:
                raise ProcessError("the job's process was stopped before it started")
            control, near = os.pipe()
            told = {**msgspec.to_builtins(orders), "control": control, "report": report}
            try:
                process = subprocess.Popen(  # noqa: S603 - this interpreter, and a program that a task declares
                    [sys.executable, "-I", "-S", warden.__file__, msgspec.json.encode(told).decode(), *command],
                    pass_fds=(control, report, *orders.hand_on),
                    stdin=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,
                )
            except BaseException:
                os.close(near)
                raise
            finally:
                os.close(control)
            self._control, self._started = near, True
            return process
