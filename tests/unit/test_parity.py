"""The comparison with BullMQ: it reads declarations, looks names up, and notices what is missing on either side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.declarations import Declaration, DeclarationError, Member, Package, read_module
from tools.own_names import UnknownNameError, look_up
from tools.parity import Entry, Outside, Part, Table, compare, page

QUEUE = """
import { Base } from './base';
/** Not a declaration: class Hidden {} */
export declare class Queue<T = () => void, R extends string = 'a;b'> extends Base<Array<T>> implements Other<R> {
    /** Many `{` brackets. */
    readonly name: string;
    private secret?: { a: number; };
    protected guarded(): void;
    /** @internal */
    inside: string;
    opts: { streams: { max?: number; }; };
    constructor(name: string, opts?: { size: number; });
    add(name: T, { depth }?: { depth?: number; }, ...rest: Array<{ x: 1; }>): Promise<{ id: string; }>;
    add(name: R): void;
    /** @deprecated use add */
    get old(): string;
    set old(value: string);
    static get: (key: string) => string;
    'a-b': () => void;
    [key: string]: unknown;
    (call: string): void;
    #hidden: number;
}
"""


def members_of(text: str) -> dict[str, Member]:
    [declaration] = read_module(text, "queue").declarations
    return {member.name: member for member in declaration.members}


def test_public_members_are_found() -> None:
    assert list(members_of(QUEUE)) == [
        "name", "opts", "opts.streams", "opts.streams.max", "constructor", "constructor.size", "add", "add.depth",
        "old", "static get", "a-b",
    ]  # fmt: skip


def test_members_know_what_they_are() -> None:
    members = members_of(QUEUE)
    assert [name for name, member in members.items() if member.is_method] == ["constructor", "add"]
    assert [name for name, member in members.items() if member.is_argument] == ["constructor.size", "add.depth"]
    assert [name for name, member in members.items() if member.is_deprecated] == ["old"]


@pytest.mark.parametrize(
    ("text", "bases", "members"),
    [
        (QUEUE, ("Base",), None),
        ("export interface A extends B<C>, Omit<D, 'x'> { a: 1; }", ("B", "D"), ["a"]),
        ("interface A { a?: 1, b: 2 }", (), ["a", "b"]),
        ("export type A = B & { a: 1; } | Partial<C>;", ("B", "C"), ["a"]),
        ("export type A<T extends { no: 1 }> = { a: T; };", (), ["a"]),
        ("export declare const enum A { One = 1, Two = 'two' }", (), ["One", "Two"]),
        ("export declare abstract class A { abstract a: 1; readonly: 1; get: 1; }", (), ["a", "readonly", "get"]),
        ("export declare function A(a: { b: 1; }): void;", (), []),
        ("export declare const A: { a: 1; };", (), []),
    ],
)
def test_declarations_of_every_kind_are_read(text: str, bases: tuple[str, ...], members: list[str] | None) -> None:
    [declaration] = read_module(text, "module").declarations
    assert declaration.bases == bases
    assert members is None or [member.name for member in declaration.members] == members


@pytest.mark.parametrize("text", ["export interface A { a: (; }", "}", "interface A", "export = a;", "label: a;"])
def test_what_is_no_declaration_file_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError):
        read_module(text, "module")


def test_names_are_followed_through_the_files(tmp_path: Path) -> None:
    files = {
        "index.d.ts": "export * from './part';\nexport { A, B as C } from './named';\nexport { x } from 'node:x';",
        "part/index.d.ts": "export * from '../queue';\nexport {};",
        "queue.d.ts": "export interface Queue {}\ninterface Hidden {}\ndeclare const q: Queue;\nexport default q;",
        "named.d.ts": "export interface A {}\nexport interface B {}\nexport interface D {}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    exported = Package(tmp_path / "index.d.ts").exported
    assert {name: (found.name, found.module) for name, found in exported.items()} == {
        "Queue": ("Queue", "queue"), "A": ("A", "named"), "C": ("B", "named"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Queue.add", "Queue.add()"),
        ("Queue", "Queue"),
        ("Job.name", "Job.name"),
        ("JobOptions.delay", "JobOptions.delay"),
        ("QueueEvents.last_event_id", "QueueEvents.last_event_id"),
        ("Worker(concurrency)", "Worker(concurrency=)"),
        ("Queue.add(delay)", "Queue.add(delay=)"),
        ("exponential(jitter)", "exponential(jitter=)"),
        ('Worker.on("failed")', 'Worker.on("failed")'),
        ("event retries-exhausted", '"retries-exhausted"'),
        ("sync.Job", "sync.Job"),
    ],
)
def test_names_of_ours_are_found(name: str, shown: str) -> None:
    assert look_up(name) == shown


@pytest.mark.parametrize(
    "name",
    [
        "Queue.nothing",
        "Nothing",
        "JobOptions.nothing",
        "Worker(nothing)",
        "Queue.add(nothing)",
        "Keep.nothing",
        'Worker.on("nothing")',
        "event nothing",
        "Queue.add(options)",
        "Worker(",
        "",
    ],
)
def test_names_that_do_not_exist_are_noticed(name: str) -> None:
    with pytest.raises(UnknownNameError):
        look_up(name)


def package_of(tmp_path: Path, text: str = QUEUE) -> Package:
    (tmp_path / "index.d.ts").write_text(text)
    return Package(tmp_path / "index.d.ts")


def chart(*, outside: tuple[Outside, ...] = (Outside(why="a parent", names=("Base",)),), **entries: Any) -> Part:
    names: dict[str, Any] = {
        "name": ".name", "opts": Entry(why="none"), "constructor": Entry(why="none"), "add": ".add",
        "add.depth": ".add(delay)", "old": Entry(own=".add"), "static get": Entry(later="soon"), "a-b": "event added",
    }  # fmt: skip
    return Part((Table("Queue", own="Queue", declared=("Queue",), names={**names, **entries}),), outside)


def test_a_map_that_fits_has_no_problems(tmp_path: Path) -> None:
    assert compare(package_of(tmp_path), chart()).problems == ()


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"more": ".add"}, "Queue: more is not in the declarations"),
        ({"opts": ".name"}, "Queue: opts.streams has no entry"),
        ({"opts.streams": ".name"}, "Queue: opts.streams is not in the declarations"),
        ({"name": ".nothing"}, "Queue: `name`: oxmq has no Queue.nothing"),
        ({"name": (".add", ".nothing")}, "Queue: `name`: oxmq has no Queue.nothing"),
        ({"name": Entry()}, "Queue: name: an entry has one of: own, why, later"),
        ({"name": Entry(own=".name", why="none")}, "Queue: name: an entry has one of: own, why, later"),
        ({"outside": ()}, "exported: Base stands in no table and has no reason"),
    ],
)
def test_whatever_does_not_fit_is_a_problem(tmp_path: Path, entries: dict[str, Any], problem: str) -> None:
    assert problem in compare(package_of(tmp_path), chart(**entries)).problems


def test_a_new_member_is_a_problem(tmp_path: Path) -> None:
    text = QUEUE.replace("readonly name", "brandNew(): void; readonly name")
    assert compare(package_of(tmp_path, text), chart()).problems == ("Queue: brandNew has no entry",)


def test_a_new_declaration_is_a_problem(tmp_path: Path) -> None:
    text = f"{QUEUE}\nexport declare class NewError extends Base {{}}"
    [problem] = compare(package_of(tmp_path, text), chart()).problems
    assert problem == "exported: NewError stands in no table and has no reason"


def test_reasons_for_what_is_gone_are_problems(tmp_path: Path) -> None:
    gone = Outside(why="none", names=("Base", "Gone"), modules=("gone/*",))
    problems = compare(package_of(tmp_path), chart(outside=(gone,))).problems
    assert problems == ("outside: no module is called gone/*", "outside: BullMQ exports no Gone")


def test_the_page_has_a_row_for_every_name(tmp_path: Path) -> None:
    lines = page(compare(package_of(tmp_path), chart())).splitlines()
    assert "Of 8 names 5 have a counterpart" in "\n".join(lines)
    assert [line for line in lines if line.startswith("| `")] == [
        "| `name` | `name` |  |",
        "| `add()` | `add()` |  |",
        "| `add({ depth })` | `add(delay=)` |  |",
        "| `old` | `add()` | Deprecated in BullMQ. |",
        '| `a-b` | `"added"` |  |',
        "| `opts` | - | none |",
        "| `constructor()` | - | none |",
        "| `static get` | - | Not yet: soon |",
        "| `Base` | a parent |",
    ]


def test_declarations_are_values() -> None:
    [declaration] = read_module("export interface A {}", "m").declarations
    assert declaration == Declaration("A", "interface", "m", is_exported=True)
