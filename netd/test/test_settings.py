"""
Tests for netd.settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from operator import attrgetter
from sys import maxsize
from typing import Any

from attrs import evolve, fields, has
from attrs.exceptions import FrozenInstanceError
from twisted.trial.unittest import SynchronousTestCase

from netd import settings
from netd.values import Duration, Endpoint

_LIMITS = settings.Limits()


def _whole() -> settings.Settings:
    endpoint = Endpoint("tcp", "127.0.0.1", 8000)
    return settings.Settings(http=settings.HTTP((endpoint,)))


class SettingsTests(SynchronousTestCase):
    """
    One daemon's settings are one frozen value.
    """

    def test_frozen(self) -> None:
        """
        No field of any group can be set.
        """
        whole = _whole()
        group: Any
        for group in (whole, whole.http, whole.http.limits, whole.tls, whole.files, whole.udp):
            for attribute in fields(type(group)):
                with self.assertRaises(FrozenInstanceError):
                    setattr(group, attribute.name, None)

    def test_comparable(self) -> None:
        """
        Equal settings compare equal and have equal hashes.
        """
        self.assertEqual(_whole(), _whole())
        self.assertEqual(hash(_whole()), hash(_whole()))
        self.assertNotEqual(_whole(), evolve(_whole(), grace=Duration(0)))

    def test_values(self) -> None:
        """
        Every field is a value or a tuple of values, not a dict, list or set.
        """

        def parts(value: Any) -> Iterator[object]:
            yield value
            names = fields(type(value)) if has(type(value)) else ()
            for part in (getattr(value, each.name) for each in names):
                yield from parts(part)
            if isinstance(value, tuple):
                for each in value:
                    yield from parts(each)

        for part in parts(_whole()):
            self.assertNotIsInstance(part, (dict, list, set))


class TableTests(SynchronousTestCase):
    """
    One table names every option.
    """

    def test_names(self) -> None:
        """
        A name is a flag, an environment variable and a bare TOML key at once.
        """
        for option in settings.OPTIONS:
            self.assertRegex(option.name, r"\A[a-z]+(-[a-z0-9]+)*\Z")
            self.assertRegex(option.variable, r"\ANETD_[A-Z]+(_[A-Z0-9]+)*\Z")
        self.assertEqual(len(settings.BY_NAME), len(settings.OPTIONS))

    def test_fields(self) -> None:
        """
        Every field of every group has a row: an option or several.
        """
        for path, options in settings.TABLE.items():
            attrgetter(path)(settings.Settings())
            self.assertTrue(options, path)
        self.assertEqual(len(settings.TABLE), _count_fields(settings.Settings()))

    def test_restart(self) -> None:
        """
        The options of one field agree on whether only a restart changes it.
        """
        for path, options in settings.TABLE.items():
            self.assertEqual(len({option.restart for option in options}), 1, path)

    def test_defaults(self) -> None:
        """
        A field that one option sets has the default of that option.
        """
        for path, options in settings.TABLE.items():
            value = attrgetter(path)(settings.Settings())
            for option in options[: len(options) == 1]:
                texts = map(option.type.parse, option.split(option.default))
                self.assertEqual(
                    value, tuple(texts) if isinstance(value, tuple) else next(texts, None)
                )


def _count_fields(group: Any) -> int:
    """The fields of the groups of settings that are no groups themselves."""
    values = [getattr(group, each.name) for each in fields(type(group))]
    groups = [value for value in values if type(value).__module__ == settings.__name__]
    return len(values) - len(groups) + sum(map(_count_fields, groups))


class ServicesTests(SynchronousTestCase):
    """
    The table of small services.
    """

    def test_kinds(self) -> None:
        """
        Each service has TCP, UDP or both as transport.
        """
        for name, kinds in settings.SERVICES.items():
            self.assertTrue(kinds, name)
            self.assertLessEqual(set(kinds), {"tcp", "udp"})

    def test_noWeapon(self) -> None:
        """
        Chargen, which would amplify attacks, is not offered over UDP.
        """
        self.assertEqual(settings.SERVICES["chargen"], ("tcp",))

    def test_parse(self) -> None:
        """
        A service is its name and an endpoint, which gets a host where it has none.
        """
        service = settings.Service.parse("echo=udp:7", "10.0.0.1")
        self.assertEqual(service, settings.Service("echo", Endpoint("udp", "10.0.0.1", 7)))
        for text, reason in (
            ("nothing=tcp:7", "not one of echo, discard, "),
            ("echo=7", "not echo=tcp:PORT or echo=udp:PORT"),
            ("chargen=udp:19", "not offered over udp; chargen is offered over tcp"),
        ):
            caught = self.assertRaises(ValueError, settings.Service.parse, text)
            self.assertTrue(str(caught).startswith(reason), text)


class LimitsTests(SynchronousTestCase):
    """
    The default limits.
    """

    def test_bounded(self) -> None:
        """
        All limits but that of the connections in all are on by default.
        """
        off = {
            attribute.name
            for attribute in fields(settings.Limits)
            if getattr(_LIMITS, attribute.name) in (inf, maxsize)
        }
        self.assertEqual(off, {"connections"})

    def test_consistent(self) -> None:
        """
        The smaller of two related limits is below the larger.
        """
        self.assertLess(_LIMITS.max_target, _LIMITS.max_head)
        self.assertLess(_LIMITS.body_memory, _LIMITS.spool)
        self.assertLess(_LIMITS.max_body, _LIMITS.spool)
        self.assertLess(_LIMITS.client_waiting, _LIMITS.waiting)
        self.assertLess(_LIMITS.body_time, _LIMITS.body_time_most)

    def test_bodyTime(self) -> None:
        """
        A request body has a second more for every `body_rate` bytes, up to a limit.
        """
        times = [_LIMITS.body_seconds(received) for received in (0, 2048, 10**9)]
        self.assertEqual(times, [20.0, 22.0, 300.0])
        self.assertEqual(settings.Limits(body_rate=maxsize).body_seconds(0), 20.0)
