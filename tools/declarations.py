"""Read the names that TypeScript declaration files declare.

Only what a compiler writes into ``.d.ts`` files is understood: brackets always match there, members always end with a
semicolon, and ``<`` and ``>`` are always brackets. That makes a tree of brackets enough to find every name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)"""
    r"""|(?P<word>\.\.\.|=>|[A-Za-z_$\#][\w$]*|\d[\w.]*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|[^\s])""",
    re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_HIDDEN = {"private", "protected"}
_ACCESSORS = {"get", "set"}
_MODIFIERS = {"static", "readonly", "abstract", "declare", "override", "async", "public", *_ACCESSORS, *_HIDDEN}
_BODIES = {"class", "interface", "enum", "namespace", "module"}
_BEFORE_KIND = {"declare", "abstract", "default", "async"}
_KINDS = {"class", "interface", "enum", "type", "const", "let", "var", "function"}
_UTILITIES = {"Omit", "Pick", "Partial", "Required", "Readonly"}


class DeclarationError(Exception):
    """Say that a text is not a declaration file as compilers write them."""


@dataclass(frozen=True)
class Word:
    """Hold one token, and the comment before it."""

    text: str
    comment: str = ""


@dataclass(frozen=True)
class Bracket:
    """Hold what is between two matching brackets, and the comment before them."""

    text: str
    inside: tuple[Node, ...]
    comment: str = ""


Node = Word | Bracket


@dataclass(frozen=True)
class Member:
    """Name one public member.

    Attributes:
        name: of a member of an object type that is written in place: with its owner's name and a dot before it.
        is_method: whether it is called.
        is_argument: whether it belongs to an object that a method takes.
        is_deprecated: whether its comment says so.
    """

    name: str
    is_method: bool = False
    is_argument: bool = False
    is_deprecated: bool = False


@dataclass(frozen=True)
class Declaration:
    """Hold one class, interface, enum, type, constant or function.

    Attributes:
        bases: the types whose members it has too: parents, and parts of a union or intersection.
        members: the public ones that are written out here; those marked as internal are left out.
    """

    name: str
    kind: str
    module: str
    is_exported: bool
    bases: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


@dataclass(frozen=True)
class PassedOn:
    """Hold which names of another file a file exports: each with the name it has there; None for all."""

    source: str
    names: Mapping[str, str] | None


@dataclass
class Module:
    """Hold what one file declares, and what it passes on from others."""

    declarations: list[Declaration] = field(default_factory=list[Declaration])
    passed_on: list[PassedOn] = field(default_factory=list[PassedOn])


class Package:
    """Hold the declarations of a package, read from the file that is its entry."""

    def __init__(self, entry: Path) -> None:
        self._root = entry.parent
        self._found: dict[Path, dict[str, Declaration]] = {}
        self.exported = self._exports(entry)

    def _exports(self, path: Path) -> dict[str, Declaration]:
        if path not in self._found:
            found = self._found[path] = {}
            name = path.relative_to(self._root).as_posix().removesuffix(".d.ts")
            module = read_module(path.read_text(encoding="utf-8"), name)
            found.update((declared.name, declared) for declared in module.declarations if declared.is_exported)
            for passed in module.passed_on:
                theirs = self._exports(_file_of(path.parent / passed.source))
                names = passed.names or {name: name for name in theirs}
                found.update((name, theirs[origin]) for name, origin in names.items())
        return self._found[path]


def _file_of(target: Path) -> Path:
    beside = target.with_name(f"{target.name}.d.ts")
    return (beside if beside.is_file() else target / "index.d.ts").resolve()


def read_module(text: str, name: str) -> Module:
    """Return what the text of a declaration file declares.

    Raises:
        DeclarationError: brackets do not match, or a statement is not understood.
    """
    module = Module()
    for statement in _statements(_tree(text)):
        _read_statement(statement, name, module)
    return module


def _tokens(text: str) -> Iterator[Word]:
    comment = ""
    for match in _TOKEN.finditer(text):
        if match["comment"]:
            comment += match["comment"]
        else:
            yield Word(match["word"], comment)
            comment = ""


def _tree(text: str) -> tuple[Node, ...]:
    tokens = _tokens(text)
    inside, end = _until_closing(tokens)
    if end:
        raise DeclarationError(f"{end!r} closes nothing")
    return inside


def _until_closing(tokens: Iterator[Word]) -> tuple[tuple[Node, ...], str]:
    nodes: list[Node] = []
    for token in tokens:
        if token.text in _CLOSING.values():
            return tuple(nodes), token.text
        nodes.append(_bracket(token, tokens) if token.text in _CLOSING else token)
    return tuple(nodes), ""


def _bracket(opening: Word, tokens: Iterator[Word]) -> Bracket:
    inside, end = _until_closing(tokens)
    if end != _CLOSING[opening.text]:
        raise DeclarationError(f"{opening.text!r} is closed by {end!r}")
    return Bracket(opening.text, inside, opening.comment)


def _statements(nodes: Iterable[Node]) -> Iterator[list[Node]]:
    statement: list[Node] = []
    for node in nodes:
        if node.text != ";":
            statement.append(node)
        ends = node.text == ";" or (node.text == "{" and _kind(statement) in _BODIES)
        if ends and statement:
            yield statement
            statement = []
    if statement:
        raise DeclarationError(f"unfinished statement: {_excerpt(statement)}")


def _kind(statement: Sequence[Node]) -> str:
    words = [node.text for node in statement[:4] if node.text not in _BEFORE_KIND and node.text != "export"]
    # An enum may be `const enum`.
    return words[1] if words[:2] == ["const", "enum"] else words[0] if words else ""


def _read_statement(statement: list[Node], module_name: str, module: Module) -> None:
    kind = _kind(statement)
    is_exported = statement[0].text == "export"
    # A default export goes by no name that the entry could pass on.
    if kind == "import" or (is_exported and statement[1].text == "default" and kind not in _KINDS):
        return
    if is_exported and kind in ("*", "{"):
        module.passed_on += _passed_on(statement)
    elif kind in _KINDS:
        module.declarations.append(_declaration(statement, kind, module_name, is_exported=is_exported))
    else:
        raise DeclarationError(f"{module_name}: cannot read: {_excerpt(statement)}")


def _passed_on(statement: Sequence[Node]) -> Iterator[PassedOn]:
    source = statement[-1].text[1:-1]
    # `export {}` alone only says that the file is a module; what comes from outside the package is none of its own.
    if not source.startswith("."):
        return
    names = statement[1]
    parts = list(_split(names.inside, {","})) if isinstance(names, Bracket) else []
    yield PassedOn(source, {part[-1].text: part[-3 if len(part) > 2 else 0].text for part in parts} or None)


def _declaration(statement: list[Node], kind: str, module: str, *, is_exported: bool) -> Declaration:
    at = next(place for place, node in enumerate(statement) if node.text == kind) + 1
    name, rest = statement[at].text, statement[at + 1 :]
    bases: Iterable[str] = ()
    members: Iterable[Member] = ()
    if kind in _BODIES:
        bases, members = _parents(rest[:-1]), _members(rest[-1], separators=",;")
    elif kind == "type":
        bases, members = _parts(rest)
    # A method may be declared several times, once for each way of calling it: what the first says counts.
    found: dict[str, Member] = {}
    for member in members:
        found.setdefault(member.name, member)
    return Declaration(name, kind, module, is_exported, tuple(bases), tuple(found.values()))


def _parents(heading: Sequence[Node]) -> Iterator[str]:
    """Yield the names after ``extends``; what a class merely implements it declares itself."""
    words = [node.text for node in heading]
    if "extends" in words:
        end = words.index("implements") if "implements" in words else len(words)
        for parent in _split(heading[words.index("extends") + 1 : end], {","}):
            yield _referred(parent)


def _parts(rest: Sequence[Node]) -> tuple[list[str], list[Member]]:
    bases: list[str] = []
    members: list[Member] = []
    *_, meaning = _split(rest, {"="})
    for part in _split(meaning, {"&", "|"}):
        if part[0].text == "{":
            members += _members(part[0], separators=";")
        else:
            bases.append(_referred(part))
    return bases, members


def _referred(part: Sequence[Node]) -> str:
    """Return the name that a part of a type refers to, looking through ``Omit<...>`` and its like."""
    if part[0].text in _UTILITIES and len(part) > 1 and isinstance(part[1], Bracket):
        return _referred(part[1].inside)
    return part[0].text


def _split(nodes: Sequence[Node], separators: Iterable[str]) -> Iterator[list[Node]]:
    part: list[Node] = []
    for node in nodes:
        if node.text in separators:
            if part:
                yield part
            part = []
        else:
            part.append(node)
    if part:
        yield part


def _members(body: Node, *, separators: str) -> Iterator[Member]:
    if isinstance(body, Bracket):
        for part in _split(body.inside, separators):
            yield from _member(part)


def _member(part: list[Node]) -> Iterator[Member]:
    comment, modifiers = part[0].comment, set[str]()
    while _is_modifier(part):
        modifiers.add(part[0].text)
        part = part[1:]
    head = part[0]
    if modifiers & _HIDDEN or "@internal" in comment or isinstance(head, Bracket) or head.text.startswith("#"):
        return
    rest = [node for node in part[1:] if node.text not in "?!"]
    is_method = bool(rest) and rest[0].text in ("(", "<") and not modifiers & _ACCESSORS
    name = ("static " if "static" in modifiers else "") + head.text.strip("'\"")
    yield Member(name, is_method, is_deprecated="@deprecated" in comment)
    for inner in _inner_members(rest, is_method=is_method):
        yield replace(inner, name=f"{name}.{inner.name}", is_argument=is_method)


def _is_modifier(part: Sequence[Node]) -> bool:
    """Tell whether the first word modifies the next, rather than being a name itself."""
    return part[0].text in _MODIFIERS and len(part) > 1 and isinstance(part[1], Word) and part[1].text not in "?!:="


def _inner_members(rest: Sequence[Node], *, is_method: bool) -> Iterator[Member]:
    """Yield the members of the object types that a property, or a method's parameters, have in place."""
    if not is_method:
        yield from _of_object_type(rest)
        return
    for node in rest:
        if isinstance(node, Bracket) and node.text == "(":
            for parameter in _split(node.inside, {","}):
                yield from _of_object_type(parameter[next(_colons(parameter), len(parameter)) :])
            return


def _colons(nodes: Sequence[Node]) -> Iterator[int]:
    return (place for place, node in enumerate(nodes) if node.text == ":")


def _of_object_type(typed: Sequence[Node]) -> Iterator[Member]:
    if len(typed) > 1 and typed[0].text == ":" and typed[1].text == "{" and all(n.text == "[" for n in typed[2:]):
        yield from _members(typed[1], separators=";")


def _excerpt(nodes: Sequence[Node]) -> str:
    return " ".join(node.text for node in nodes[:8])
