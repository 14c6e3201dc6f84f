"""Take orders, and write receipts for them."""
