"""
What a call that fails ends in.
"""

from __future__ import annotations

import xmlrpc.client

from twisted.trial.unittest import SynchronousTestCase

from netd.xmlrpc.faults import (
    BAD_PARAMETERS,
    NOT_XMLRPC,
    BadParameters,
    Fault,
    as_fault,
    not_xmlrpc,
)


class FaultTests(SynchronousTestCase):
    """
    Codes, texts, and exceptions of others.
    """

    def test_kinds(self) -> None:
        """Each kind has its code."""
        self.assertEqual((not_xmlrpc("x").code, not_xmlrpc("x").text), (NOT_XMLRPC, "x"))
        self.assertEqual(BadParameters("x").code, BAD_PARAMETERS)

    def test_own(self) -> None:
        """A Fault means itself."""
        fault = Fault(7, "seven")
        self.assertIs(as_fault(fault), fault)

    def test_standardLibrary(self) -> None:
        """The standard library's Fault, which is Twisted's too, means the same here."""
        found = as_fault(xmlrpc.client.Fault(7, "seven"))
        assert found is not None
        self.assertEqual((found.code, found.text), (7, "seven"))

    def test_bugs(self) -> None:
        """Every other exception is a bug, one with odd attributes as well."""
        odd = ValueError("x")
        odd.faultCode = "7"  # type: ignore[attr-defined]
        odd.faultString = "x"  # type: ignore[attr-defined]
        for wrong in (ValueError("x"), odd, KeyboardInterrupt()):
            self.assertIsNone(as_fault(wrong))
