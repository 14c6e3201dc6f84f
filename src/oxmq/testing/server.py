"""Give tests a server: an embedded Valkey in a folder of theirs, or the one that they name."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from oxmq.app import Oxmq
from oxmq.clock import Clock, ManualClock
from oxmq.errors import ConfigurationError
from oxmq.ops import server
from oxmq.ops.call import command, number
from oxmq.scripts import Retry
from oxmq.transport.connect import Endpoint
from oxmq.transport.embedded import EmbeddedServer
from oxmq.transport.sync_runner import SyncRunner

#: Names the server to use instead of an embedded one.
URL_VARIABLE: Final = "OXMQ_TEST_URL"
#: Where the clock of each test stands at first.
BEGINNING: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
#: How many keys one step of a scan looks at.
_AT_ONCE = 1000


class TestServer:
    """Hold the address of a server for tests.

    Args:
        folder: where an embedded server keeps its data.
        url: the server to use instead.

    Raises:
        ConfigurationError: the embedded server cannot run, or the URL is not one.
    """

    #: pytest takes classes of such a name for tests.
    __test__ = False

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self._embedded = None if url else EmbeddedServer(folder)
        self.url = url or (self._embedded.acquire() if self._embedded else "")
        self._runner = SyncRunner(Endpoint(self.url))

    @contextmanager
    def bind(self, app: Oxmq, clock: Clock) -> Generator[Oxmq]:
        """Bind an application to this server, a prefix of its own and a clock, while a ``with`` block lasts.

        Afterwards the prefix's keys are deleted, also when the block fails.
        """
        prefix = self.new_prefix()
        try:
            with app.bound_to(self.url, prefix=prefix, clock=clock):
                yield app
        finally:
            self.clear(prefix)

    def new_prefix(self) -> str:
        """Return a prefix that nobody else uses."""
        return f"test-{uuid.uuid4().hex[:12]}"

    def clear(self, prefix: str) -> int:
        """Delete all keys under a prefix; return how many there were.

        Raises:
            ConfigurationError: the prefix is empty.
        """
        if not prefix:
            raise ConfigurationError("prefix must not be empty: every key of the server would be deleted")
        pattern = f"{server.literally(prefix)}:*"
        deleted, cursor = 0, -1
        while cursor:
            page = self._runner.run(server.scan(max(cursor, 0), pattern, _AT_ONCE))
            cursor = page.cursor
            if page.keys:
                deleted += self._runner.run(command("UNLINK", *page.keys, decode=number, retry=Retry.SAFE))
        return deleted

    def close(self) -> None:
        """Close the connection, and leave the embedded server, which stops soon after."""
        self._runner.close()
        if self._embedded is not None:
            self._embedded.release()


@contextmanager
def on_test_server(app: Oxmq, *, clock: Clock | None = None) -> Generator[Oxmq]:
    """Do as the fixture ``oxmq_app`` where there is no pytest: ``self.enterContext(on_test_server(app))``.

    The server is an embedded one for all tests of this process, or the one at ``$OXMQ_TEST_URL``. Each block has a
    prefix of its own, whose keys are deleted afterwards.

    Args:
        app: the application, which is given to the block, too.
        clock: gives the time; when not given, a `ManualClock` that stands at noon of 1 January 2026, UTC.

    Raises:
        ConfigurationError: the embedded server cannot run, or the URL is not one.
    """
    with _server_of_process().bind(app, clock or ManualClock(BEGINNING)):
        yield app


@cache
def _server_of_process() -> TestServer:
    folder = Path(mkdtemp(prefix="oxmq-test-"))
    server = TestServer(folder, os.environ.get(URL_VARIABLE))

    def end() -> None:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)

    # Called in processes of multiprocessing, too, which test runners use and which know no `atexit`; and by the
    # process that has made it alone, not by what it forks.
    Finalize(None, end, exitpriority=0)
    return server
