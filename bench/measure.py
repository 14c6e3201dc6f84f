"""The command line of one peer's process: make one measurement and print its figures as one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import dataclass
from typing import NoReturn

from bench.asynchronous import AsyncMeasurements
from bench.blocking import BlockingMeasurements
from bench.contract import AsyncPeer, BlockingPeer
from bench.figures import Figures
from bench.meter import Meter


@dataclass
class Request:
    """One measurement that is asked for; `backlog` jobs wait besides those that are measured."""

    url: str
    measurement: str
    jobs: int
    concurrency: int
    backlog: int


def run_async(peer: AsyncPeer) -> None:
    """Measure a peer of the event loop, on uvloop where it is installed."""
    request = read_arguments()
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        finish(runner.run(measure_async(peer, request)), peer.version())


def run_blocking(peer: BlockingPeer) -> None:
    """Measure a peer that blocks."""
    request = read_arguments()
    finish(measure_blocking(peer, request), peer.version())


async def measure_async(peer: AsyncPeer, request: Request) -> Figures:
    """Return what `request` asks for."""
    await peer.open(request.url)
    measurements = AsyncMeasurements(peer, Meter(request.url), request.backlog)
    if request.measurement == "process":
        figures = await measurements.process(request.jobs, request.concurrency)
    else:
        figures = await getattr(measurements, request.measurement)(request.jobs)
    await peer.close()
    return figures


def measure_blocking(peer: BlockingPeer, request: Request) -> Figures:
    """Return what `request` asks for."""
    peer.open(request.url)
    measurements = BlockingMeasurements(peer, Meter(request.url, peer.own_cpu), request.backlog)
    if request.measurement == "process":
        figures = measurements.process(request.jobs, request.concurrency)
    else:
        figures = getattr(measurements, request.measurement)(request.jobs)
    peer.close()
    return figures


def read_arguments() -> Request:
    """Parse the command line of a peer's process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument(
        "--measurement", required=True, choices=["add_single", "add_concurrent", "add_bulk", "process", "pickup"]
    )
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--backlog", type=int, default=0)
    return Request(**vars(parser.parse_args()))


def finish(figures: Figures, version: str) -> NoReturn:
    """Print the figures as the last line of the output and end at once: how a peer stops is not measured."""
    figures.version = version
    print(figures.to_json(), flush=True)
    os._exit(0)


def fastest_loop() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop, or None where it is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
