"""The loading of the Lua scripts: shared pieces once and before their users, circles and gaps refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import oxmq.scripts as scripts
from oxmq.scripts import SCRIPTS, Script

LIBRARY = {
    "one": "local one = 1",
    "two": "--@include one\nlocal two = one + one",
    "three": "--@include one\n--@include two\nlocal three = one + two",
    "self": "--@include self",
    "ping": "--@include pong",
    "pong": "--@include ping",
    "gap": "--@include nowhere",
}


def compose(source: str) -> list[str]:
    return scripts._compose(source, LIBRARY).splitlines()  # pyright: ignore[reportPrivateUsage]


def test_pieces_come_once_and_before_their_users() -> None:
    assert compose("--@include three\n--@include two\n--@include one\nreturn three") == [
        "local one = 1",
        "local two = one + one",
        "local three = one + two",
        "return three",
    ]


def test_comments_and_blank_lines_are_not_sent() -> None:
    assert compose("--- title: x\n-- KEYS\n\n  -- why\nreturn 1 -- kept") == ["return 1 -- kept"]


@pytest.mark.parametrize(("piece", "circle"), [("self", "self > self"), ("ping", "ping > pong > ping")])
def test_a_circle_is_refused_and_shown(piece: str, circle: str) -> None:
    with pytest.raises(ValueError, match=f"circle: {circle}"):
        compose(f"--@include {piece}")


def test_a_missing_piece_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no shared piece is called 'nowhere'"):
        compose("--@include gap")


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_is_known_by_the_hash_of_its_text(script: Script) -> None:
    assert script.text.startswith("#!lua")
    assert script.sha == hashlib.sha1(script.text.encode()).hexdigest()
    assert repr(script) == f"<Script {script.name}>"


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_flags_are_in_the_shebang(script: Script) -> None:
    first = script.text.splitlines()[0]
    assert first == ("#!lua" + (f" flags={','.join(script.header.flags)}" if script.header.flags else ""))


def test_every_shared_piece_is_used() -> None:
    folder = Path(scripts.__file__).parent
    text = "\n".join(file.read_text() for file in folder.rglob("*.lua"))
    assert [file.stem for file in (folder / "lib").glob("*.lua") if f"--@include {file.stem}\n" not in text] == []
