"""Give tests a server: an embedded Valkey in a folder of theirs, or the one that they name."""

from __future__ import annotations

import uuid
from pathlib import Path

from oxmq.errors import ConfigurationError
from oxmq.ops import server
from oxmq.ops.call import command, number
from oxmq.scripts import Retry
from oxmq.transport.connect import Endpoint
from oxmq.transport.embedded import EmbeddedServer
from oxmq.transport.sync_runner import SyncRunner

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
