"""Run a real Prometheus, and have its own program check files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import yaml

from tests.deploy.manifests import DEPLOY
from tests.support.servers import free_port
from tests.support.waiting import eventually_sync
from tools import setup_prometheus

MONITORING: Final = DEPLOY / "monitoring"


def program(name: str) -> Path:
    """Return one of Prometheus' programs."""
    found = setup_prometheus.program(name)
    assert found is not None, f"there is no {name}; run tools/setup_prometheus.py"
    return found


def promtool(*words: str | Path, given: str = "") -> str:
    """Run promtool, which must be content, and return what it says."""
    run = subprocess.run(
        [program("promtool"), *words], input=given, capture_output=True, text=True, check=False, cwd=MONITORING
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def rules(**changes: Any) -> dict[str, Any]:
    """Return the file of rules with changes to each rule; None takes something off."""
    found: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    for group in found["groups"]:
        group["rules"] = [
            {name: value for name, value in {**rule, **changes}.items() if value is not None} for rule in group["rules"]
        ]
    return found


class Prometheus:
    """Run a server in a folder until the end of a ``with`` block.

    Args:
        targets: what it scrapes, every second, as ``host:port``, by the job's name.
        rules: the rules that it evaluates, every second.
    """

    def __init__(self, folder: Path, targets: dict[str, str], rules: dict[str, Any]) -> None:
        self._folder = folder
        self._url = f"http://127.0.0.1:{free_port()}"
        jobs = [{"job_name": name, "static_configs": [{"targets": [at]}]} for name, at in targets.items()]
        self._write("rules.yaml", rules)
        self._write(
            "prometheus.yaml",
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yaml"],
                "scrape_configs": jobs,
            },
        )

    def __enter__(self) -> Self:
        address = self._url.removeprefix("http://")
        self._log = (self._folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                program("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
                f"--web.listen-address={address}",
            ],
            cwd=self._folder, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        eventually_sync(self._is_ready, 60)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def alerts(self) -> set[tuple[str, str]]:
        """Return the alerts that are firing: each one's name, and its queue or nothing."""
        found = self._get("alerts")["alerts"]
        return {
            (alert["labels"]["alertname"], alert["labels"].get("queue", ""))
            for alert in found
            if alert["state"] == "firing"
        }

    def value(self, expression: str) -> float | None:
        """Return the value of an expression now; None where there is none."""
        found = self._get("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def _get(self, path: str, **params: str) -> Any:
        answer = httpx2.get(f"{self._url}/api/v1/{path}", params=params, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text(errors="replace")
        try:
            return httpx2.get(f"{self._url}/-/ready", timeout=2).status_code == 200
        except httpx2.TransportError:
            return False

    def _write(self, name: str, content: dict[str, Any]) -> None:
        (self._folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
