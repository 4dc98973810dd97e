"""HTTP clients of the API: ``aio`` awaits, ``sync`` blocks on ``aio``. ``trust`` decides which certificates count."""
