"""Execute calls from ordinary, blocking code: any thread, before or after a fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TypeVar

import redis

from oxmq.clock import Clock, SystemClock
from oxmq.ops.call import Call, Reply, Word
from oxmq.scripts import Retry, Script
from oxmq.transport.connect import Endpoint
from oxmq.transport.faults import (
    NoScriptError,
    NotSentError,
    RedisError,
    ReplyLostError,
    ResponseError,
    is_passing,
    lost,
    pauses,
    refused,
)

T = TypeVar("T")


class SyncRunner:
    """Run calls against one server, blocking.

    Args:
        endpoint: where the server is.
        clock: told how far the server's clock is ahead, once.
        timeout: how long a call may take in all, in seconds.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock | None = None, timeout: float = 5.0) -> None:
        self.endpoint = endpoint
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._pool: redis.ConnectionPool | None = None
        self._opening = threading.Lock()

    def run(self, call: Call[T]) -> T:
        """Execute a call and return its result.

        Raises:
            UnavailableError: it was not done.
            OutcomeUnknownError: it may have been done.
            JobError: the script refused it.
        """
        return call.decode(self._reply(call))

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.disconnect()

    def _reply(self, call: Call[T]) -> Reply:
        deadline = time.monotonic() + self._timeout
        was_lost: ReplyLostError | None = None
        for pause in pauses():
            try:
                return self._send(call.script, call.words, call.tail)
            except ReplyLostError as error:
                was_lost = error
                if call.retry not in (Retry.READ, Retry.SAFE):
                    raise lost(call.retry, call.name, error) from error
            except (NotSentError, ResponseError) as error:
                if not is_passing(error) or time.monotonic() + pause > deadline:
                    cause = lost(call.retry, call.name, was_lost) if was_lost else refused(error, call.name)
                    raise cause from error
            if was_lost and time.monotonic() + pause > deadline:
                raise lost(call.retry, call.name, was_lost) from was_lost
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _send(self, script: Script | None, words: Sequence[Word], tail: Sequence[Word]) -> Reply:
        if script is None:
            return self._exchange(words)
        try:
            return self._exchange(("EVALSHA", script.sha, *words, *tail))
        except NoScriptError:
            # Nothing ran, so that sending it again cannot do it twice.
            self._exchange(("SCRIPT", "LOAD", script.text))
            return self._exchange(("EVALSHA", script.sha, *words, *tail))

    def _exchange(self, words: Sequence[Word]) -> Reply:
        try:
            pool = self._open_pool()
            connection = pool.get_connection()
        except (RedisError, OSError) as error:
            self._pool = None
            raise NotSentError(f"cannot connect to {self.endpoint.address}: {error}") from error
        try:
            connection.send_command(*words)
            return connection.read_response(disable_decoding=True)
        except ResponseError:
            raise
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise ReplyLostError(str(error)) from error
        except BaseException:
            # Interrupted in the middle: what comes next on it would be the answer to this.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)

    def _open_pool(self) -> redis.ConnectionPool:
        with self._opening:
            if self._pool is None:
                self.endpoint.prepare()
                self._pool = self.endpoint.pool()
                self._follow_server_clock(self._pool)
            return self._pool

    def _follow_server_clock(self, pool: redis.ConnectionPool) -> None:
        connection = pool.get_connection()
        try:
            before = time.time()
            connection.send_command("TIME")
            seconds, micros = connection.read_response(disable_decoding=True)
            middle = (before + time.time()) / 2
            self._clock.follow(round((int(seconds) + int(micros) / 1e6 - middle) * 1000))
        except BaseException:
            connection.disconnect()
            self._pool = None
            raise
        finally:
            pool.release(connection)
