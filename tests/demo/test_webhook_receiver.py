"""Post real webhooks to the demo's receiver."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest

from oxmq.demo.signature import TOLERANCE, is_authentic, signed_headers
from oxmq.demo.webhook_receiver import WebhookReceiver, refusals

SECRET = "a secret of both sides"
BODY = b'{"order": "o-1"}'


async def _post(receiver: WebhookReceiver, event_id: str, secret: str = SECRET, now: float | None = None) -> int:
    async with httpx2.AsyncClient() as client:
        headers = signed_headers(secret, event_id, BODY, now)
        return (await client.post(receiver.url, content=BODY, headers=headers)).status_code


async def test_a_signed_body_is_accepted_and_kept(tmp_path: Path) -> None:
    async with WebhookReceiver(tmp_path, SECRET) as receiver:
        assert await _post(receiver, "event-1") == 200
    assert (tmp_path / "event-1.1.json").read_bytes() == BODY


async def test_a_wrong_secret_is_refused(tmp_path: Path) -> None:
    async with WebhookReceiver(tmp_path, SECRET) as receiver:
        assert await _post(receiver, "event-1", secret="another") == 401
    assert list(tmp_path.iterdir()) == []


async def test_a_replay_of_an_old_delivery_is_refused(tmp_path: Path) -> None:
    async with WebhookReceiver(tmp_path, SECRET) as receiver:
        assert await _post(receiver, "event-1", now=time.time() - TOLERANCE - 2) == 401


async def test_an_event_id_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "webhooks"
    folder.mkdir()
    async with WebhookReceiver(folder, SECRET) as receiver:
        assert await _post(receiver, "../event-1") == 400
    assert [file.name for file in tmp_path.iterdir()] == ["webhooks"]


async def test_some_first_deliveries_are_answered_with_500(tmp_path: Path) -> None:
    async with WebhookReceiver(tmp_path, SECRET) as receiver:
        assert [await _post(receiver, "event-4") for _ in range(2)] == [500, 200]
        assert [await _post(receiver, "event-8") for _ in range(3)] == [500, 500, 200]
        assert receiver.refused == {"event-4": 1, "event-8": 2}


async def test_a_second_acceptance_is_visible(tmp_path: Path) -> None:
    async with WebhookReceiver(tmp_path, SECRET) as receiver:
        await _post(receiver, "event-1")
        await _post(receiver, "event-1")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["event-1.1.json", "event-1.2.json"]


def test_a_quarter_of_the_events_is_refused() -> None:
    assert [refusals(f"event-{number}") for number in range(1, 9)] == [0, 0, 0, 1, 0, 0, 0, 2]
    assert refusals("without-number") == 0


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_the_signature_covers_every_header(changed: str) -> None:
    headers = signed_headers(SECRET, "event-1", BODY)
    assert is_authentic(SECRET, headers, BODY)
    assert not is_authentic(SECRET, {**headers, changed: headers[changed] + "1"}, BODY)
    assert not is_authentic(SECRET, {name: text for name, text in headers.items() if name != changed}, BODY)


def test_the_signature_covers_the_body() -> None:
    headers = signed_headers(SECRET, "event-1", BODY)
    assert not is_authentic(SECRET, headers, BODY + b" ")


def test_the_signature_is_that_of_the_standard() -> None:
    """The expected text was computed with `openssl dgst -sha256 -hmac`."""
    headers = signed_headers("key", "msg_1", b"{}", now=1700000000)
    assert headers["webhook-timestamp"] == "1700000000"
    assert headers["webhook-signature"] == "v1,XaXLFEFQ69Q4+demDWPEv5ydXczDW2mM5crCUEFcFBA="
