"""What is not installed is named, with the command that installs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import ROOT


@pytest.mark.parametrize("library", ["sqlalchemy", "django"])
def test_a_missing_library_is_named(library: str) -> None:
    program = f"import sys; sys.modules[{library!r}] = None; import oxmq.outbox.{library}"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    last = answer.stderr.splitlines()[-1]
    assert last.startswith("ImportError: the outbox for ")
    assert last.endswith(f'pip install "oxmq[{library}]"')
