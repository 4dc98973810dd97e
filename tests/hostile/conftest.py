"""What the hostile tests share: hypothesis with a fixed seed, a raw server, and both transports."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

# How many times as many examples, and then of chance: ``STARVIDEOS_FUZZ=50 make test ARGS=tests/hostile``.
LONG = int(os.environ.get("STARVIDEOS_FUZZ", "1"))

settings.register_profile(
    "hostile",
    derandomize=LONG == 1,
    deadline=None,
    database=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate, Phase.target, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give as many times as many examples as many times the time; else each would end at the usual limit."""
    for item in items:
        if LONG > 1 and "hostile" in item.path.parts:
            item.add_marker(pytest.mark.timeout(300 * LONG))
