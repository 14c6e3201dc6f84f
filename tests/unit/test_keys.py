"""Keys, and the rules for the names that they are made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys, check_job_id, check_job_name, check_queue_name


def test_every_key_of_a_queue_begins_with_its_base() -> None:
    keys = QueueKeys("email", "{bull}")
    assert keys.base == "{bull}:email:"
    assert keys.qualified_name == "{bull}:email"
    assert keys.of("wait") == "{bull}:email:wait"
    assert keys.job("x") == "{bull}:email:x"
    assert keys.logs("x") == "{bull}:email:x:logs"


def test_the_default_prefix_is_bullmqs() -> None:
    assert QueueKeys("email").base == "bull:email:"


@pytest.mark.parametrize("name", ["a queue", "ünï", "x" * 500])
def test_a_queue_of_another_library_can_have_any_name_without_colon(name: str) -> None:
    assert QueueKeys(name).base == f"bull:{name}:"
    with pytest.raises(ConfigurationError, match="queue name must be 1 to 128 of the characters"):
        check_queue_name(name)


@pytest.mark.parametrize("name", ["", None, 5, b"email"])
def test_a_queue_name_is_a_non_empty_string(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="queue name must be a non-empty string"):
        QueueKeys(name)
    with pytest.raises(ConfigurationError, match="queue name must be"):
        check_queue_name(name)


def test_a_queue_name_has_no_colon() -> None:
    with pytest.raises(ConfigurationError, match="queue name must not contain ':', not 'a:b'"):
        QueueKeys("a:b")


@pytest.mark.parametrize("prefix", ["", " ", "a b", "a\n", None, 5])
def test_a_bad_prefix_is_refused(prefix: Any) -> None:
    with pytest.raises(ConfigurationError, match="prefix must be a non-empty printable string"):
        QueueKeys("email", prefix)


@pytest.mark.parametrize("name", ["email", "image-processing", "a.b_c-D9", "x" * 128])
def test_good_queue_names(name: str) -> None:
    assert check_queue_name(name) == name


@pytest.mark.parametrize(
    "job_id", ["a", "007", "1.5", "1e3", "-", "a:b:c", "repeat:daily:1700000000000", "00", "x" * 200]
)
def test_ids_that_bullmq_accepts_are_accepted(job_id: str) -> None:
    assert check_job_id(job_id) == job_id


@pytest.mark.parametrize(
    ("job_id", "rule"),
    [
        ("0", "whole number"),
        ("17", "whole number"),
        ("-5", "whole number"),
        ("0:a:b", "':'"),
        ("0:0", "':'"),
        ("a:b", "':'"),
        ("a:b:c:d", "':'"),
        ("a b", "white space"),
        ("a\tb", "white space"),
        ("a\x00", "white space"),
        ("a\u2003b", "white space"),
        ("{a}", "braces"),
        ("x" * 201, "at most 200"),
        ("", "non-empty string"),
        (17, "non-empty string"),
    ],
)
def test_ids_that_break_a_rule_are_refused_with_it(job_id: object, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule) as caught:
        check_job_id(job_id, "parent id")
    assert str(caught.value).startswith("parent id must ")


@given(st.integers())
def test_no_whole_number_is_an_id(number: int) -> None:
    with pytest.raises(ConfigurationError):
        check_job_id(str(number))


@given(st.text())
def test_an_accepted_id_makes_one_key_that_leads_back_to_it(text: str) -> None:
    try:
        check_job_id(text)
    except ConfigurationError:
        return
    assert QueueKeys("q").job(text).removeprefix("bull:q:") == text
    assert text.count(":") in (0, 2)


@pytest.mark.parametrize("name", ["resize", "send e-mail", "ünï", "x" * 1024])
def test_good_job_names(name: str) -> None:
    assert check_job_name(name) == name


@pytest.mark.parametrize("name", ["", None, 5, "a\nb", "\ud800", "x" * 1025])
def test_bad_job_names(name: object) -> None:
    with pytest.raises(ConfigurationError, match="job name must be"):
        check_job_name(name)
