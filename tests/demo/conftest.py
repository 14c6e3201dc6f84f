"""Whole demos for the tests that need one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.running_demo import REQUESTS, Demo, StartDemo


@pytest.fixture
def start_demo() -> Iterator[StartDemo]:
    """Start demos; those that still run are ended afterwards."""
    started: list[Demo] = []

    def start(directory: Path, *arguments: str, url: str = "", requests: int = REQUESTS) -> Demo:
        started.append(Demo(directory, *arguments, url=url, requests=requests))
        return started[-1]

    yield start
    for demo in started:
        demo.process.send_signal(signal.SIGTERM)
        demo.process.wait(30)
