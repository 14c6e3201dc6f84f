"""Read what somebody looks for among jobs, and tell whether a job is such a one.

A search is made of words that must all apply. A plain word is looked for anywhere in a job's name, id, data and
failure reason, whatever its case. A word such as ``name:resize`` looks at one thing only; ``"quotes"`` hold words
together.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from oxmq.durations import milliseconds
from oxmq.errors import ConfigurationError
from oxmq.monitor.fingerprints import fault_of
from oxmq.monitor.payloads import as_text, read_payload
from oxmq.monitor.site import Redact
from oxmq.records import JobRecord

#: How long a search may be, in characters, and how many words it may have.
MAX_SEARCH, _MAX_TERMS = 1_000, 20

_KNOWN = (
    "name:", "id:", "data:", "data.path:", "result:", "result.path:", "error:", "worker:", "attempt:", "age:",
    "priority:", "schedule:", "fingerprint:",
)  # fmt: skip
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "": operator.eq,
}  # fmt: skip
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WORD = re.compile(
    rf"(?:(?P<key>(?:[^\s\":]|{_QUOTED})*):(?P<sign>[<>]=?)?)?(?P<value>{_QUOTED}|[^\s\"]*)(?=\s|$)", re.DOTALL
)
_PATH_PART = re.compile(rf"{_QUOTED}|[^.\"]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Subject:
    """Hold a job that is looked at; what is decoded of it is decoded once, and redacted."""

    def __init__(self, record: JobRecord, redact: Redact, now_ms: int) -> None:
        self.record = record
        self.now_ms = now_ms
        self._redact = redact

    @cached_property
    def data(self) -> object:
        """Return the data as it may be shown."""
        return read_payload(self.record.data, self._redact).value

    @cached_property
    def result(self) -> object:
        """Return the result as it may be shown."""
        return read_payload(self.record.return_value, self._redact).value

    @cached_property
    def data_text(self) -> str:
        """Return the data as text, in small letters."""
        return as_text(self.data).casefold()

    @cached_property
    def result_text(self) -> str:
        """Return the result as text, in small letters."""
        return as_text(self.result).casefold()

    @cached_property
    def fingerprint(self) -> str:
        """Return what stands for the cause of its failure; empty when it has not failed."""
        record = self.record
        if record.failed_reason is None:
            return ""
        return fault_of(record.failed_reason, record.stacktrace).fingerprint


Test = Callable[[Subject], bool]
"""Tell whether one word of a search applies to a job."""


@dataclass(frozen=True, slots=True)
class Search:
    """Hold what is looked for.

    Attributes:
        tests: what must apply, all of it; nothing applies to every job.
        job_id: the only id that is looked for, if it is one.
    """

    tests: tuple[Test, ...] = ()
    job_id: str | None = None

    def __bool__(self) -> bool:
        return bool(self.tests)

    def matches(self, record: JobRecord, redact: Redact, now_ms: int) -> bool:
        """Tell whether a job is one that is looked for."""
        subject = Subject(record, redact, now_ms)
        return all(test(subject) for test in self.tests)


@dataclass(frozen=True, slots=True)
class _Word:
    """Hold one word of a search: ``key:`` if it has one, ``<``, ``>`` or nothing, and a value."""

    key: str
    sign: str
    value: str


def parse_search(text: str) -> Search:
    """Return what a text looks for.

    Raises:
        ConfigurationError: it cannot be understood; the message begins with ``search``.
    """
    if len(text) > MAX_SEARCH:
        raise ConfigurationError(f"search must have at most {MAX_SEARCH} characters, not {len(text)}")
    words = list(_words(text))
    if len(words) > _MAX_TERMS:
        raise ConfigurationError(f"search must have at most {_MAX_TERMS} words, not {len(words)}")
    ids = [word.value for word in words if word.key == "id" and "*" not in word.value]
    return Search(tuple(_test_of(word) for word in words), ids[0] if ids else None)


def _words(text: str) -> Iterator[_Word]:
    at = len(text) - len(text.lstrip())
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None or found.end() == at:
            raise _misquoted(text[at:])
        yield _Word(found["key"] or "", found["sign"] or "", _unquoted(found["value"]))
        if found["key"] == "" or (found["key"] is not None and not found["value"]):
            raise ConfigurationError(f"search {found[0]!r} needs a word before and after the colon")
        at = found.end()
        at += len(text[at:]) - len(text[at:].lstrip())


def _misquoted(rest: str) -> ConfigurationError:
    if rest.replace('\\"', "").count('"') % 2:
        return ConfigurationError(f"search has a quote that is not closed: {rest[:40]!r}")
    return ConfigurationError(f"search has quotes in the middle of a word, which must be around it: {rest[:40]!r}")


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(r"\1", text[1:-1])
    return text


def _test_of(word: _Word) -> Test:
    if not word.key:
        return _anywhere(word.value.casefold())
    if word.key in ("data", "result") or word.key.startswith(("data.", "result.")):
        return _payload_test(word)
    if word.key in ("attempt", "priority"):
        return _number_test(word)
    if word.key == "age":
        return _age_test(word)
    if word.sign:
        raise ConfigurationError(f"search {word.key}: cannot be compared with {word.sign}")
    if word.key == "error":
        return _error_test(word.value.casefold())
    return _text_test(word)


_TEXTS: dict[str, Callable[[Subject], str | None]] = {
    "name": lambda subject: subject.record.name,
    "id": lambda subject: subject.record.id,
    "worker": lambda subject: subject.record.processed_by,
    "schedule": lambda subject: subject.record.scheduler_id,
    "fingerprint": lambda subject: subject.fingerprint,
}


def _text_test(word: _Word) -> Test:
    """Return the test for a text as a whole; each ``*`` stands for anything."""
    if word.key not in _TEXTS:
        raise ConfigurationError(
            f"search has an unknown token '{word.key}:'; there are {', '.join(_KNOWN)} "
            "(put quotes around a word that has a colon in it)"
        )
    read, pattern = _TEXTS[word.key], _pattern(word.value)
    return lambda subject: _fits(read(subject), pattern)


def _anywhere(wanted: str) -> Test:
    def applies(subject: Subject) -> bool:
        record = subject.record
        texts = (record.name, record.id, record.failed_reason or "")
        return any(wanted in text.casefold() for text in texts) or wanted in subject.data_text

    return applies


def _error_test(wanted: str) -> Test:
    return lambda subject: wanted in (subject.record.failed_reason or "").casefold()


def _number_test(word: _Word) -> Test:
    wanted, compare = _number(word.value), _COMPARISONS[word.sign]
    if wanted is None:
        raise ConfigurationError(f"search {word.key}: needs a number, as in {word.key}:>2, not {word.value!r}")
    if word.key == "attempt":
        return lambda subject: compare(subject.record.attempts_made, wanted)
    return lambda subject: compare(subject.record.priority, wanted)


def _age_test(word: _Word) -> Test:
    number = _number(word.value)
    try:
        age_ms = milliseconds(word.value if number is None else number, "search age:")
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; as in age:>1h") from None
    if not word.sign:
        raise ConfigurationError("search age: needs < or >, as in age:>1h")
    compare = _COMPARISONS[word.sign]
    return lambda subject: compare(subject.now_ms - subject.record.timestamp, age_ms)


def _payload_test(word: _Word) -> Test:
    place, _, rest = word.key.partition(".")
    path = [_unquoted(part) for part in _PATH_PART.findall(rest)]
    if not path:
        if word.sign:
            raise ConfigurationError(f"search {place}: cannot be compared; name a path in it, as in {place}.a.b:>1")
        wanted = word.value.casefold()
        if place == "data":
            return lambda subject: wanted in subject.data_text
        return lambda subject: wanted in subject.result_text
    fits = _value_test(word)
    if place == "data":
        return lambda subject: any(map(fits, _at(subject.data, path)))
    return lambda subject: any(map(fits, _at(subject.result, path)))


def _value_test(word: _Word) -> Callable[[object], bool]:
    number, pattern, compare = _number(word.value), _pattern(word.value), _COMPARISONS[word.sign]
    if word.sign and number is None:
        raise ConfigurationError(f"search {word.key}: is compared with numbers, not with {word.value!r}")

    def fits(value: object) -> bool:
        if isinstance(value, int | float) and not isinstance(value, bool) and number is not None:
            return compare(value, number)
        return not word.sign and _fits(_scalar(value), pattern)

    return fits


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return None if isinstance(value, dict | list) else as_text(value)


def _at(value: object, path: Sequence[str]) -> Iterator[object]:
    """Find what lies at a path: of a list, the element of that number, or else each element's own."""
    if not path:
        yield value
        if isinstance(value, list):
            yield from cast("list[object]", value)
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        if path[0] in members:
            yield from _at(members[path[0]], path[1:])
    elif isinstance(value, list):
        yield from _in_list(cast("list[object]", value), path)


def _in_list(items: Sequence[object], path: Sequence[str]) -> Iterator[object]:
    if not (path[0].isascii() and path[0].isdigit()):
        for item in items:
            yield from _at(item, path)
    elif (index := int(path[0][:9])) < len(items):
        yield from _at(items[index], path[1:])


def _number(text: str) -> float | None:
    try:
        # Whole numbers stay whole: larger ones than a float can tell apart are found, too.
        return int(text) if re.fullmatch(r"-?\d{1,4000}", text, re.ASCII) else float(text)
    except ValueError:
        return None


def _pattern(text: str) -> tuple[str, ...]:
    """Return the pieces of a text between its stars, in small letters."""
    return tuple(text.casefold().split("*"))


def _fits(text: str | None, pattern: tuple[str, ...]) -> bool:
    if text is None:
        return False
    folded = text.casefold()
    first, *others = pattern
    if not others:
        return folded == first
    *middle, last = others
    if not folded.startswith(first) or not folded[len(first) :].endswith(last):
        return False
    folded = folded[len(first) : len(folded) - len(last)]
    for piece in middle:
        _, found, folded = folded.partition(piece) if piece else ("", "*", folded)
        if not found:
            return False
    return True
