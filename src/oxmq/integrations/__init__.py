"""Make oxmq a part of web frameworks. Each of them is imported by itself, and only its module needs it."""
