"""The journal of orders: what is written before an order is sent, and what a later try makes of it."""
