"""The heads of the Lua scripts: what the parser refuses, and that every script's head is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import oxmq.scripts
from oxmq.errors import job_error
from oxmq.scripts import SCRIPTS, Retry, Script
from oxmq.scripts.header import parse_header

FOLDER = Path(oxmq.scripts.__file__).parent
HEADER = """--- greet: say something
-- KEYS 1 base   str   the base
-- ARGV 1 id     str
-- ARGV 2 text   str   what to say
-- RETURNS       int   0
-- ERRORS -1     no such job
-- ERRORS -6     another token's lock
-- EVENTS        waiting
-- WRITES        <job>
-- COST          O(1)
-- RETRY         safe  it says the same again
-- FLAGS         allow-oom no-cluster
return 0
"""
every_script = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)


def test_reads_every_line() -> None:
    header = parse_header(HEADER)
    assert (header.name, header.summary) == ("greet", "say something")
    assert header.errors == (-1, -6)
    assert header.retry is Retry.SAFE
    assert header.flags == ("allow-oom", "no-cluster")
    assert header.entries["ARGV"] == ("1 id     str", "2 text   str   what to say")


def test_none_means_no_errors_and_no_line_no_flags() -> None:
    lines = [line for line in HEADER.splitlines() if "ERRORS" not in line and "FLAGS" not in line]
    lines.insert(4, "-- ERRORS none")
    header = parse_header("\n".join(lines))
    assert (header.errors, header.flags) == ((), ())


@pytest.mark.parametrize("label", ["KEYS", "RETURNS", "ERRORS", "EVENTS", "WRITES", "COST", "RETRY"])
def test_a_line_that_is_missing_is_named(label: str) -> None:
    source = "\n".join(line for line in HEADER.splitlines() if not line.startswith(f"-- {label}"))
    with pytest.raises(ValueError, match=f"^script 'greet' does not say {label}$"):
        parse_header(source)


@pytest.mark.parametrize("first", ["", "local base = KEYS[1]", "-- greet: say", "--- greet", "--- Greet it: say"])
def test_a_script_without_a_title_is_refused(first: str) -> None:
    with pytest.raises(ValueError, match="a script begins with"):
        parse_header(f"{first}\n{HEADER}")


def test_an_unknown_retry_class_is_refused() -> None:
    with pytest.raises(ValueError, match="perhaps"):
        parse_header(HEADER.replace("safe", "perhaps"))


def test_lines_after_the_head_are_not_read() -> None:
    assert parse_header(HEADER + "-- ERRORS -9   no\n").errors == (-1, -6)


@every_script
def test_a_scripts_file_has_its_name(script: Script) -> None:
    assert (FOLDER / f"{script.name}.lua").exists()
    assert len(SCRIPTS) == len(list(FOLDER.glob("*.lua")))


FUNCTION = re.compile(r"^(?:local function (\w+)|(\w+) = function)\(.*?^end", re.MULTILINE | re.DOTALL)
#: Where a code is given back: by a `return`, alone or as the first of a list, or by an entry of the reply's list.
GIVEN_BACK = re.compile(r"(?:\breturn\b|\w\] =)(.*)")
CODE = re.compile(r"(?:^|\{|\breturn\b|\band\b|\bor\b)\s*(-\d+)\b")
EVENT = re.compile(r'(?:\bemit\(\w+, |\bemit_capped\(\w+, \w+(?:\[\w+\]|\(\w+\))?, |"event", )"([a-z-]+)"')


def code_of(file: Path) -> str:
    """Return a script's text without its comments."""
    return re.sub(r"--[^\n]*", "", file.read_text())


def functions_of(text: str) -> dict[str, str]:
    """Return the functions that a text defines at its outermost level."""
    return {match[1] or match[2]: match[0] for match in FUNCTION.finditer(text)}


def library_of(script: Script) -> dict[str, str]:
    """Return the functions of everything that a script includes, but those that it defines anew."""
    pending, seen = [FOLDER / f"{script.name}.lua"], set[Path]()
    while pending:
        file = pending.pop()
        if file not in seen:
            seen.add(file)
            pending += [FOLDER / "lib" / f"{piece}.lua" for piece in re.findall(r"--@include (\w+)", file.read_text())]
    own = functions_of(code_of(FOLDER / f"{script.name}.lua"))
    shared = (functions_of(code_of(file)) for file in seen if file.parent.name == "lib")
    return {name: body for functions in shared for name, body in functions.items() if name not in own}


def used(text: str, library: dict[str, str], pattern: str) -> list[str]:
    """Return `text`, and whatever functions of the library it reaches where `pattern`, of a name, says."""
    texts, pending, seen = [text], [text], set[str]()
    while pending:
        for name in re.findall(pattern, pending.pop()):
            if name in library and name not in seen:
                seen.add(name)
                texts.append(library[name])
                pending.append(library[name])
    return texts


def codes_in(text: str) -> set[int]:
    return {int(code) for line in text.splitlines() for tail in GIVEN_BACK.findall(line) for code in CODE.findall(tail)}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("if gone then return -1 end", {-1}),
        ("if gone then return -1 else return -12 end", {-1, -12}),
        ("return { -5, row }", {-5}),
        ("ids[row] = -5", {-5}),
        ("ids[row + 1] = lost and -7 or -5", {-5, -7}),
        ("codes[row] = refusal(run) or -3", {-3}),
        ("local due = emptied and next_due(base) or -1", set[int]()),
        ('local all = redis.call("LRANGE", key, 0, -1)', set[int]()),
        ('return redis.call("ZRANGE", key, 0, -1)', set[int]()),
        ('if redis.call("PTTL", key) == -1 then return 0 end', set[int]()),
        ('return redis.call("PTTL", key) == -1 and found', set[int]()),
        ('return limited, "-1", {}', set[int]()),
    ],
)
def test_a_code_is_told_from_other_numbers(text: str, codes: set[int]) -> None:
    assert codes_in(text) == codes


@every_script
def test_every_negative_code_that_a_script_returns_is_in_its_head(script: Script) -> None:
    own = code_of(FOLDER / f"{script.name}.lua")
    handed_on = used(own, library_of(script), r"\breturn (\w+)\(")
    assert set[int]().union(*map(codes_in, handed_on)) == set(script.header.errors)


@every_script
def test_every_code_stands_for_an_error(script: Script) -> None:
    for code in script.header.errors:
        error = job_error(code, job_id="7", queue="q", operation=script.name)
        assert not str(error).startswith("Unknown code")


@every_script
def test_every_event_of_the_head_is_written_and_no_other(script: Script) -> None:
    listed = re.sub(r"\s*\([^)]*\)", "", script.header.entries["EVENTS"][0])
    text = "\n".join(used(code_of(FOLDER / f"{script.name}.lua"), library_of(script), r"\w+"))
    written: set[str] = set(EVENT.findall(text))
    if 'run.outcome, "jobId"' in text:
        written |= {"completed", "failed"}
    assert sorted(re.split(r",\s*", listed)) == (sorted(written) or ["none"])


@every_script
def test_a_script_that_only_reads_is_flagged_so_and_writes_nothing(script: Script) -> None:
    reads = script.header.retry is Retry.READ
    assert ("no-writes" in script.header.flags) == reads == (script.header.entries["WRITES"][0] == "none")
    commands = set(re.findall(r'redis\.call\("([A-Z]+)"', script.text))
    assert not (reads and commands & {"SET", "HSET", "DEL", "ZADD", "SADD", "LPUSH", "RPUSH", "XADD", "INCR"})


@every_script
def test_arguments_are_counted_from_one_without_a_gap(script: Script) -> None:
    numbers = [line.split()[0] for line in script.header.entries.get("ARGV", ())]
    assert [number.rstrip(".") for number in numbers] == [str(at) for at in range(1, len(numbers) + 1)]
    assert [number for number in numbers[:-1] if number.endswith("..")] == []


@every_script
def test_a_script_asks_the_server_for_neither_time_nor_chance(script: Script) -> None:
    asked = re.findall(r'"TIME"|math\.random|"KEYS"|"SCAN"', script.text)
    # Who leads is a matter of one clock, whatever those of the workers say.
    assert asked == (['"TIME"'] if script.name == "lead" else [])


@every_script
def test_a_script_has_tests_of_its_own(script: Script) -> None:
    assert (Path(__file__).parents[1] / "scripts" / f"test_{script.name}.py").exists()
