"""The page of refusals."""

from __future__ import annotations

from http import HTTPStatus

from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import REQUEST_ERRORS, RequestError


class RefusalTests(SynchronousTestCase):
    """Each reason, once."""

    def test_statuses(self) -> None:
        """Every reason has a registered status that blames the right side."""
        for key, (code, _) in REQUEST_ERRORS.items():
            self.assertTrue(HTTPStatus(code).phrase)
            self.assertGreaterEqual(code, 400, key)

    def test_sentences(self) -> None:
        """Every reason is one printable line that belongs to it alone."""
        sentences = [sentence for _, sentence in REQUEST_ERRORS.values()]
        self.assertEqual(len(set(sentences)), len(sentences))
        for sentence in sentences:
            self.assertTrue(sentence.isascii() and sentence.isprintable())

    def test_refused(self) -> None:
        """The exception knows the whole row."""
        refused = RequestError("host")
        self.assertEqual((refused.key, refused.code), ("host", 400))
        self.assertEqual(refused.sentence, REQUEST_ERRORS["host"][1])
        self.assertRaises(KeyError, RequestError, "nonsense")
