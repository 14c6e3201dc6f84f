"""Run the blocks of a page in one namespace: the process behind `tests.docs.interpreter`.

Each line of the standard input is an order in JSON; each is answered by a line on the file descriptor that is given.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import json
import linecache
import os
import sys
import traceback
import types
from pathlib import Path
from typing import Any, Final

_COMMANDS: Final = {"run", "load"}


class Reader:
    """Do what a reader of the page would do at one Python prompt."""

    def __init__(self) -> None:
        self._loop = asyncio.Runner()
        # What the page defines is in the main module, where pickling and annotations look for it.
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        self._names = main.__dict__
        self._imported_by_django: set[str] = set()

    def run(self, page: str, line: int, source: str) -> None:
        """Run a block; one that awaits something runs on the loop, which goes on with the next such block."""
        padded = "\n" * (line - 1) + source
        linecache.cache[page] = (len(padded), None, padded.splitlines(keepends=True), page)
        code = compile(padded, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            self._loop.run(self._awaited(code))
        else:
            exec(code, self._names)

    def load(self, file: str) -> None:
        """Import a file that the page shows, anew where it was imported before."""
        known_before = set(sys.modules)
        _set_up_django()
        self._imported_by_django |= set(sys.modules) - known_before
        name = ".".join(Path(file).with_suffix("").parts)
        if name in self._imported_by_django:  # it is valid, and a model or a task is not to be declared twice
            self._imported_by_django.discard(name)
            return
        for known in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
            del sys.modules[known]
        importlib.invalidate_caches()
        importlib.import_module(name)

    async def _awaited(self, code: types.CodeType) -> None:
        await eval(code, self._names)


def _set_up_django() -> None:
    """Prepare Django where the page shows its settings."""
    found = next(Path.cwd().glob("*/settings.py"), None)
    if found is None or "DJANGO_SETTINGS_MODULE" in os.environ:
        return
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{found.parent.name}.settings"
    importlib.import_module("django").setup()


def main() -> None:
    """Follow orders until there are no more."""
    reader = Reader()
    sys.path.insert(0, str(Path.cwd()))
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as answers:
        for order in sys.stdin:
            wanted: dict[str, Any] = json.loads(order)
            command = wanted.pop("do")
            assert command in _COMMANDS
            try:
                getattr(reader, command)(**wanted)
            except BaseException:  # noqa: BLE001 - whatever a block raises is told
                trouble = traceback.format_exc()
            else:
                trouble = ""
            answers.write(json.dumps(trouble) + "\n")
            answers.flush()
            if trouble:
                return


if __name__ == "__main__":
    main()
    # Threads and loops that the page left open are of no interest.
    sys.stdout.flush()
    os._exit(0)
