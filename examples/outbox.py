"""Write an order and the job that it calls for in one database transaction: both are there, or neither.

python examples/outbox.py
"""

from __future__ import annotations

import asyncio

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from oxmq import Oxmq
from oxmq.outbox.sqlalchemy import Outbox

app = Oxmq()
engine = create_engine("sqlite:///shop.db")


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    article: Mapped[str]


outbox = Outbox(app, engine, metadata=Base.metadata)
sent: asyncio.Queue[str] = asyncio.Queue()


@app.task
async def confirm(order_id: int, article: str) -> None:
    sent.put_nowait(f"order {order_id} is confirmed: {article}")


def order(article: str) -> None:
    with Session(engine) as session, session.begin():
        placed = Order(article=article)
        session.add(placed)
        session.flush()
        outbox.enqueue(session, confirm.call(order_id=placed.id, article=article))
        if article == "moon":
            raise ValueError("the moon is not for sale")


async def main() -> None:
    Base.metadata.create_all(engine)
    worker = app.worker()  # relays what is committed, besides running jobs
    working = asyncio.create_task(worker.run(handle_signals=False))
    for article in ("teapot", "moon", "kettle"):
        try:
            order(article)
        except ValueError as error:
            print(error)
    for _ in range(2):
        print(await asyncio.wait_for(sent.get(), timeout=30))
    await worker.close()
    await working


if __name__ == "__main__":
    asyncio.run(main())
