"""Compare the names of oxmq with those of BullMQ, name by name.

python tools/parity.py           write docs/reference/parity.md
python tools/parity.py --check   fail if a name has no entry, an entry no name, or the page is not what would be written

What BullMQ has is read from its published type declarations. What oxmq has instead, or why it has nothing, stands in
``tools/parity_map``: a table there gathers declarations, and has an entry for each of their members (``names``) or for
the declarations themselves (``exports``). An entry is a name of oxmq, several, or an object:

    own     the name or names; one that begins with a dot or a bracket goes on from the table's own name
    note    what a reader should know
    why     why there is none
    later   why there is none yet
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbours only now.
from tools.declarations import Declaration, Member, Package  # noqa: E402 - see above
from tools.own_names import UnknownNameError, look_up  # noqa: E402 - see above
from tools.setup_node import package_folder  # noqa: E402 - see above

VERSION: Final = "6.7.0"
MAP: Final = ROOT / "tools" / "parity_map"
PAGE: Final = ROOT / "docs" / "reference" / "parity.md"

#: What stands where oxmq has no counterpart.
NOTHING: Final = "-"
#: The parts of the page, each a file of the map.
PARTS: Final = ("queue", "worker", "job", "flows", "events", "options", "connections", "errors", "exports")


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """Say what stands for one name of BullMQ: names of ours, or the reason why there are none."""

    own: str | tuple[str, ...] = ()
    note: str = ""
    why: str = ""
    later: str = ""


Written = str | tuple[str, ...] | Entry


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """Hold the entries for some declarations: of their members, or of themselves.

    Attributes:
        own: what names that begin with a dot or a bracket go on from.
        declared: whose members these are.
        qualified: whether members are called by the names of their declarations, too.
    """

    title: str
    intro: str = ""
    own: str = ""
    declared: tuple[str, ...] = ()
    qualified: bool = False
    names: dict[str, Written] = {}
    exports: dict[str, Written] = {}


class Outside(Struct, frozen=True, forbid_unknown_fields=True):
    """Say why declarations, named one by one or by their modules, have no table."""

    why: str
    names: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Hold one file of the map."""

    table: tuple[Table, ...] = ()
    outside: tuple[Outside, ...] = ()


class Row(Struct, frozen=True):
    """Hold one line of a table: cells as they are printed, and what is wrong with it."""

    name: str
    own: str
    remark: str
    missing: tuple[str, ...] = ()


class Comparison(Struct, frozen=True):
    """Hold every row, and every name that one side lacks."""

    tables: tuple[tuple[Table, tuple[Row, ...]], ...]
    outside: tuple[Outside, ...]
    problems: tuple[str, ...]


def read_map() -> Part:
    """Return all files of the map as one."""
    texts = [(MAP / f"{part}.toml").read_text(encoding="utf-8") for part in PARTS]
    parts = [msgspec.convert(tomllib.loads(text), Part) for text in texts]
    return Part(
        table=tuple(table for part in parts for table in part.table),
        outside=tuple(outside for part in parts for outside in part.outside),
    )


def read_package() -> Package:
    """Return the declarations of the installed package."""
    return Package(package_folder(VERSION) / "node_modules" / "bullmq" / "dist" / "esm" / "index.d.ts")


def compare(package: Package, chart: Part) -> Comparison:
    """Return every row of the map, and what does not fit the package or oxmq."""
    tables = tuple((table, tuple(_rows(package, table))) for table in chart.table)
    rows = [(table.title, row) for table, rows in tables for row in rows]
    lacking = [f"{title}: {row.name}: oxmq has no {name}" for title, row in rows for name in row.missing]
    problems = [problem for table in chart.table for problem in _misfits(package, table)]
    return Comparison(tables, chart.outside, (*problems, *_uncovered(package, chart), *lacking))


def _rows(package: Package, table: Table) -> Iterator[Row]:
    for member in _members(package, table):
        if member.name in table.names:
            yield _row(_spelled(member), table.names[member.name], table.own, is_deprecated=member.is_deprecated)
    for name, written in table.exports.items():
        yield _row(f"`{name}`", written, table.own)


def _row(name: str, written: Written, base: str, *, is_deprecated: bool = False) -> Row:
    entry = written if isinstance(written, Entry) else Entry(own=written)
    shown, missing = list[str](), list[str]()
    for own in (entry.own,) if isinstance(entry.own, str) else entry.own:
        try:
            shown.append(_shown(own, base))
        except UnknownNameError as error:
            shown.append(f"`{own}`")
            missing.append(str(error))
    remark = entry.note or entry.why or (f"Not yet: {entry.later}" if entry.later else "")
    if is_deprecated:
        remark = f"Deprecated in BullMQ. {remark}".strip()
    return Row(name, ", ".join(shown) or NOTHING, remark, tuple(missing))


def _shown(own: str, base: str) -> str:
    if not own.startswith((".", "(")):
        return f"`{look_up(own)}`"
    found = look_up(base + own).removeprefix(base)
    return f"`{found.removeprefix('.')}`" if own.startswith(".") else f"`{found[1:-1]}`"


def _spelled(member: Member) -> str:
    name, *inner = member.name.split(".") if member.is_argument else [member.name]
    if inner:
        return f"`{name}({{ {'.'.join(inner)} }})`"
    return f"`{name}()`" if member.is_method else f"`{name}`"


def _members(package: Package, table: Table) -> list[Member]:
    """Return the members of a table's declarations; what is inside of one that oxmq lacks needs no entry."""
    found: dict[str, Member] = {}
    for declared in _declared(package, table):
        prefix = f"{declared.name}." if table.qualified else ""
        found.update((prefix + member.name, replace(member, name=prefix + member.name)) for member in declared.members)
    skipped = tuple(f"{name}." for name, entry in table.names.items() if isinstance(entry, Entry) and not entry.own)
    return [member for name, member in found.items() if not name.startswith(skipped)]


def _declared(package: Package, table: Table) -> list[Declaration]:
    return [package.exported[name] for name in table.declared if name in package.exported]


def _misfits(package: Package, table: Table) -> Iterator[str]:
    names = {member.name for member in _members(package, table)}
    for name in sorted(names ^ set(table.names)):
        yield f"{table.title}: {name} {'has no entry' if name in names else 'is not in the declarations'}"
    for name in sorted({*table.declared, *table.exports} - set(package.exported)):
        yield f"{table.title}: BullMQ exports no {name}"
    for name, written in {**table.names, **table.exports}.items():
        if isinstance(written, Entry) and bool(written.own) + bool(written.why) + bool(written.later) != 1:
            yield f"{table.title}: {name}: an entry has one of: own, why, later"


def _uncovered(package: Package, chart: Part) -> Iterator[str]:
    """Yield what is exported, or a parent of what has a table, and stands nowhere in the map."""
    told = {name for table in chart.table for name in (*table.declared, *table.exports)}
    told |= {name for outside in chart.outside for name in outside.names}
    patterns = [pattern for outside in chart.outside for pattern in outside.modules]
    by_module = {name for name, found in package.exported.items() if _matches(found.module, patterns)}
    parents = {base for table in chart.table for found in _declared(package, table) for base in found.bases}
    for name in sorted({*package.exported, *parents} - told - by_module):
        yield f"exported: {name} stands in no table and has no reason"
    for pattern in patterns:
        if not any(_matches(found.module, [pattern]) for found in package.exported.values()):
            yield f"outside: no module is called {pattern}"
    for name in sorted({name for outside in chart.outside for name in outside.names}):
        if name not in package.exported and name not in parents:
            yield f"outside: BullMQ exports no {name}"


def _matches(module: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(module, pattern) for pattern in patterns)


def page(comparison: Comparison) -> str:
    """Return the text of the page."""
    owns = [row.own for _, rows in comparison.tables for row in rows]
    had = len(owns) - owns.count(NOTHING)
    lines = [
        "# BullMQ and oxmq, name by name",
        "",
        f"Every public name of BullMQ {VERSION} for Node, read from its type declarations, and what oxmq has for it.",
        f"Of {len(owns)} names {had} have a counterpart, which a program has looked up; the others have a reason.",
        'Durations are seconds, `timedelta` or text such as `"10m"`, instants are `datetime`; what asks Redis is'
        " awaited, and `oxmq.sync` has the same names for code that cannot await.",
        "",
    ]
    for table, rows in comparison.tables:
        lines += _section(table, rows)
    lines += ["## Left out", "", "| BullMQ | why |", "|---|---|"]
    lines += [f"| {_left_out(outside)} | {outside.why} |" for outside in comparison.outside]
    written = "<!-- Written by tools/parity.py from tools/parity_map; change that, not this. -->"
    return "\n".join([*lines, "", written, ""])


def _section(table: Table, rows: Iterable[Row]) -> Iterator[str]:
    yield from (f"## {table.title}", "")
    if table.intro:
        yield from (table.intro.strip(), "")
    yield from ("| BullMQ | oxmq | remarks |", "|---|---|---|")
    # What has a counterpart comes first; both halves keep the order of the declarations.
    for row in sorted(rows, key=lambda row: row.own == NOTHING):
        yield f"| {row.name} | {row.own} | {row.remark} |"
    yield ""


def _left_out(outside: Outside) -> str:
    names = [f"`{name}`" for name in outside.names]
    return ", ".join([*names, *(f"all of `{module}`" for module in outside.modules)])


def main(arguments: list[str]) -> int:
    """Write or check the page; say what is wrong, and return whether anything is."""
    comparison = compare(read_package(), read_map())
    text = page(comparison)
    problems = list(comparison.problems)
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        problems.append(f"{PAGE.relative_to(ROOT)} is not what {Path(__file__).name} writes; run it")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
