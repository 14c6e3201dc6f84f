"""Write the contract of every Lua script, from the scripts' heads."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oxmq.scripts import SCRIPTS, Retry, Script
from tools.page_part import table

_ARGUMENT = re.compile(r"(\S+)\s+(\S+)\s+(\S+)(?:\s+(.+))?")
#: What may be done when the answer was lost, by the retry class.
_RETRY = {
    Retry.READ: "repeat it: it changes nothing",
    Retry.SAFE: "repeat it: the second time changes nothing, or nothing that matters",
    Retry.TOKEN: "the caller repeats it and reads the refusals: the lock's token fences what was done",
    Retry.NEVER: "the caller is told that the outcome is unknown",
}


def part() -> str:
    """Return the table of all scripts, and a section for each."""
    rows = (
        (f"[`{name}`](#{name})", script.header.summary, script.header.retry.value) for name, script in SCRIPTS.items()
    )
    return "\n".join([*table(("script", "what it does", "retry"), rows), *_sections()])


def _sections() -> Iterator[str]:
    for name, script in SCRIPTS.items():
        yield from (f"### `{name}` {{ #{name} }}", "", f"{_sentence(script.header.summary)}", "")
        yield from table(("", "name", "type", "meaning"), _arguments(script))
        yield from table(("", ""), _facts(script))


def _arguments(script: Script) -> Iterator[tuple[str, ...]]:
    for label in ("KEYS", "ARGV"):
        for entry in script.header.entries.get(label, ()):
            found = _ARGUMENT.fullmatch(entry)
            if found is None:
                raise ValueError(f"script {script.name}: {label} {entry!r} is not: number, name, type, meaning")
            yield f"`{label}[{found[1]}]`", f"`{found[2]}`", found[3], _words(found[4] or "")


def _facts(script: Script) -> Iterator[tuple[str, ...]]:
    entries = script.header.entries
    kind, _, meaning = entries["RETURNS"][0].partition(" ")
    yield "returns", f"{kind}: {_words(meaning.strip())}"
    errors = [entry.split(maxsplit=1) for entry in entries["ERRORS"] if entry != "none"]
    yield "refuses with", "<br>".join(f"[`{code}`](errors.md#codes) {_words(why)}" for code, why in errors) or "nothing"
    yield "events", _words(", ".join(entries["EVENTS"]))
    yield "writes", _words(", ".join(entries["WRITES"]))
    yield "cost", _words(", ".join(entries["COST"]))
    retry = script.header.retry
    remark = entries["RETRY"][0].partition(" ")[2].strip()
    yield "answer lost", f"**{retry.value}**: {_words(remark) or _RETRY[retry]}"
    if script.header.flags:
        yield "flags", ", ".join(f"`{flag}`" for flag in script.header.flags)


def _sentence(text: str) -> str:
    return _words(f"{text[0].upper()}{text[1:]}.")


def _words(text: str) -> str:
    """Return words of a head as Markdown: what is in angle brackets is a name, not a tag."""
    return re.sub(r"(<[\w-]+>(?::\w+)?)", r"`\1`", text)
