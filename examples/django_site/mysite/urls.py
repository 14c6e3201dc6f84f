"""Say what is where."""

from django.contrib.auth.views import LoginView
from django.urls import path
from orders import views

urlpatterns = [
    path("login/", LoginView.as_view(template_name="login.html")),
    path("orders/", views.place_order),
    path("orders/count/", views.request_count),
    path("orders/<int:order_id>/", views.show_order),
]
