"""
The faults of failed calls.
"""

from __future__ import annotations

import xmlrpc.client
from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import (
    BAD_PARAMETERS,
    BUSY,
    INTERNAL,
    NOT_XMLRPC,
    BadParameters,
    Fault,
    Why,
    as_fault,
    lost,
    not_xmlrpc,
    too_many,
)


class FaultTests(SynchronousTestCase):
    """
    Codes, texts, and exceptions that are faults.
    """

    def test_kinds(self) -> None:
        """Each kind of fault has its code."""
        self.assertEqual((not_xmlrpc("x").code, not_xmlrpc("x").text), (NOT_XMLRPC, "x"))
        self.assertEqual(BadParameters("x").code, BAD_PARAMETERS)

    def test_busy(self) -> None:
        """A call too many is told how many wait."""
        fault = too_many(64)
        self.assertEqual((fault.code, fault.text), (BUSY, "busy: 64 calls are waiting already"))

    def test_lost(self) -> None:
        """Each way to lose a call has a text of its own."""
        faults = [lost(why, "m") for why in get_args(Why)]
        self.assertEqual({fault.code for fault in faults}, {INTERNAL})
        self.assertEqual(len({fault.text for fault in faults}), len(faults))
        self.assertEqual(faults[0].text, "the process that ran m died")

    def test_own(self) -> None:
        """A Fault is returned as it is."""
        fault = Fault(7, "seven")
        self.assertIs(as_fault(fault), fault)

    def test_standardLibrary(self) -> None:
        """The standard library's Fault, which is Twisted's too, becomes a Fault of netd's."""
        fault = as_fault(xmlrpc.client.Fault(7, "seven"))
        assert fault is not None
        self.assertEqual((fault.code, fault.text), (7, "seven"))

    def test_bugs(self) -> None:
        """Every other exception is a bug, even with a faultCode of another type."""
        odd = ValueError("x")
        odd.faultCode = "7"  # type: ignore[attr-defined]
        odd.faultString = "x"  # type: ignore[attr-defined]
        for error in (ValueError("x"), odd, KeyboardInterrupt()):
            self.assertIsNone(as_fault(error))
