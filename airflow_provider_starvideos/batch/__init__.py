"""Many orders in one task: reading rows, ordering, waiting, saving, reporting, and a record of each row."""
