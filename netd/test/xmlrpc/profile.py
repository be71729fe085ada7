"""
How hypothesis works in this room: imported by each test that uses it.

No deadline, because the machine may be busy; the same examples every time.
"""

from hypothesis import settings

settings.register_profile("netd-rpc", deadline=None, database=None, derandomize=True)
settings.load_profile("netd-rpc")
