"""What the hostile tests share: hypothesis with a fixed seed, a raw server, and both transports."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

LONG = int(os.environ.get("STARVIDEOS_FUZZ", "1"))
"""How many times as many examples, and then of chance: ``STARVIDEOS_FUZZ=50 make test ARGS=tests/hostile``."""

settings.register_profile(
    "hostile",
    derandomize=LONG == 1,
    deadline=None,
    database=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
