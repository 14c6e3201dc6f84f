"""Bring a Flask application and an `Oxmq` together."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, cast
from weakref import ReferenceType, WeakKeyDictionary, ref

from flask import Flask, Response, current_app

from oxmq.app import Oxmq
from oxmq.client.job import Job
from oxmq.errors import BackendError, ConfigurationError, OutcomeUnknownError
from oxmq.integrations.accepted import AddedJob, accepted_body, job_url
from oxmq.integrations.flask.commands import commands
from oxmq.worker.middleware import CallNext

#: The extension's name in `Flask.extensions`.
EXTENSION = "oxmq"
#: After how many seconds a client should ask again when Redis does not answer.
_RETRY_AFTER = 2


class OxmqFlask:
    """Make an `Oxmq` a part of a Flask application; `init_app` does it for an application factory.

    Jobs run in the application's context, in ``async def`` tasks and in threads; those that run in a process or in a
    pod do not. Views add jobs with ``task.enqueue_sync``, which needs no event loop and may be called by any thread.

    Configuration:
        ``OXMQ_URL``: where the server is, in place of the address that the `Oxmq` was made with.
        ``OXMQ_WEB_URL``: where ``oxmq web`` is found by clients, as in ``/oxmq``: see `accepted`.

    Args:
        flask_app: the application; None to give it to `init_app`.
        oxmq_app: the tasks and the connection.
    """

    def __init__(self, flask_app: Flask | None = None, oxmq_app: Oxmq | None = None) -> None:
        self._oxmq = oxmq_app
        if flask_app is not None:
            self.init_app(flask_app)

    @property
    def oxmq(self) -> Oxmq:
        """Return the `Oxmq`.

        Raises:
            ConfigurationError: there is none yet.
        """
        if self._oxmq is None:
            raise ConfigurationError("OxmqFlask has no Oxmq: give it one, as in OxmqFlask(flask_app, oxmq_app)")
        return self._oxmq

    def init_app(self, flask_app: Flask, oxmq_app: Oxmq | None = None) -> None:
        """Make the `Oxmq` a part of an application. Of several applications, jobs run in the context of the last one.

        Raises:
            ConfigurationError: there is no `Oxmq`, or ``OXMQ_URL`` is not acceptable.
        """
        self._oxmq = oxmq_app or self._oxmq
        if url := _configured(flask_app, "OXMQ_URL"):
            self.oxmq.move(url)
        flask_app.extensions[EXTENSION] = self
        flask_app.register_error_handler(BackendError, _unreachable)
        flask_app.cli.add_command(commands)
        _context_of(self.oxmq).flask_app = flask_app


class _AppContext:
    """Run each job in the context of a Flask application: a middleware.

    That of a plain function is entered and left in the function's own thread, where its sessions and connections are
    that what is torn down with it closes; and where tearing down holds nobody up.
    """

    flask_app: Flask

    def __init__(self, oxmq_app: Oxmq) -> None:
        self._tasks = oxmq_app.tasks
        oxmq_app.thread_contexts.append(self._enter)

    async def __call__(self, job: Job[Any], call_next: CallNext) -> object:
        task = self._tasks.get((job.queue_name, job.name))
        if task is None or not task.is_async:
            return await call_next(job)
        with self._enter():
            return await call_next(job)

    def _enter(self) -> AbstractContextManager[object]:
        return self.flask_app.app_context()


#: Of each `Oxmq` its one middleware, however often a factory makes Flask applications for it. Weak on both sides, for
#: what the middleware refers to refers to the `Oxmq`.
_contexts: WeakKeyDictionary[Oxmq, ReferenceType[_AppContext]] = WeakKeyDictionary()


def _context_of(oxmq_app: Oxmq) -> _AppContext:
    known = _contexts.get(oxmq_app)
    context = None if known is None else known()
    if context is None:
        context = oxmq_app.middleware(_AppContext(oxmq_app))
        _contexts[oxmq_app] = ref(context)
    return context


def accepted(job: AddedJob, *, location: str | None = None) -> Response:
    """Return the answer to a request whose work is now a job: 202, its id and queue, and where it can be followed.

    Args:
        job: the job.
        location: where it can be followed, such as ``url_for("show_job", job_id=job.id)``; when not given, in the HTTP
            API that is found at the configured ``OXMQ_WEB_URL``.

    Raises:
        ConfigurationError: there is neither.
    """
    if location is None:
        base = _configured(current_app, "OXMQ_WEB_URL")
        if base is None:
            raise ConfigurationError(
                "accepted() cannot say where the job is: configure OXMQ_WEB_URL, or give location="
            )
        location = job_url(base, job)
    return _json(accepted_body(job), 202, {"Location": location})


def _configured(flask_app: Flask, name: str) -> str | None:
    config = cast("dict[str, Any]", flask_app.config)
    value: object = config.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"the configuration's {name} must be text, not {type(value).__name__}")
    return value


def _unreachable(error: Exception) -> Response:
    current_app.logger.warning("%s", error)
    status = HTTPStatus.SERVICE_UNAVAILABLE
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": str(error)}
    if isinstance(error, OutcomeUnknownError):
        body["outcome"] = "unknown"
    return _json(body, status, {"Retry-After": str(_RETRY_AFTER)}, "application/problem+json")


def _json(body: object, status: int, headers: dict[str, str], media_type: str = "application/json") -> Response:
    return Response(json.dumps(body), status, headers, content_type=media_type)
