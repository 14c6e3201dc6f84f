"""Put a wire between a site and its servers that counts what passes, and kills the site at a chosen step."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final, Self

HOST: Final = "127.0.0.1"


class Wires:
    """Count everything that passes on any of the wires, either way, as one step.

    Attributes:
        passed: how many steps there were since `arm`.
    """

    def __init__(self) -> None:
        self.passed = 0
        self._fatal = 0
        self._kill: Callable[[], None] = lambda: None
        self._counting = threading.Lock()
        self._listeners: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def lay(self, url: str) -> str:
        """Return the URL of a wire to the server of `url`, which is on this host."""
        listener = socket.create_server((HOST, 0))
        self._listeners.append(listener)
        port = int(url.partition(f"{HOST}:")[2].partition("/")[0])
        threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()
        return url.replace(f"{HOST}:{port}", f"{HOST}:{listener.getsockname()[1]}")

    def arm(self, fatal: int, kill: Callable[[], None]) -> None:
        """Count from one again. In place of delivering step `fatal`, call `kill` and cut the wire; 0 for never."""
        with self._counting:
            self.passed, self._fatal, self._kill = 0, fatal, kill

    def _accept(self, listener: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((HOST, port))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65_536):
                if not self._may_pass():
                    break
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _may_pass(self) -> bool:
        with self._counting:
            self.passed += 1
            if self.passed == self._fatal:
                self._kill()
                return False
            return True
