"""A real control plane with one node for the whole session, and a namespace of its own for every test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.kubernetes.api import Api
from tests.kubernetes.clusters import stage
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.node_agent import NodeAgent
from tests.kubernetes.stage import heavy, heavy_environment
from tools import setup_kubernetes

#: Fixtures that stand elsewhere are for the tests to find.
__all__ = ["api", "control_plane", "heavy", "heavy_environment", "namespace", "node", "stage"]


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Run one control plane for all tests of this folder; those that stop it start it again."""
    if setup_kubernetes.is_given():
        pytest.skip("stops the API server, and so needs a control plane of its own")
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def node(control_plane: ControlPlane) -> Iterator[NodeAgent]:
    """Run the node on which the pods of all tests run."""
    with NodeAgent(control_plane) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Return a fresh namespace; what is in it ends with the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(name)
    yield name
    control_plane.remove_namespace(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """Return a connection of the administrator."""
    async with control_plane.api() as opened:
        yield opened
