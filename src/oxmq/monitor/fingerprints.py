"""Tell failures of one cause from others: by the error's class, and where in one's own code it was raised.

Stack traces of Python and of Node are understood; of others, and of none, the reason is what failures have in common.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from oxmq.codec import decode_json_or

#: How much of a message, and of one stack trace, is looked at, in characters.
_MAX_MESSAGE, _MAX_TRACE = 1_000, 16_384
#: How long a normalised message may be.
_SHOWN_MESSAGE = 200
#: Paths of what is not one's own: libraries, and the language itself.
_FOREIGN = re.compile(
    r"(^|[\\/])(site-packages|dist-packages|node_modules|lib[\\/]python\d[^\\/]*)[\\/]|^node:|^internal[\\/]|^<|^$"
)
_PYTHON_FRAME = re.compile(r'^\s*File "(?P<file>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_NODE_FRAME = re.compile(r"^\s+at (?:async )?(?:(?P<function>.+?) \()?(?P<file>[^()\s][^()]*?):(?P<line>\d+):\d+\)?$")
#: The words that begin what is told of an error: its class, and a colon if it says more.
_ERROR = re.compile(r"^(?:Uncaught )?(?P<error>[A-Za-z_$][\w.$]*)(?: \[[^\]]*\])?(?::\s*(?P<message>.*))?$")
#: The same of a reason without a stack trace, which is prose for the most part: only what looks like a class is one.
_NAMED = re.compile(
    r"^(?P<error>[A-Za-z_$][\w.$]*(?:Error|Exception|Warning|Interrupt|Exit|Timeout)):\s*(?P<message>.*)$"
)
#: What is between two elements of an array of texts.
_BETWEEN = re.compile(r'(?<!\\)", ?"')
_TRACEBACK = "Traceback (most recent call last):"
#: What Python puts in front of the lines of a group of exceptions.
_GROUP = re.compile(r"^ *[|+] ?")
#: A reason has numbers and names in it that differ from job to job; the order matters.
_VARYING = (
    (re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`[^`\n]*`|“[^”\n]*”"), "'…'"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<hex>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Hold a place in somebody's code.

    Attributes:
        file: the path as it stands in the stack trace.
        line: the line's number.
        function: the function; empty when it has no name.
    """

    file: str
    line: int
    function: str

    @property
    def is_own(self) -> bool:
        """Tell whether it is in neither a library nor the language itself."""
        return _FOREIGN.search(self.file) is None

    @property
    def place(self) -> str:
        """Return the file with its folder: what is the same wherever the program is installed."""
        return "/".join(re.split(r"[\\/]+", self.file)[-2:])

    def __str__(self) -> str:
        name = re.split(r"[\\/]+", self.file)[-1]
        return f"{name}:{self.line} in {self.function}" if self.function else f"{name}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Hold what a failure has in common with others of its cause.

    Attributes:
        fingerprint: twelve characters that stand for the cause.
        error: the class of the error; ``"Error"`` when it is not known.
        message: the reason, without what differs from job to job.
        frame: where it was raised: the innermost place in one's own code, if the stack trace shows one.
    """

    fingerprint: str
    error: str
    message: str
    frame: Frame | None


def fault_of(reason: str | None, traces: str | bytes | None) -> Fault:
    """Return what stands for the cause of a failure.

    Args:
        reason: the failure's reason, as stored.
        traces: the stack traces as stored, a JSON array whose beginning may be missing: the last element counts.
    """
    text = traces.decode(errors="backslashreplace") if isinstance(traces, bytes) else traces or ""
    return _fault(reason or "", text)


@lru_cache(maxsize=256)
def _fault(reason: str, traces: str) -> Fault:
    trace = latest_trace(traces)
    error, message, frame = _read(reason, trace)
    message = normalised(message)
    cause = f"{error}\n{frame.place}\n{frame.function}" if frame else f"{error}\n{message}"
    fingerprint = hashlib.sha256(cause.encode(errors="backslashreplace")).hexdigest()[:12]
    return Fault(fingerprint=fingerprint, error=error, message=message, frame=frame)


def latest_trace(traces: str) -> str:
    """Return the last of the stack traces, of which the JSON array may have lost its beginning."""
    stored = decode_json_or(traces.encode(errors="backslashreplace"), None) if traces.startswith("[") else None
    if isinstance(stored, list) and stored:
        return str(cast("list[object]", stored)[-1])[-_MAX_TRACE:]
    if isinstance(stored, list) or not traces:
        return ""
    # The last element begins behind the last comma, or somewhere in what is lost: then its first line is not whole.
    *earlier, tail = _BETWEEN.split(traces.rstrip().removesuffix("]").removesuffix('"'))
    tail = tail if earlier else tail.partition("\\n")[2]
    return str(decode_json_or(f'"{tail}"'.encode(errors="backslashreplace"), tail))[-_MAX_TRACE:]


def normalised(message: str) -> str:
    """Return the first line of a message without numbers, ids and quoted texts."""
    line = message.strip().partition("\n")[0][:_MAX_MESSAGE]
    for varying, stand_in in _VARYING:
        line = varying.sub(stand_in, line)
    return " ".join(line.split())[:_SHOWN_MESSAGE]


def _read(reason: str, trace: str) -> tuple[str, str, Frame | None]:
    if _TRACEBACK in trace or '\n  File "' in trace:
        error, message, frames = _read_python(trace)
    else:
        error, message, frames = _read_node(trace)
    message = reason or message
    if not error:
        named = _NAMED.match(message.partition("\n")[0][:_MAX_MESSAGE])
        error, message = (named["error"], named["message"]) if named else ("Error", message)
    own = next((frame for frame in frames if frame.is_own), None)
    return error.rpartition(".")[2] or error, message, own


def _read_python(trace: str) -> tuple[str, str, Iterator[Frame]]:
    """Return the error's class and message, and the frames, the innermost first."""
    lines = [_GROUP.sub("", line) if "|" in line else line for line in _last_traceback(trace).splitlines()]
    told = (_ERROR.match(line) for line in lines if line and not line[0].isspace())
    found = next((error for error in told if error), None)
    frames = _frames(reversed(lines), _PYTHON_FRAME)
    return (found["error"], found["message"] or "", frames) if found else ("", "", frames)


def _last_traceback(trace: str) -> str:
    """Return what the trace says of the exception that was raised last, without its causes and without its parts."""
    chained = f"\n{_TRACEBACK}"
    if chained in trace:
        trace = trace.rpartition(chained)[2]
    elif _TRACEBACK in trace:
        trace = trace.partition(_TRACEBACK)[2]
    return trace.partition("+-+---")[0]


def _read_node(trace: str) -> tuple[str, str, Iterator[Frame]]:
    lines = trace.splitlines()
    is_trace = any(line.lstrip().startswith("at ") for line in lines[1:])
    found = _ERROR.match(lines[0][:_MAX_MESSAGE]) if is_trace else None
    frames = _frames(lines, _NODE_FRAME)
    return (found["error"], found["message"] or "", frames) if found else ("", "", frames)


def _frames(lines: Iterable[str], pattern: re.Pattern[str]) -> Iterator[Frame]:
    for line in lines:
        found = pattern.match(line[:_MAX_MESSAGE])
        if found:
            yield Frame(file=found["file"], line=int(found["line"][:9]), function=_plain(found["function"] or ""))


def _plain(function: str) -> str:
    """Return a function's name without what Node says beside it."""
    name = re.sub(r" \[as [^\]]*\]$", "", function.strip())
    return "" if name in ("<anonymous>", "Object.<anonymous>", "<module>") else name
