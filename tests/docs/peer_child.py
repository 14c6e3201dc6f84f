"""Run what a sample of another library imports and defines, but nothing that it calls.

    python peer_child.py sample.py

It has the standard library alone: it runs in the environment of that library. It ends with 3 where a module is missing.
"""

from __future__ import annotations

import ast
import sys
import traceback
from pathlib import Path
from typing import Final

MISSING: Final = 3
_KEPT: Final = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


def definitions(source: str, name: str) -> ast.Module:
    """Return the statements of a sample that define something, without those that await."""
    tree = compile(source, name, "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    tree.body = [each for each in tree.body if isinstance(each, _KEPT) and not _awaits(each)]
    return tree


def _awaits(statement: ast.stmt) -> bool:
    is_definition = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return not is_definition and any(isinstance(node, ast.Await) for node in ast.walk(statement))


def main(file: Path) -> int:
    """Run the sample and return the exit code."""
    sys.path.insert(0, str(file.parent))
    try:
        exec(
            compile(definitions(file.read_text(encoding="utf-8"), file.name), file.name, "exec"), {"__name__": "sample"}
        )
    except ModuleNotFoundError:
        traceback.print_exc()
        return MISSING
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
