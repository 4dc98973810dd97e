"""A local StarVideos server, to develop and test against without paying.

Start it with ``starvideos-emulator`` or ``python -m airflow_provider_starvideos.emulator``, or inside a test with
:class:`Emulator`. It is written from the vendor's two pages alone and shares no code with the provider.

What it does not emulate:

- Pictures: its videos show the prompt and the references, they are not generated from them.
- Statuses and bodies of errors, which the vendor doesn't document: they are plausible, not copied.
- Content checks, accounts and balances; prices, except ``--price-per-second``: it counts videos and seconds.
- The load of the real server: a generation takes as long as ``--seconds`` says.
- Sound, and clips that are stored rotated.
- Restarts: orders are in memory and end with the process.
"""

from airflow_provider_starvideos.emulator.embedded import Billed, Emulator
from airflow_provider_starvideos.emulator.order import OrderSnapshot

__all__ = ["Billed", "Emulator", "OrderSnapshot"]
