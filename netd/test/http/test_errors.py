"""The page of refusals."""

from __future__ import annotations

from http import HTTPStatus

from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import REFUSALS, Refused


class RefusalTests(SynchronousTestCase):
    """Each reason, once."""

    def test_statuses(self) -> None:
        """Every reason has a registered status that blames the right side."""
        for key, (code, _) in REFUSALS.items():
            self.assertTrue(HTTPStatus(code).phrase)
            self.assertGreaterEqual(code, 400, key)

    def test_sentences(self) -> None:
        """Every reason is one printable line that belongs to it alone."""
        sentences = [sentence for _, sentence in REFUSALS.values()]
        self.assertEqual(len(set(sentences)), len(sentences))
        for sentence in sentences:
            self.assertTrue(sentence.isascii() and sentence.isprintable())

    def test_refused(self) -> None:
        """The exception knows the whole row."""
        refused = Refused("host")
        self.assertEqual((refused.key, refused.code), ("host", 400))
        self.assertEqual(refused.sentence, REFUSALS["host"][1])
        self.assertRaises(KeyError, Refused, "nonsense")
