"""HTTP clients of the API: ``aio`` awaits, ``sync`` blocks on ``aio``. ``certificates`` decides whom to trust."""
