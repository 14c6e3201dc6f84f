"""What is SQLAlchemy's alone: every kind of session, the table, the engine, and a relay in a worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session, scoped_session, sessionmaker

from oxmq import Oxmq
from oxmq.clock import ManualClock
from oxmq.errors import ConfigurationError
from oxmq.outbox import relay as relay_module
from oxmq.outbox.sqlalchemy import Outbox, outbox_table
from tests.support.postgresql import PostgreSQLServer
from tests.support.waiting import eventually


class Shop:
    """Be an application: a database in a file, an app with a task, an outbox."""

    def __init__(self, url: str, app: Oxmq) -> None:
        self.metadata = sa.MetaData()
        self.engine = sa.create_engine(url)
        self.app = app
        self.seen: list[int] = []

        @app.task(queue="q")
        async def note(number: int) -> None:
            self.seen.append(number)

        self.note = note
        self.outbox = Outbox(app, self.engine, metadata=self.metadata, interval=60)
        self.metadata.create_all(self.engine)

    def count(self) -> int:
        """Return how many rows there are."""
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(self.outbox.table)) or 0


@pytest.fixture
async def shop(tmp_path: Path, redis_url: str, prefix: str) -> AsyncIterator[Shop]:
    async with Oxmq(redis_url, prefix=prefix) as app:
        made = Shop(f"sqlite:///{tmp_path / 'shop.db'}", app)
        yield made
        await asyncio.to_thread(made.engine.dispose)


def test_every_kind_of_blocking_session_is_one(shop: Shop) -> None:
    with Session(shop.engine) as session, session.begin():
        shop.outbox.enqueue(session, shop.note.call(1))
    scoped = scoped_session(sessionmaker(shop.engine))
    shop.outbox.enqueue(scoped, shop.note.call(2))
    scoped.commit()
    scoped.remove()
    with shop.engine.begin() as connection:
        shop.outbox.enqueue(connection, shop.note.call(3))
    assert shop.count() == 3


async def test_every_kind_of_awaited_session_is_one(shop: Shop) -> None:
    engine = create_async_engine(shop.engine.url.set(drivername="sqlite+aiosqlite"))
    async with AsyncSession(engine) as session, session.begin():
        await shop.outbox.enqueue(session, shop.note.call(1))
    scoped = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
    await shop.outbox.enqueue(scoped, shop.note.call(2))
    await scoped.commit()
    await scoped.remove()
    async with engine.begin() as connection:
        await shop.outbox.enqueue(connection, shop.note.call(3))
    await engine.dispose()
    assert shop.count() == 3


@pytest.mark.parametrize("session", [None, "session", 5, sa.MetaData()])
def test_what_is_no_session_is_refused(shop: Shop, session: Any) -> None:
    with pytest.raises(ConfigurationError, match="an outbox writes with a session or a connection, not"):
        shop.outbox.enqueue(session, shop.note.call(1))


def test_a_call_of_another_app_a_flow_and_anything_else_are_refused(shop: Shop) -> None:
    other = Oxmq(prefix="other")

    @other.task
    def stranger() -> None: ...

    with Session(shop.engine) as session:
        with pytest.raises(ConfigurationError, match="task 'stranger' belongs to another app than this outbox"):
            shop.outbox.enqueue(session, stranger.call())
        with pytest.raises(ConfigurationError, match="task 'note': a flow cannot go through an outbox"):
            shop.outbox.enqueue(session, shop.note.call(1).after(shop.note.call(2)))
        with pytest.raises(ConfigurationError, match=r"an outbox takes a call, as task\.call\(\.\.\.\) makes it"):
            shop.outbox.enqueue(session, shop.note)  # type: ignore[call-overload]  # it is about that
        assert not session.in_transaction()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "interval must be longer than 0"),
        ({"interval": "soon"}, "interval must be a text such as"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 to 250, not 0"),
        ({"batch_size": 251}, "batch_size must be a whole number from 1 to 250, not 251"),
    ],
)
def test_terms_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Outbox(Oxmq(), "sqlite://", **options)


@pytest.mark.parametrize(
    "database", [None, 5, "", "nonsense", "nonsense://user:secret@host/db", "mysql+nonsense://u:secret@h/d"]
)
def test_a_database_that_cannot_be_is_refused_and_its_password_kept(database: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^database ") as caught:
        Outbox(Oxmq(), database)
    assert "secret" not in str(caught.value)


def test_a_prefix_that_does_not_fit_into_the_table_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="prefix must be at most 255 characters for an outbox"):
        Outbox(Oxmq(prefix="p" * 256), "sqlite://")


def test_the_table_is_among_the_applications_own() -> None:
    class Base(DeclarativeBase): ...

    sa.Table("orders", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
    Outbox(Oxmq(), "sqlite://", metadata=Base.metadata, table_name="jobs_to_send")
    assert set(Base.metadata.tables) == {"orders", "jobs_to_send"}
    assert [index.name for index in Base.metadata.tables["jobs_to_send"].indexes] == ["ix_jobs_to_send_due"]


def test_the_table_fits_what_a_job_may_carry_on_mysql() -> None:
    create = sa.schema.CreateTable(outbox_table(sa.MetaData()))
    assert "data LONGTEXT" in str(create.compile(dialect=mysql.dialect()))


async def test_a_worker_relays_at_once_what_its_own_process_commits(shop: Shop) -> None:
    """The relay looks for rows once a minute by itself: what comes sooner was woken for."""
    worker = shop.app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    await eventually(lambda: shop.outbox.relay.health.running, 20)
    for number in range(3):
        with Session(shop.engine) as session, session.begin():
            shop.outbox.enqueue(session, shop.note.call(number))
        await eventually(lambda: number in shop.seen, 20)  # noqa: B023 - it is asked within this round
    thread = threading.Thread(target=write_and_commit, args=(shop, 7))
    thread.start()
    await eventually(lambda: 7 in shop.seen, 20)
    thread.join()
    await worker.close()
    await working
    assert not shop.outbox.relay.health.running
    assert (await shop.outbox.backlog()).rows == 0


def write_and_commit(shop: Shop, number: int) -> None:
    """Write a job from another thread."""
    with Session(shop.engine) as session:
        shop.outbox.enqueue(session, shop.note.call(number))
        session.commit()


async def test_a_worker_goes_on_without_a_table(shop: Shop) -> None:
    shop.metadata.drop_all(shop.engine)
    worker = shop.app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    await eventually(lambda: "no such table" in shop.outbox.relay.health.problem, 20)
    job = await shop.note.enqueue(number=5)
    await job.result(timeout=20)
    assert shop.seen == [5]
    await worker.close()
    await working


async def test_rows_that_were_read_too_long_ago_are_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(shop.engine) as session, session.begin():
        shop.outbox.enqueue(session, shop.note.call(1))
    with monkeypatch.context() as patch:
        patch.setattr(relay_module, "_FRESH", -1.0)
        assert await shop.outbox.relay.relay_due() == 0
    assert shop.count() == 1
    assert await shop.outbox.relay.relay_due() == 1


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("queue", "a:b", "queue name must not contain ':'"),
        ("prefix", "", "prefix must be a non-empty"),
        ("data", "{", "data or opts of the row is not the JSON"),
        ("opts", "[]", "data or opts of the row is not the JSON"),
    ],
)
async def test_a_row_that_was_changed_is_refused_alone(shop: Shop, column: str, value: str, message: str) -> None:
    with Session(shop.engine) as session, session.begin():
        bad = shop.outbox.enqueue(session, shop.note.call(1))
        shop.outbox.enqueue(session, shop.note.call(2))
        table = shop.outbox.table
        session.execute(sa.update(table).where(table.c.job_id == bad).values({column: value}))
    assert await shop.outbox.relay.relay_due() == 1
    with shop.engine.connect() as connection:
        row = connection.execute(sa.select(table)).one()
    assert (row.job_id, row.attempts) == (bad, 1)
    assert message in row.last_error


async def test_a_row_with_which_the_server_finds_fault_is_refused_alone(shop: Shop, redis_client: Any) -> None:
    redis_client.set(f"{shop.app.prefix}:broken:oxmq:relayed", "no sorted set")
    with Session(shop.engine) as session, session.begin():
        bad = [shop.outbox.enqueue(session, shop.note.call(number)) for number in (1, 2)]
        table = shop.outbox.table
        session.execute(sa.update(table).where(table.c.job_id.in_(bad)).values(queue="broken"))
        shop.outbox.enqueue(session, shop.note.call(3))
    assert await shop.outbox.relay.relay_due() == 1
    assert (await shop.outbox.backlog()).refused == 2


async def test_a_refused_row_is_tried_ever_later_and_never_given_up(
    tmp_path: Path, redis_url: str, prefix: str
) -> None:
    clock = ManualClock()
    async with Oxmq(redis_url, prefix=prefix, clock=clock) as app:
        shop = Shop(f"sqlite:///{tmp_path / 'shop.db'}", app)
        with Session(shop.engine) as session, session.begin():
            shop.outbox.enqueue(session, shop.note.call(1))
            session.execute(sa.update(shop.outbox.table).values(queue="a:b"))
        waits: list[int] = []
        for _ in range(13):
            await shop.outbox.relay.relay_due()
            with shop.engine.connect() as connection:
                row = connection.execute(sa.select(shop.outbox.table)).one()
            waits.append((row.due_ms - clock.now_ms()) // 1000)
            clock.advance(waits[-1])
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
        await asyncio.to_thread(shop.engine.dispose)


async def test_much_data_goes_in_several_calls_and_keeps_its_order(shop: Shop) -> None:
    @shop.app.task(queue="big")
    async def keep(text: str) -> None: ...

    with Session(shop.engine) as session, session.begin():
        ids = [shop.outbox.enqueue(session, keep.call(text=str(n) * 600_000)) for n in range(5)]
    assert await shop.outbox.relay.relay_due() == 5
    async with asyncio.timeout(20):
        assert [job.id for job in await shop.app.queue("big").get_jobs(["waiting"], asc=True)] == ids


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_an_outbox_of_a_url_lets_go_of_its_connections(
    driver: str, postgresql: PostgreSQLServer, redis_url: str, prefix: str
) -> None:
    name = postgresql.create_database()
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    async with Oxmq(redis_url, prefix=prefix) as app:
        outbox = Outbox(app, postgresql.url(name, driver), interval=0.05)
        await app.start_up()
        await eventually(lambda: 'oxmq_outbox" does not exist' in outbox.relay.health.problem, 20)
        await app.shut_down()
    await eventually(lambda: postgresql.execute(sessions) == [(0,)], 20)
    postgresql.drop_database(name)
