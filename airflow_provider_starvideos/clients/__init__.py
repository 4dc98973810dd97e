"""Moving bytes: ``aio`` awaits, ``sync`` blocks on it. They decide nothing, except whom to trust (``trust``)."""
