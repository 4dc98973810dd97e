"""The operators: one order (``create``), many orders (``batch``), saving a video (``download``)."""
