"""Find where commands and replies of the Redis protocol begin and end, and no more."""

from __future__ import annotations

_LENGTH_KINDS = b"$!="
#: Values that follow the head of an aggregate, per unit of its count; an attribute precedes the value it belongs to.
_AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
_PUSH = ord(">")


class FrameBuffer:
    """Collect bytes of one direction and hand out whole commands, or whole replies."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add what arrived and return the frames that are complete now."""
        self._data += data
        frames: list[bytes] = []
        start = 0
        while start < len(self._data) and (end := frame_end(self._data, start)) is not None:
            frames.append(bytes(self._data[start:end]))
            start = end
        del self._data[:start]
        return frames


def frame_end(data: bytearray, start: int) -> int | None:
    """Return the offset just after the value that begins at `start`, or None while it is incomplete."""
    missing = 1
    while missing:
        line = data.find(b"\r\n", start)
        if line < 0:
            return None
        kind, head = data[start], bytes(data[start + 1 : line])
        start = line + 2
        missing -= 1
        if kind in _LENGTH_KINDS:
            length = int(head)
            start += 0 if length < 0 else length + 2  # a null has the length -1 and no body
        elif kind in _AGGREGATES:
            missing += max(int(head), 0) * _AGGREGATES[kind] + (kind == ord("|"))
    return start if start <= len(data) else None


def is_push(frame: bytes) -> bool:
    """Tell whether the server sent `frame` of its own accord: it answers no command."""
    return frame[0] == _PUSH


def command_words(frame: bytes) -> list[bytes]:
    """Return the words of a whole command, which is an array of bulk strings or an inline line."""
    if not frame.startswith(b"*"):
        return frame.split()
    words: list[bytes] = []
    position = frame.index(b"\r\n") + 2
    while position < len(frame):
        line = frame.index(b"\r\n", position)
        length = int(frame[position + 1 : line])
        words.append(frame[line + 2 : line + 2 + length])
        position = line + 2 + length + 2
    return words
