"""
How long to wait: a duration or a distribution, as a call asks for it.

Rules: pure.
"""

from __future__ import annotations

from netd.lab.call import BadCall, Call
from netd.values import Distribution, Duration


def waiting(call: Call, name: str) -> float:
    """
    The seconds that the parameter `name`, of kind `delay`, asks for.

    A distribution is drawn from and never exceeds --max-delay; a duration that
    does is clamped where the parameter clamps, and a BadCall elsewhere.
    """
    asked = call.value(name)
    if asked is None:
        return 0.0
    longest = call.config.limits.max_delay
    if not isinstance(asked, Distribution) and asked.seconds > longest:
        if not call.route.parameter(name).clamps:
            raise BadCall(f"{name}: longer than {Duration.of(longest)}")
        return longest
    return drawn(call, asked)


def drawn(call: Call, delay: Duration | Distribution) -> float:
    """The seconds that `delay` has this time, those of a distribution at most --max-delay."""
    if not isinstance(delay, Distribution):
        return delay.seconds
    longest = call.config.limits.max_delay
    seconds = delay.draw(call.chance())
    # An exponential of a year may be longer than anything that can be waited for.
    return min(seconds, longest, 31_536_000.0)
