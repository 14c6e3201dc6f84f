"""The comparison itself: it must find every difference that matters, and none that does not."""

from __future__ import annotations

import copy
import json

import pytest

from tests.golden.keyspace import Json, Keyspace, differences, lua_form, number_uuids

JOB_KEY = "bull:golden:1"


def sample() -> Keyspace:
    opts = {"attempts": 3, "backoff": {"type": "fixed", "delay": 10}}
    job = {
        "name": "w",
        "data": '{"i":1}',
        "opts": json.dumps(opts),
        "stacktrace": '["one"]',
        "timestamp": "1700000000000",
    }
    events = [{"event": "added", "jobId": "1", "name": "w"}, {"event": "waiting", "jobId": "1"}]
    return {
        JOB_KEY: {"type": "hash", "value": job},
        "bull:golden:1:lock": {"type": "string", "value": "t1", "pttl_approx": 30000},
        "bull:golden:wait": {"type": "list", "value": ["2", "1"]},
        "bull:golden:delayed": {"type": "zset", "value": [["3", "6963200020480000"]]},
        "bull:golden:events": {"type": "stream", "value": events},
        "bull:golden:meta": {"type": "hash", "value": {"opts.maxLenEvents": "10000", "version": "bullmq:6.7.0"}},
    }


def changed(key: str, *path: str | int, to: Json) -> Keyspace:
    keyspace = copy.deepcopy(sample())
    holder: Json = keyspace[key]
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = to
    return keyspace


def test_a_keyspace_equals_itself() -> None:
    assert differences(sample(), sample()) == []


@pytest.mark.parametrize(
    ("key", "path", "to", "line"),
    [
        (JOB_KEY, ("value", "name"), "v", f'{JOB_KEY} value name: expected "w", found "v"'),
        (JOB_KEY, ("value", "data"), '{"i":2}', f"{JOB_KEY} value data i: expected 1, found 2"),
        (JOB_KEY, ("value", "timestamp"), "1", f'{JOB_KEY} value timestamp: expected "1700000000000", found "1"'),
        (JOB_KEY, ("value", "stacktrace"), "[]", f'{JOB_KEY} value stacktrace: expected ["one"], found []'),
        (JOB_KEY, ("value", "ats"), "1", f'{JOB_KEY} value ats: expected nothing, found "1"'),
        (JOB_KEY, ("type",), "string", f'{JOB_KEY} type: expected "hash", found "string"'),
        (
            "bull:golden:1:lock",
            ("pttl_approx",),
            20000,
            "bull:golden:1:lock pttl_approx: expected 30000, found 20000",
        ),
        ("bull:golden:wait", ("value",), ["1", "2"], 'bull:golden:wait value: expected ["2", "1"], found ["1", "2"]'),
        (
            "bull:golden:delayed",
            ("value", 0, 1),
            "6963200020480001",
            'bull:golden:delayed value: expected [["3", 6963200020480000.0]], found [["3", 6963200020480001.0]]',
        ),
        (
            "bull:golden:events",
            ("value", 1, "event"),
            "delayed",
            'bull:golden:events value [1] event: expected "waiting", found "delayed"',
        ),
        (
            "bull:golden:meta",
            ("value", "paused"),
            "1",
            'bull:golden:meta: expected nothing, found {"type": "hash", "value": {"paused": "1"}}',
        ),
    ],
)
def test_one_changed_field_is_found_and_named(key: str, path: tuple[str | int, ...], to: Json, line: str) -> None:
    assert differences(sample(), changed(key, *path, to=to)) == [line]


def test_an_expiry_may_run_down_a_little() -> None:
    assert differences(sample(), changed("bull:golden:1:lock", "pttl_approx", to=29000)) == []


def test_a_missing_and_a_surplus_key_are_found() -> None:
    fewer = sample()
    del fewer["bull:golden:wait"]
    assert differences(sample(), fewer) == [
        'bull:golden:wait: expected {"type": "list", "value": ["2", "1"]}, found nothing'
    ]
    assert len(differences(fewer, sample())) == 1


def test_a_missing_event_is_found() -> None:
    fewer = sample()
    fewer["bull:golden:events"]["value"].pop()
    assert differences(sample(), fewer) == [
        "bull:golden:events value: expected 2 events, found 1",
        'bull:golden:events value [1]: expected {"event": "waiting", "jobId": "1"}, found nothing',
    ]


def test_member_order_and_lua_losses_in_options_do_not_matter() -> None:
    plain = '{"attempts":3,"x":{"empty":[],"nil":null,"big":12345678901234567}}'
    from_lua = '{"x":{"big":1.2345678901235e+16,"empty":{}},"attempts":3}'
    one, other = (changed(JOB_KEY, "value", "opts", to=text) for text in (plain, from_lua))
    assert differences(one, other) == []


def test_data_is_compared_without_the_indulgence_for_options() -> None:
    assert differences(
        changed(JOB_KEY, "value", "data", to='{"a":null}'), changed(JOB_KEY, "value", "data", to="{}")
    ) == [f"{JOB_KEY} value data a: expected null, found nothing"]


def test_the_version_and_the_default_length_in_meta_do_not_matter() -> None:
    assert differences(sample(), changed("bull:golden:meta", "value", "version", to="oxmq:0.1.0")) == []
    without = sample()
    del without["bull:golden:meta"]
    assert differences(sample(), without) == []
    longer = changed("bull:golden:meta", "value", "opts.maxLenEvents", to="20000")
    assert len(differences(sample(), longer)) == 1


def test_random_ids_are_compared_by_order_of_appearance() -> None:
    first, second = "0190b0d5-7a51-7c4e-8d1c-0f7d8e9a0b1c", "0190b0d5-7a51-7c4f-8d1c-0f7d8e9a0b1d"
    dumped = number_uuids({"bull:golden:wait": {"type": "list", "value": [first, second, first]}})
    expected: Keyspace = {"bull:golden:wait": {"type": "list", "value": ["<uuid:7>", "<uuid:2>", "<uuid:7>"]}}
    assert dumped["bull:golden:wait"]["value"] == ["<uuid:1>", "<uuid:2>", "<uuid:1>"]
    assert differences(expected, dumped) == []


def test_true_is_not_one() -> None:
    assert lua_form(True) is True
    assert differences(
        changed(JOB_KEY, "value", "data", to='{"a":true}'), changed(JOB_KEY, "value", "data", to='{"a":1}')
    ) == [f"{JOB_KEY} value data a: expected true, found 1"]
