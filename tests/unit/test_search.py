"""What a search means, and what it says when it cannot be understood."""

from __future__ import annotations

import pytest

from oxmq.errors import ConfigurationError
from oxmq.monitor.fingerprints import fault_of
from oxmq.monitor.search import MAX_SEARCH, parse_search
from oxmq.monitor.site import show_all
from oxmq.records import JobRecord
from oxmq.web.redaction import Redaction

HOUR = 3_600_000
NOW = 1_000 * HOUR
JOB = JobRecord(
    id="abc:1",
    name="Resize Picture",
    data=b'{"user":{"id":42,"name":"Ada","password":"hush"},"items":[{"sku":"a1"},{"sku":"b2"}],"a.b":true,'
    b'"big":12345678901234567890,"nothing":null,"when":"2026-01-01T10:00"}',
    return_value=b'{"bytes":1024,"ok":true}',
    timestamp=NOW - 2 * HOUR,
    priority=3,
    attempts_made=2,
    failed_reason="Connection TIME out",
    stacktrace=b"[]",
    processed_by="w1",
    scheduler_id="nightly",
)
FINGERPRINT = fault_of(JOB.failed_reason, JOB.stacktrace).fingerprint


def matches(text: str) -> bool:
    return parse_search(text).matches(JOB, Redaction(), NOW)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "picture", "RESIZE", '"resize picture"', "abc", "ada", "sku", '"time OUT"',
        'name:"resize picture"', "name:resize*", "name:*pic*re", "id:abc:1", "id:abc*",
        "data.user.id:42", "data.user.id:>41", "data.user.id:<=42", "data.user.name:ada", "data.user.name:a*",
        "data.items.sku:b2", "data.items.1.sku:b2", 'data."a.b":true', "data.nothing:null", "data:ada",
        "data.big:12345678901234567890", 'data.when:"2026-01-01T10:00"', "data.when:2026*",
        "result.bytes:>1000", "result.ok:true", "result:bytes",
        'error:"time out"', "error:time", "worker:w1", "worker:W*", "schedule:nightly",
        "attempt:2", "attempt:>1", "priority:<5", "priority:>=3", "age:>1h", "age:<3h", "age:>90m", "age:>3600",
        f"fingerprint:{FINGERPRINT}",
        "picture worker:w1 data.user.id:42",
    ],
)  # fmt: skip
def test_it_is_found(text: str) -> None:
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "hush", "data.user.password:hush", "data:hush", "video", "name:resize", "name:*video*", "id:abc", "worker:w",
        "data.user.id:43", "data.user.id:<42", "data.user:ada", "data.items.2.sku:b2", "data.a.b:true",
        "data.big:12345678901234567891", "data.user.name:>1", "result.bytes:<1000", "error:refused", "attempt:>2",
        "priority:<3", "age:<1h", "fingerprint:000000000000", "picture worker:w2", "data.user.id.more:42",
    ],
)  # fmt: skip
def test_it_is_not_found(text: str) -> None:
    assert not matches(text)


def test_redacted_values_cannot_be_found_out() -> None:
    assert parse_search("data.user.password:hush").matches(JOB, show_all, NOW)
    assert not matches("data.user.password:h*")
    assert matches('data.user.password:"[redacted]"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("colour:red", r"unknown token 'colour:'; there are name:, id:, data:, data.path:.*fingerprint:"),
        ("http://x", "put quotes around a word"),
        ('"open', "a quote that is not closed"),
        ('error:"open', "a quote that is not closed"),
        ('na"me"', "quotes in the middle of a word"),
        ("name:", "needs a word before and after the colon"),
        (":x", "needs a word before and after the colon"),
        ("name:>3", "name: cannot be compared"),
        ("data:>3", "name a path in it"),
        ("data.x:>abc", "is compared with numbers"),
        ("attempt:many", "needs a number"),
        ("age:1h", "needs < or >"),
        ("age:>soon", "as in age:>1h"),
        ("x" * (MAX_SEARCH + 1), "at most 1000 characters"),
        ("a " * 21, "at most 20 words"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refusal:
        parse_search(text)
    assert str(refusal.value).startswith("search")


def test_the_id_is_known_when_only_one_is_looked_for() -> None:
    assert parse_search("id:a:b:c picture").job_id == "a:b:c"
    assert parse_search("id:a*").job_id is None


@pytest.mark.parametrize("data", [b"{broken", b'"\\ud800"', b"[" * 3_000 + b"]" * 3_000, b"\xff\xfe", b"NaN", b""])
def test_broken_data_is_searched_as_text(data: bytes) -> None:
    job = JobRecord(id="1", data=data)
    assert not parse_search("data.a:1 word").matches(job, Redaction(), NOW)


def test_many_stars_take_no_time() -> None:
    job = JobRecord(id="1", name="a" * 1_000)
    assert not parse_search("name:" + "a*" * 400 + "b").matches(job, show_all, NOW)
