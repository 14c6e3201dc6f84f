"""Answer requests."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import Order
from .tasks import count_orders, write_receipt


class OutOfStockError(Exception):
    """Say that there is no more of it."""


@csrf_exempt
@require_POST
def place_order(request: HttpRequest) -> HttpResponse:
    """Write an order, and have its receipt written: both happen, or neither does."""
    try:
        with transaction.atomic():
            order = Order.objects.create(item=request.POST["item"])
            job = write_receipt.enqueue_sync(order.pk)  # is added when this block has committed
            _take_from_stock(order)
    except OutOfStockError:
        return JsonResponse({"error": "out of stock"}, status=409)
    answer = JsonResponse({"order": order.pk, "job": job.id}, status=202)
    answer["Location"] = reverse(show_order, args=[order.pk])
    return answer


@csrf_exempt
@require_POST
async def request_count(request: HttpRequest) -> HttpResponse:
    """Have the orders counted."""
    job = await count_orders.enqueue()
    return JsonResponse({"job": job.id}, status=202)


def show_order(request: HttpRequest, order_id: int) -> HttpResponse:
    """Show an order."""
    order = get_object_or_404(Order, pk=order_id)
    return JsonResponse({"item": order.item, "receipt": order.receipt})


def _take_from_stock(order: Order) -> None:
    if order.item == "unicorn":
        raise OutOfStockError
