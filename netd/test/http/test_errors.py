"""The table of errors."""

from __future__ import annotations

from http import HTTPStatus

from twisted.trial.unittest import SynchronousTestCase

from netd.http.errors import REQUEST_ERRORS, RequestError


class RequestErrorTests(SynchronousTestCase):
    """Each error, once."""

    def test_statuses(self) -> None:
        """Every error has a registered status from 400 on."""
        for key, (code, _) in REQUEST_ERRORS.items():
            self.assertTrue(HTTPStatus(code).phrase)
            self.assertGreaterEqual(code, 400, key)

    def test_sentences(self) -> None:
        """Every sentence is printable and belongs to one error."""
        sentences = [sentence for _, sentence in REQUEST_ERRORS.values()]
        self.assertEqual(len(set(sentences)), len(sentences))
        for sentence in sentences:
            self.assertTrue(sentence.isascii() and sentence.isprintable())

    def test_exception(self) -> None:
        """The exception has the whole row."""
        error = RequestError("host")
        self.assertEqual((error.key, error.code), ("host", 400))
        self.assertEqual(error.sentence, REQUEST_ERRORS["host"][1])
        self.assertRaises(KeyError, RequestError, "nonsense")
