"""A result becomes a file at a destination. An input becomes a URL that the API can read."""
