"""Do what an order leads to. Django starts with this module, in workers and in web servers."""

from oxmq.integrations.django import task

from .models import Order


@task(queue="orders", timeout=30)
def write_receipt(order_id: int) -> str:
    """Write an order's receipt. It may be called twice, and writes the same both times."""
    order = Order.objects.get(pk=order_id)
    order.receipt = f"1 x {order.item}"
    order.save(update_fields=["receipt"])
    return order.receipt


@task(queue="orders")
async def count_orders() -> int:
    """Count the orders: a task may be a coroutine, and uses Django's asynchronous queries then."""
    return await Order.objects.acount()
