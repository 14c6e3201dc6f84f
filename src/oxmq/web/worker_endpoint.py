"""Serve what surrounds a worker process: probes that ask how it is, its metrics, and orders to take no more jobs."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Generator
from typing import Final, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oxmq.app_worker import AppWorker
from oxmq.web.serve import address_of, listen

#: How long one request may wait for running jobs, in seconds.
LONGEST_WAIT: Final = 86_400.0
#: What browsers send with the requests that a page makes. Probes and hooks of a container send none of it.
_FROM_A_PAGE: Final = ("origin", "sec-fetch-site")
#: How long requests may take after the worker has ended, in seconds.
_GRACE: Final = 5


class Metrics(Protocol):
    """Be what a worker is measured with: see `oxmq.telemetry.prometheus.JobMetrics`."""

    @property
    def content_type(self) -> str:
        """Return what an answer with the text calls its content."""
        ...

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        ...


class WorkerEndpoint:
    """Serve the probes of a worker, and drain it when asked. Building one listens, and answers nothing yet.

    Args:
        metrics: what the worker is measured with; None where it is not.

    Whoever reaches it can drain the worker: listen where only this host, or the container's own network, comes in.

    Raises:
        ConfigurationError: the address cannot be listened at.
    """

    def __init__(self, worker: AppWorker, host: str, port: int, metrics: Metrics | None = None) -> None:
        self._worker = worker
        self._metrics = metrics
        self._listeners = listen(host, port)
        self.address = address_of(host, self._listeners[0])

    async def run(self) -> None:
        """Run the worker until it is told to stop, and answer from before its start until after its end."""
        config = uvicorn.Config(
            worker_endpoint(self._worker, self._metrics),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        server = _Server(config)
        serving = asyncio.get_running_loop().create_task(server.serve(self._listeners))
        try:
            await self._worker.run()
        finally:
            server.should_exit = True
            await serving


def worker_endpoint(worker: AppWorker, metrics: Metrics | None = None) -> Starlette:
    """Return the application that answers for a worker in the same process.

    ``GET /health/live`` is 503 when a restart would help, ``GET /health/ready`` is 503 when no jobs are taken;
    ``/drain`` (GET too, for hooks that know nothing else) and ``POST /undrain``. ``GET /metrics`` is for Prometheus,
    and 501 where nothing is measured.
    """
    answers = _Answers(worker, metrics)
    return Starlette(
        routes=[
            Route("/health/live", answers.is_live),
            Route("/health/ready", answers.is_ready),
            Route("/metrics", answers.tell_metrics),
            Route("/drain", answers.drain, methods=["GET", "POST"]),
            Route("/undrain", answers.undrain, methods=["POST"]),
        ]
    )


class _Answers:
    """Answer for one worker."""

    def __init__(self, worker: AppWorker, metrics: Metrics | None) -> None:
        self._worker = worker
        self._metrics = metrics

    async def is_live(self, _: Request) -> JSONResponse:
        return _health(await self._worker.why_stuck())

    async def is_ready(self, _: Request) -> JSONResponse:
        return _health(self._worker.why_not_ready())

    async def tell_metrics(self, _: Request) -> Response:
        if self._metrics is None:
            return _refusal(501, 'metrics need prometheus-client: pip install "oxmq[prometheus]"')
        self._worker.health()  # so that what is told of it is of this moment
        return Response(self._metrics.text(), media_type=self._metrics.content_type)

    async def drain(self, request: Request) -> JSONResponse:
        if _is_from_a_page(request):
            return _refusal(403, "no web page may drain a worker")
        try:
            wait = _read_wait(request)
        except ValueError as error:
            return _refusal(400, str(error))
        await self._worker.pause(wait=False)
        if wait:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._worker.pause()
        return self._state(draining=True)

    async def undrain(self, request: Request) -> JSONResponse:
        if _is_from_a_page(request):
            return _refusal(403, "no web page may resume a worker")
        if self._worker.is_stopping:
            return _refusal(409, "the worker is stopping")
        self._worker.resume()
        return self._state(draining=False)

    def _state(self, *, draining: bool) -> JSONResponse:
        return JSONResponse({"draining": draining, "running": self._worker.running})


class _Server(uvicorn.Server):
    """Leave the signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _health(reason: str) -> JSONResponse:
    if reason:
        return JSONResponse({"status": "unavailable", "reason": reason}, 503)
    return JSONResponse({"status": "ok"})


def _refusal(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status)


def _is_from_a_page(request: Request) -> bool:
    return any(name in request.headers for name in _FROM_A_PAGE)


def _read_wait(request: Request) -> float:
    if unknown := set(request.query_params) - {"wait"}:
        raise ValueError(f"there is no parameter {min(unknown)!r:.80}; there is wait")
    text = request.query_params.get("wait", "0")
    try:
        wait = float(text)
    except ValueError:
        wait = math.nan
    if not 0 <= wait <= LONGEST_WAIT:
        raise ValueError(f"wait must be a number of seconds, {LONGEST_WAIT:.0f} at most, not {text!r:.80}")
    return wait
