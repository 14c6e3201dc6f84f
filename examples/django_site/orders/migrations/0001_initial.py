"""Make the table of orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table of orders."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.CharField(max_length=100)),
                ("receipt", models.TextField(default="")),
                ("placed_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    )
