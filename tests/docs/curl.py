"""Be the `curl` of the pages' commands: no machine need have one. An option that no page uses is refused."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Final

import httpx2

_FLAGS: Final = {
    "I": "head",
    "L": "location",
    "N": "no-buffer",
    "S": "show-error",
    "f": "fail",
    "i": "include",
    "s": "silent",
}


def main() -> int:
    """Send the request and write the answer; return 22 for a refusal where `-f` asks for it, as curl does."""
    asked = _arguments()
    headers = dict(header.split(": ", 1) for header in asked.header)
    body = asked.json if asked.json is not None else asked.data
    if asked.json is not None:
        headers |= {"Content-Type": "application/json", "Accept": "application/json"} | headers
    elif body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    method = asked.request or ("HEAD" if asked.head else "GET" if body is None else "POST")
    credentials = tuple(asked.user.split(":", 1)) if asked.user else None
    with (
        httpx2.Client(timeout=asked.max_time, follow_redirects=asked.location, auth=credentials) as client,
        client.stream(method, asked.url, content=body, headers=headers) as answer,
    ):
        for piece in _pieces(asked.include or asked.head, answer):
            sys.stdout.write(piece)
            sys.stdout.flush()
        return 22 if asked.fail and answer.is_error else 0


def _arguments() -> argparse.Namespace:
    curl = argparse.ArgumentParser("curl")
    for short, name in _FLAGS.items():
        curl.add_argument(f"-{short}", f"--{name}", action="store_true")
    curl.add_argument("-H", "--header", action="append", default=[])
    curl.add_argument("-X", "--request")
    curl.add_argument("-d", "--data")
    curl.add_argument("-u", "--user")
    curl.add_argument("-m", "--max-time", type=float, default=30)
    curl.add_argument("--json")
    curl.add_argument("url")
    return curl.parse_args()


def _pieces(with_head: bool, answer: httpx2.Response) -> Iterator[str]:
    if with_head:
        yield f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}\n"
        yield from (f"{name}: {value}\n" for name, value in answer.headers.items())
        yield "\n"
    yield from answer.iter_text()


if __name__ == "__main__":
    sys.exit(main())
