"""Two ways to move bytes, ``sync`` (requests) and ``aio`` (aiohttp). They decide nothing."""
