"""Wait for entries of the event stream in the thread that asks: the blocking twin of ``stream``."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from oxmq.errors import UnavailableError
from oxmq.ops.call import Reply, Word
from oxmq.records import Event
from oxmq.transport import redis_errors
from oxmq.transport.connect import Endpoint
from oxmq.transport.entries import events_question, read_entries
from oxmq.transport.faults import NotSentError, ReplyLostError, is_missing_key
from oxmq.transport.position import StreamFacts, facts_question, read_facts
from oxmq.transport.sync_runner import exchange
from oxmq.transport.wire import SyncWires

#: How long a question may block, in seconds: a thread that waits cannot be interrupted.
LONGEST_BLOCK = 1.0
#: How long after the end of a wait its answer may still come, in seconds.
_MARGIN = 2.0


class BlockingConnection:
    """Ask one blocking question at a time.

    Args:
        endpoint: where the server is.
        client_name: the name under which the server lists the connection; empty for none.
    """

    def __init__(self, endpoint: Endpoint, client_name: str) -> None:
        self._endpoint = endpoint
        self._client_name = client_name or None
        self._wires: SyncWires | None = None
        self._asking = threading.Lock()
        self._closed = False

    def ask(self, words: Sequence[Word]) -> Reply:
        """Send a command that blocks for at most `LONGEST_BLOCK` seconds, and return its reply.

        Returns:
            None when nothing came, and when the key that is asked about does not exist.

        Raises:
            UnavailableError: no answer came in time, or the connection broke; the connection is dropped.
        """
        with self._asking:
            try:
                return exchange(self._wires or self._open(), words)
            except (NotSentError, ReplyLostError, redis_errors.RedisError, OSError) as error:
                if is_missing_key(error):
                    return None
                self._drop()
                raise UnavailableError(f"{words[0]!s}: {error}") from error
            finally:
                if self._closed:
                    self._drop()

    def close(self) -> None:
        """Drop the connection for good; while another thread waits on it, as soon as that is answered."""
        self._closed = True
        if self._asking.acquire(blocking=False):
            self._drop()
            self._asking.release()

    def _drop(self) -> None:
        wires, self._wires = self._wires, None
        if wires is not None:
            wires.disconnect()

    def _open(self) -> SyncWires:
        self._endpoint.prepare()
        self._wires = self._endpoint.sync_wires(LONGEST_BLOCK + _MARGIN, self._client_name)
        return self._wires


def read_events(connection: BlockingConnection, key: str, after: str, block: float) -> list[Event]:
    """Wait at most `block` seconds for entries of the stream after the id `after`."""
    return read_entries(connection.ask(events_question({key: after}, min(block, LONGEST_BLOCK))))


def stream_facts(connection: BlockingConnection, key: str) -> StreamFacts | None:
    """Ask what the server knows of a stream; None when there is none."""
    return read_facts(connection.ask(facts_question(key)))


def pause(seconds: float) -> None:
    """Wait before trying again."""
    time.sleep(seconds)


def settle(value: object) -> None:
    """Do nothing with what a listener returned."""
