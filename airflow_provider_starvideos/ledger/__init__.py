"""Paid once: what is on record about an order, where it is kept, and what a later try makes of it."""
