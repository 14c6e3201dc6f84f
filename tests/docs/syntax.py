"""Check the syntax of blocks that nothing runs."""

from __future__ import annotations

import ast
import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml

from tests.docs.blocks import Block
from tools.setup_node import node_executable

#: Languages that nothing checks. One that is in neither list is a mistake.
_UNCHECKED: Final = (
    "caddy", "caddyfile", "console", "css", "diff", "dockerfile", "dotenv", "env", "html", "http", "ini", "jinja",
    "lua", "markdown", "nginx", "promql", "shell", "sql", "text", "ts", "typescript", "xml",
)  # fmt: skip


def check_syntax(block: Block) -> None:
    """Raise `ValueError` or `SyntaxError` where a block is not what its fence says."""
    if block.kind == "python":
        compile(block.text, "block", "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    elif block.kind in _CHECKS:
        _CHECKS[block.kind](block.text)
    elif block.kind not in _UNCHECKED:
        raise ValueError(f"what is {block.kind!r}? Known are {', '.join(sorted({*_UNCHECKED, *_CHECKS}))}")


def _check_yaml(text: str) -> None:
    try:
        for _ in yaml.safe_load_all(text):
            pass
    except yaml.YAMLError as error:
        raise ValueError(f"this is not YAML: {error}") from error


def _check_javascript(text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "block.mjs"
        file.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [str(node_executable()), "--check", str(file)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise ValueError(f"this is not JavaScript:\n{done.stderr}")


_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "javascript": _check_javascript,
    "js": _check_javascript,
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": _check_yaml,
}
