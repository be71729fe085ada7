"""
Tests for netd.settings.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, fields, has
from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.values import Duration, Size, Where

_LIMITS = settings.Limits(max_delay=Duration.parse("60s"), max_body=Size.parse("10MiB"))


def _whole() -> settings.Settings:
    here = Where("tcp", "127.0.0.1", 8000)
    return settings.Settings(
        http=settings.HTTP((here,), Duration.parse("3s"), _LIMITS),
        tls=settings.TLS((), None, None),
        files=settings.Files(None),
        udp=settings.UDP(None),
        grace=Duration.parse("10s"),
    )


class SettingsTests(SynchronousTestCase):
    """
    One daemon's settings are one frozen value.
    """

    def test_frozen(self) -> None:
        """
        No group, however deep, can be changed under the daemon that runs on it.
        """
        whole = _whole()
        group: Any
        for group in (whole, whole.http, whole.http.limits, whole.tls, whole.files, whole.udp):
            for attribute in fields(type(group)):
                with self.assertRaises(FrozenInstanceError):
                    setattr(group, attribute.name, None)

    def test_comparable(self) -> None:
        """
        Equal settings are equal values with equal hashes, so that a reload can compare.
        """
        self.assertEqual(_whole(), _whole())
        self.assertEqual(hash(_whole()), hash(_whole()))
        self.assertNotEqual(_whole(), evolve(_whole(), grace=Duration(0)))

    def test_groups(self) -> None:
        """
        Every part of the whole is a group of its own or one value: no dict, no list.
        """
        whole = _whole()
        for attribute in fields(settings.Settings):
            self.assertTrue(has(type(getattr(whole, attribute.name))), attribute.name)
