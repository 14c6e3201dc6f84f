"""Hold a real SMTP conversation with the demo's mail server."""

from __future__ import annotations

import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

from oxmq.demo.mail_server import MailServer


def _mail(address: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hello@demo.test", address, "Grüße"
    mail.set_content("one\n.two\n")
    return mail


async def test_a_mail_arrives_whole(tmp_path: Path) -> None:
    async with MailServer(tmp_path) as server:
        await aiosmtplib.send(_mail("ada@customer.test"), hostname="127.0.0.1", port=server.port)
    [file] = tmp_path.iterdir()
    received = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert received["To"] == "ada@customer.test"
    assert received["Subject"] == "Grüße"
    assert received.get_content().splitlines() == ["one", ".two"]


async def test_the_server_takes_its_time(tmp_path: Path) -> None:
    async with MailServer(tmp_path) as server:
        started = time.monotonic()
        await aiosmtplib.send(_mail("ada@customer.test"), hostname="127.0.0.1", port=server.port)
        assert time.monotonic() - started >= 0.3


async def test_each_mail_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    async with MailServer(tmp_path) as server, aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port) as client:
        await client.send_message(_mail("ada@customer.test"))
        await client.send_message(_mail("ada@customer.test"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0001.eml", "0002.eml"]
