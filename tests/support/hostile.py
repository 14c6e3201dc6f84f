"""Hold input that an attacker, a broken program or an unlucky user may send: for names, ids, data and searches."""

from __future__ import annotations

from typing import Any, Final

#: What runs when a page takes it for anything but text: it sets `window.__pwned`, or asks another host.
SCRIPTS: Final = (
    "<script>window.__pwned = 1</script>",
    '"><img src=x onerror="window.__pwned = 2">',
    "'-(window.__pwned = 3)-'",
    "</title></style></textarea><svg/onload=window.__pwned=4>",
    "javascript:window.__pwned=5//",
    '<a href="javascript:window.__pwned=6">click</a>',
    '<iframe srcdoc="<script>parent.__pwned=7</script>"></iframe>',
    '<img src="http://hostile.example/beacon"><link rel=stylesheet href=//hostile.example/x.css>',
    "<b onmouseover=alert(8)>x</b><details open ontoggle=alert(8)>",
    "${alert(9)}{{constructor.constructor('window.__pwned=9')()}}",
    "]]><!--<math><mi//xlink:href='data:x,<script>window.__pwned=10</script>'>",
    "data:text/html,<script>window.__pwned=11</script>",
)

#: Names that mean something to JavaScript, to Redis, to file systems or to the keys of a queue.
NAMES: Final = (
    "__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "undefined", "null", "NaN", "0", "-1",
    ".", "..", "../../../etc/passwd", "..%2f..%2fetc", "%2e%2e", "%00", "%", "%zz", "C:\\windows", "a/b", "a//b",
    "a?b#c", "*", "[a-z]*", "a:b", "wait", "meta", "oxmq:workers", "events", "a b", " ", "\t", "a\nb",
    "a\r\nSet-Cookie: x=1", "{x}",
)  # fmt: skip

#: Text that is hard to show, to measure or to write down.
TEXTS: Final = (
    "", "\0", "a\0b", "\x1b[31mred\x1b[0m\x07", "\u202egnp.exe\u2066", "\u200b\ufeff", "\u2028\u2029",
    "e\u0301" * 40, "Z\u0351\u036f\u0319" * 30, "\U0001f9ac\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\uffff\ufffe", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "x" * 3000, "'; FLUSHALL; --", "1e999",
    "9" * 400, "\\", '"', "\\u0000", "\\ud800",
)  # fmt: skip

STRINGS: Final = (*SCRIPTS, *NAMES, *TEXTS)


def deep(levels: int) -> str:
    """Return JSON that nests so many lists."""
    return "[" * levels + "]" * levels


def data() -> dict[str, Any]:
    """Return a job's data with the whole corpus in it, as values and as names."""
    inner: Any = "the bottom"
    for _ in range(60):
        inner = {"down": inner}
    return {
        "scripts": list(SCRIPTS),
        "names": {name: name for name in NAMES},
        "texts": list(TEXTS),
        **{script: script for script in SCRIPTS},
        "__proto__": {"polluted": True},
        "constructor": {"prototype": {"polluted": True}},
        "deep": inner,
        "wide": {f"key{number}": number for number in range(300)},
        "numbers": [2**63, -(2**63), 10**30, 1e308, 5e-324, -0.0, 0.1 + 0.2],
        "long": "long " * 20_000,
        "password": "must not be seen",
    }


#: Bodies that are no JSON, or none that a reader should be lost in.
BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "NaN": b'{"name": "x", "data": NaN}',
    "infinity": b'{"name": "x", "data": 1e999}',
    "a long number": b'{"name": "x", "data": ' + b"9" * 10_000 + b"}",
    "deep": b'{"name": "x", "data": ' + deep(100_000).encode() + b"}",
    "rather deep": b'{"name": "x", "data": ' + deep(900).encode() + b"}",
    "half a surrogate": b'{"name": "x", "data": "\\ud800"}',
    "half a surrogate as a name": b'{"name": "\\udfff", "data": {"\\ud800": 1}}',
    "NUL": b'{"name": "\\u0000", "data": "\\u0000"}',
    "twice the same key": b'{"name": "x", "name": "y"}',
    "__proto__": b'{"__proto__": {"name": "x"}}',
    "unknown fields": b'{"name": "x", "nmae": "y"}',
    "wrong types": b'{"name": {}, "data": [], "options": [], "jobs": {}, "ids": 1, "match": [], "action": 1}',
    "huge numbers": b'{"name": "x", "options": {"delay": 1e300, "priority": 9999999999999999999999, "attempts": -1}}',
    "many options": b'{"name": "x", "options": {' + b",".join(b'"o%d": 1' % n for n in range(5000)) + b"}}",
    "many jobs": b'{"jobs": [' + b",".join([b'{"name": "x"}'] * 1001) + b"]}",
    "many ids": b'{"action": "retry", "ids": [' + b",".join([b'"x"'] * 1001) + b"]}",
    "hostile ids": b'{"action": "retry", "ids": ["", "\\u0000", "a:b", "\\ud800", "wait", "../x"]}',
    "a hostile search": b'{"action": "retry", "match": {"state": "failed", "search": "\\u0000 \\"((((("}}',
    "a hostile cursor": b'{"action": "retry", "match": {"state": "failed", "search": ""}, "cursor": "\\ud800"}',
}
