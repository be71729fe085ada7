"""
How hypothesis tests netd: with the same examples on every run, however slow the machine is.

Rules: no tests here.
"""

from hypothesis import HealthCheck, settings

# The deadline and the check `too_slow` measure time.
by_chance = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
