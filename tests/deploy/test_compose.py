"""The Compose file: it follows the specification, its commands exist, and stopping loses nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any, Final

import pytest

from oxmq.durations import milliseconds
from tests.deploy.commands import longest_end, parse
from tests.deploy.manifests import DEPLOY, read_yaml

COMPOSE: Final = DEPLOY / "compose.yaml"
OURS: Final = ("web", "worker")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(COMPOSE)[0]["services"]
    return found


def test_it_follows_the_specification() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_it_refers_to_is_there(services: dict[str, Any]) -> None:
    volumes = read_yaml(COMPOSE)[0]["volumes"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert source in volumes or (DEPLOY / source).is_dir()
        if build := service.get("build"):
            assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_valkey_keeps_what_was_acknowledged(services: dict[str, Any]) -> None:
    words = services["valkey"]["command"]
    assert words[words.index("--appendonly") + 1] == "yes"
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"


@pytest.mark.parametrize("name", OURS)
def test_the_commands_are_ones_of_oxmq(name: str, services: dict[str, Any]) -> None:
    assert parse(services[name]["command"])["target"] == "app:app"
    assert services[name]["environment"]["OXMQ_URL"] == "redis://valkey:6379"
    assert services[name]["restart"] == "unless-stopped"
    assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_the_worker_may_use_up_its_grace_period(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert milliseconds(worker["stop_grace_period"], "stop") / 1000 > longest_end(worker["command"])


def test_nobody_comes_in_without_a_login_that_was_chosen(services: dict[str, Any]) -> None:
    web = services["web"]
    assert re.match(r"\$\{OXMQ_WEB_LOGINS:\?.+\}", web["environment"]["OXMQ_WEB_LOGINS"])
    assert all(port.startswith("127.0.0.1:") for port in web["ports"])
