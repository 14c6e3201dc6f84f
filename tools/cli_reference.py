"""Write what each command of `oxmq` takes into the reference of the command line, from the commands themselves.

python tools/cli_reference.py           write the commands in docs/reference/command-line.md
python tools/cli_reference.py --check   fail if they are not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final

import typer.main
from typer.core import TyperArgument, TyperGroup, TyperOption

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbours only now.
from oxmq.cli.program import program  # noqa: E402 - see above
from tools.page_part import keep, table  # noqa: E402 - see above

PAGE: Final = ROOT / "docs" / "reference" / "command-line.md"
TOOL: Final = "cli_reference"

#: Arguments and options of one command, in the order in which it declares them.
Parameters = list[TyperArgument | TyperOption]


def part() -> str:
    """Return a section for each command, those of groups after the others."""
    command = typer.main.get_command(program)
    assert isinstance(command, TyperGroup)
    return "\n".join(_group("oxmq", command))


def _group(name: str, group: TyperGroup) -> Iterator[str]:
    groups: list[tuple[str, TyperGroup]] = []
    for word, command in group.commands.items():
        if isinstance(command, TyperGroup):
            groups.append((f"{name} {word}", command))
        elif not command.hidden:
            shown = [each for each in command.params if isinstance(each, TyperArgument | TyperOption)]
            yield from _section(f"{name} {word}", command.help or "", [each for each in shown if not each.hidden])
    for full, inner in groups:
        yield from _group(full, inner)


def _section(name: str, words: str, parameters: Parameters) -> Iterator[str]:
    arguments = [each for each in parameters if isinstance(each, TyperArgument)]
    options = [each for each in parameters if isinstance(each, TyperOption)]
    usage = " ".join([name, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])])
    yield from (f"### {name}", "", "```text", usage, "```", "")
    for paragraph in words.split("\n\n"):
        yield from (" ".join(paragraph.split()), "")
    rows = [
        *((f"`{_argument(each)}`", "", each.help or "") for each in arguments),
        *((_spelled(each), _default(each), _meaning(each)) for each in options),
    ]
    if rows:
        yield from table(("", "default", "meaning"), rows)


def _argument(argument: TyperArgument) -> str:
    name = (argument.metavar or argument.name or "").strip("[]") + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _spelled(option: TyperOption) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.opts[0].lstrip('-').replace('-', '_').upper()}"
    return ", ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: TyperOption) -> str:
    default: object = option.default
    if default is True and option.secondary_opts:
        return f"`{option.opts[0]}`"
    if default is None or isinstance(default, bool) or default == "":
        return ""
    return f"`{default.value if isinstance(default, Enum) else default}`"


def _meaning(option: TyperOption) -> str:
    meaning = option.help or ""
    if isinstance(option.default, Enum) and option.show_choices:
        meaning += f" One of {', '.join(str(each.value) for each in type(option.default))}."
    return f"{meaning} May be given several times." if option.multiple and "repeated" not in meaning else meaning


if __name__ == "__main__":
    sys.exit(keep(PAGE, TOOL, part(), sys.argv[1:]))
