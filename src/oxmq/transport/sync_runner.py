"""Execute calls from ordinary, blocking code: any thread, before or after a fork."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TypeVar

from oxmq.clock import Clock, SystemClock
from oxmq.ops.call import Call, Reply, Word
from oxmq.transport import redis_errors
from oxmq.transport.connect import COMMAND_TIMEOUT, Endpoint
from oxmq.transport.faults import Attempts, NotSentError, ReplyLostError, needs_other_server
from oxmq.transport.wire import SyncWires, clock_reading

T = TypeVar("T")


class SyncRunner:
    """Run calls against one server, blocking.

    Args:
        endpoint: where the server is.
        clock: told how far the server's clock is ahead, whenever connections are made anew.
        timeout: how long a call may take in all, in seconds.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock | None = None, timeout: float = COMMAND_TIMEOUT) -> None:
        self.endpoint = endpoint
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._wires: SyncWires | None = None
        self._opening = threading.Lock()

    def run(self, call: Call[T]) -> T:
        """Execute a call and return its result.

        Raises:
            UnavailableError: it was not done.
            OutcomeUnknownError: it may have been done.
            JobError: the script refused it.
        """
        attempts = Attempts(call.name, call.retry, self._timeout)
        while True:
            try:
                return call.decode(self._send(call, attempts))
            except (NotSentError, ReplyLostError, redis_errors.ResponseError) as error:
                if isinstance(error, NotSentError) or needs_other_server(error):
                    # The server may be elsewhere by now. Other threads keep what they are using.
                    self._wires = None
                pause = attempts.pause_after(error)
            time.sleep(pause)

    def run_all(self, calls: Iterable[Call[T]]) -> list[T]:
        """Execute calls in order and return their results. After an error no further ones are sent."""
        return [self.run(call) for call in calls]

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        wires, self._wires = self._wires, None
        if wires is not None:
            wires.disconnect()

    def _send(self, call: Call[T], attempts: Attempts) -> Reply:
        script = call.script
        if script is None:
            return self._exchange(call.words, attempts)
        words = ("EVALSHA", script.sha, *call.words, *call.tail)
        with contextlib.suppress(redis_errors.NoScriptError):
            return self._exchange(words, attempts)
        # Nothing ran, so that sending it again cannot do it twice.
        self._exchange(("SCRIPT", "LOAD", script.text), attempts)
        try:
            return self._exchange(words, attempts)
        except redis_errors.NoScriptError as error:
            raise NotSentError(f"script {script.name} was flushed as soon as it was loaded") from error

    def _exchange(self, words: Sequence[Word], attempts: Attempts) -> Reply:
        return exchange(self._open(attempts), words)

    def _open(self, attempts: Attempts) -> SyncWires:
        if not self._opening.acquire(timeout=attempts.remaining):
            raise NotSentError(f"cannot connect to {self.endpoint.address}: no answer in time")
        try:
            if self._wires is None:
                self._wires = self._connect()
            return self._wires
        finally:
            self._opening.release()

    def _connect(self) -> SyncWires:
        try:
            self.endpoint.prepare()
            wires = self.endpoint.sync_wires(self._timeout)
            offset_ms = clock_reading()
            self._clock.follow(offset_ms(exchange(wires, ("TIME",))))
        except (NotSentError, ReplyLostError, redis_errors.RedisError, OSError) as error:
            cause = error.cause if isinstance(error, NotSentError) else error
            raise NotSentError(f"cannot connect to {self.endpoint.address}: {cause}", cause) from error
        return wires


def exchange(wires: SyncWires, words: Sequence[Word]) -> Reply:
    """Send one command and return its reply, on a connection that is dropped at the first doubt.

    Raises:
        NotSentError: no connection could be made.
        ReplyLostError: the command left, and no reply came in time.
        ResponseError: the server answered with an error.
    """
    try:
        wire = wires.get_connection()
    except (redis_errors.RedisError, OSError) as error:
        raise NotSentError(f"cannot connect: {error}", error) from error
    try:
        wire.send_command(*words)
        return wire.read_response(disable_decoding=True)
    except redis_errors.ResponseError:
        raise
    except (redis_errors.RedisError, OSError) as error:
        wire.disconnect()
        raise ReplyLostError(str(error)) from error
    except BaseException:
        # Interrupted in the middle: what comes next on it would be the answer to this.
        wire.disconnect()
        raise
    finally:
        wires.release(wire)
