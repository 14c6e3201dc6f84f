"""Write the dashboard's types of what the HTTP API answers, from the API's own OpenAPI document."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from oxmq.web import oxmq_web
from tools.setup_node import node_executable

DASHBOARD: Final = Path(__file__).resolve().parent.parent / "dashboard"
TYPES: Final = DASHBOARD / "src" / "api" / "schema.ts"


def write_types(output: Path) -> None:
    """Write the types to a file. The dashboard's packages must be installed: building it does that."""
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder, "openapi.json")
        document.write_text(json.dumps(oxmq_web("redis://localhost").openapi()), encoding="utf-8")
        command = [str(node_executable()), "bundling/types.mjs", str(document), str(output.resolve())]
        subprocess.run(command, cwd=DASHBOARD, check=True)


if __name__ == "__main__":
    write_types(TYPES)
