"""Watch over one program for a worker: end it at its time limit, when asked to, and when the worker dies.

A bare interpreter runs this file as a script, so that it starts quickly: it imports nothing but the standard library.

    warden.py ORDERS PROGRAM [ARGUMENT ...]

The warden leads a process group; the program and all that it starts belong to it, unless they leave it by themselves.
When the program is over, however it ended, the warden reports and then kills the whole group, itself included, as the
end of a container kills whatever still runs in it.

ORDERS is a JSON object:
    control: a pipe; a byte says that the program is to be stopped, its end that the worker has died.
    report: a pipe for the report.
    hand_on: further file descriptors that the program gets.
    memory: how many bytes each process may take; null for any number.
    cores: the numbers of the cores to run on; empty for all.
    timeout: how many seconds the program may run; null for any time.
    grace: how many seconds it may take to end after SIGTERM.
    capture: whether to keep the end of what it writes.
    folder: removed when the worker dies; null for none.

The report is a JSON object:
    code: the exit code, below 0 for a signal.
    stopped: "timeout" or "asked" when the warden stopped it, else "".
    output: the last lines that it wrote.
    error, errno: why it could not be started.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

TYPE_CHECKING = False  # that of `typing`, which takes long to import
if TYPE_CHECKING:
    from typing import Any

#: How much of the output is kept: its end.
OUTPUT_LINES = 200
_OUTPUT_BYTES = 65_536
#: More than a pipe can hold.
_PIPE_BYTES = 1_048_576


class Warden:
    """Start one program and watch over it.

    Args:
        orders: see above.
        command: the program and its arguments.
    """

    def __init__(self, orders: dict[str, Any], command: list[str]) -> None:
        self._orders = orders
        self._command = command
        self._selector = selectors.DefaultSelector()
        self._process: subprocess.Popen[bytes] | None = None
        self._output_fd = -1
        self._output = b""
        self._stopped = ""
        self._deadline: float | None = None

    def run(self) -> dict[str, Any]:
        """Run the program to its end, or to the end of its grace, and return the report."""
        self._hear_signals()
        self._selector.register(self._orders["control"], selectors.EVENT_READ, self._hear_worker)
        try:
            process = self._process = self._start()
        except OSError as error:
            return {"error": error.strerror or str(error), "errno": error.errno or 0}
        except (ValueError, subprocess.SubprocessError) as error:
            return {"error": str(error), "errno": 0}
        self._watch(process)
        # Before anything is reported: the worker then kills this group, and the program may have left it.
        process.kill()
        code = process.wait()
        self._drain()
        lines = self._output.decode(errors="replace").splitlines()[-OUTPUT_LINES:]
        return {"code": code, "stopped": self._stopped, "output": lines}

    def end(self) -> None:
        """Kill everything, this process too."""
        if self._process is not None:
            self._process.kill()  # it may have left the group
        os.killpg(os.getpid(), signal.SIGKILL)

    def _hear_signals(self) -> None:
        woken, wake = os.pipe()
        for fd in (woken, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # Handled, not ignored: the program would inherit that. Whoever stops all processes means the worker to decide.
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _ignore)
        self._selector.register(woken, selectors.EVENT_READ, partial(os.read, woken, 4096))

    def _start(self) -> subprocess.Popen[bytes]:
        memory, timeout = self._orders["memory"], self._orders["timeout"]
        if self._orders["cores"]:
            os.sched_setaffinity(0, self._orders["cores"])
        output = self._open_output() if self._orders["capture"] else None
        self._deadline = None if timeout is None else time.monotonic() + timeout
        process = subprocess.Popen(  # noqa: S603 - running the program is what this is for
            self._command,
            pass_fds=self._orders["hand_on"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Safe: there is one thread.
            preexec_fn=None if memory is None else partial(limit_memory, memory),  # noqa: PLW1509 - see above
        )
        if output is not None:
            os.close(output)
        return process

    def _open_output(self) -> int:
        self._output_fd, far = os.pipe()
        os.set_blocking(self._output_fd, False)
        self._selector.register(self._output_fd, selectors.EVENT_READ, self._read_output)
        return far

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            for key, _ in self._selector.select(self._remaining()):
                key.data()
            if self._remaining() == 0:
                if self._stopped:
                    return
                self._stop("timeout")

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _hear_worker(self) -> None:
        if os.read(self._orders["control"], 1):
            self._stop("asked")
            return
        # The worker has died, or does not wait any longer: its job will run elsewhere, so it must not go on here.
        if self._orders["folder"] is not None:
            shutil.rmtree(self._orders["folder"], ignore_errors=True)
        self.end()

    def _stop(self, why: str) -> None:
        if self._stopped or self._process is None:
            return
        self._stopped = why
        self._deadline = time.monotonic() + self._orders["grace"]
        self._process.terminate()

    def _read_output(self) -> int:
        data = os.read(self._output_fd, _PIPE_BYTES)
        self._output = (self._output + data)[-_OUTPUT_BYTES:]
        if not data:
            self._selector.unregister(self._output_fd)
            os.close(self._output_fd)
            self._output_fd = -1
        return len(data)

    def _drain(self) -> None:
        # What still runs in the group may write on and on: no more is read than a pipe holds.
        left = _PIPE_BYTES
        with contextlib.suppress(BlockingIOError):
            while self._output_fd >= 0 and left > 0:
                left -= self._read_output()


def _ignore(*_: object) -> None:
    pass


def limit_memory(size: int, reserve: int = 0) -> None:
    """Let this process and those that it starts take at most `size` bytes each; a smaller limit that it has stays.

    Args:
        size: how much private writable memory.
        reserve: how much more `lift_memory_limit` gives.
    """
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    hard = size + reserve if most == resource.RLIM_INFINITY else min(size + reserve, most)
    resource.setrlimit(resource.RLIMIT_DATA, (min(size, hard), hard))


def lift_memory_limit() -> None:
    """Let this process use the reserve too."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def main() -> None:
    """Do what the command line says."""
    orders = json.loads(sys.argv[1])
    warden = Warden(orders, sys.argv[2:])
    try:
        report = json.dumps(warden.run()).encode()
        # The worker may have gone away.
        with contextlib.suppress(OSError), os.fdopen(orders["report"], "wb") as pipe:
            pipe.write(report)
    except BaseException as error:  # noqa: BLE001 - nothing may outlive the warden, whatever befalls it
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        warden.end()


if __name__ == "__main__":
    main()
