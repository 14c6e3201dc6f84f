"""Carry the context of a trace as text, as BullMQ's jobs do: the propagation headers as a JSON object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT, NonRecordingSpan, Span, SpanContext, TraceFlags

#: A longer text is nobody's context.
_LONGEST: Final = 16_384
_EMPTY: Final = Context()
#: The header of the W3C that has all that is needed where it comes alone; later versions may say more.
_PLAIN: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

#: The same, all that a job carries, where nothing was recorded: the flags do not have the first, sampled.
_UNSAMPLED: Final = re.compile(
    r'\{"traceparent":"00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f][02468ace])"\}'
)
#: What the propagators write and read that are used unless others are asked for.
_W3C: Final = {"traceparent", "tracestate", "baggage"}

_headers: Final = msgspec.json.Decoder(dict[str, str])


def write_metadata(context: Context) -> str:
    """Return what a job carries so that its worker goes on in `context`; empty for nothing."""
    carrier = write_carrier(context)
    return msgspec.json.encode(carrier).decode() if carrier else ""


def write_metadata_of(span: Span, context: Context) -> str:
    """Return what a job carries so that its worker goes on below `span`, which was started in `context`."""
    own = span.get_span_context()
    others = len(context) - (trace.get_current_span(context) is not INVALID_SPAN)
    if not others and own.is_valid and not own.trace_state and _usual():
        # The usual case: what the propagators would write, written sooner.
        return f'{{"traceparent":"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"}}'
    return write_metadata(trace.set_span_in_context(span, context))


def write_carrier(context: Context | None = None) -> dict[str, str]:
    """Return the propagation headers of `context`, or of the current one."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return carrier


def read_carrier(carrier: Mapping[str, str]) -> Context:
    """Return the context of propagation headers; an empty one of what is none."""
    try:
        return propagate.extract(carrier, _EMPTY)
    except Exception:  # noqa: BLE001 - whoever wrote them, and whichever propagators read them: a job must run
        return _EMPTY


@lru_cache(maxsize=1024)
def read_metadata(text: str) -> Context:
    """Return the context that a job carries; an empty one of a text that carries none, whatever it is.

    Jobs that were added together carry the same text, so that it is read once.
    """
    headers = _read_headers(text)
    if len(headers) == 1 and _usual() and (found := _PLAIN.fullmatch(headers.get("traceparent", ""))):
        return _plain(*found.groups())
    return read_carrier(headers) if headers else _EMPTY


def read_unsampled(text: str) -> Context | None:
    """Return the context that a job carries if it says in the usual way that nothing of it was recorded; else None.

    Nearly all jobs carry one where a small share is sampled. It is read when somebody asks which span it is.
    """
    found = _UNSAMPLED.fullmatch(text)
    if found is None or not _usual():
        return None
    return trace.set_span_in_context(_UnsampledSpan(found), _EMPTY)


class _UnsampledSpan(NonRecordingSpan):
    """Stand for a span of which only the header is known, until its ids are asked for."""

    def __init__(self, header: re.Match[str]) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self._header: re.Match[str] | None = header
        self._read = INVALID_SPAN_CONTEXT

    def get_span_context(self) -> SpanContext:
        if self._header is not None:
            self._read = _context_of(*self._header.groups())
            self._header = None
        return self._read


def span_of(context: Context) -> SpanContext | None:
    """Return which span a context is that of; None where it is of none."""
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


def without_span(context: Context) -> Context:
    """Return what a context carries besides its span: the baggage."""
    carried = _EMPTY
    for name, value in baggage.get_all(context).items():
        carried = baggage.set_baggage(name, value, carried)
    return carried


def _usual() -> bool:
    return _is_usual(propagate.get_global_textmap())


@lru_cache(maxsize=4)
def _is_usual(propagator: TextMapPropagator) -> bool:
    return propagator.fields == _W3C


def _read_headers(text: str) -> dict[str, str]:
    if len(text) > _LONGEST:
        return {}
    try:
        return _headers.decode(text)
    except (ValueError, RecursionError):  # no JSON, no object, or values that are no text
        return {}


def _plain(trace_id: str, span_id: str, flags: str) -> Context:
    # The usual case: what the propagators would find, found sooner.
    span = _context_of(trace_id, span_id, flags)
    return trace.set_span_in_context(NonRecordingSpan(span), _EMPTY) if span.is_valid else _EMPTY


def _context_of(trace_id: str, span_id: str, flags: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))
