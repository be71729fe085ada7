"""
Tests for netd.setting_types.
"""

from __future__ import annotations

from math import inf
from sys import maxsize

from attrs import evolve, fields, frozen
from twisted.trial.unittest import SynchronousTestCase

from netd import setting_types
from netd.setting_types import (
    Group,
    Option,
    limit,
    option,
    optional,
    options_of,
    repeatable,
)
from netd.test.options.examples import KINDS
from netd.values import switch


class OptionTests(SynchronousTestCase):
    """
    A row of the settings table.
    """

    def option(
        self,
        default: str = "",
        *,
        repeatable: bool = False,
        spaces: bool = False,
        short: str = "",
    ) -> Option:
        """The row of `a-b`."""
        row = Option("a-b", setting_types.PORT, default, Group.LIMITS, "Text.")
        return evolve(row, repeatable=repeatable, spaces=spaces, short=short)

    def test_flags(self) -> None:
        """
        The flag stands after its short one and before what stands for the text.
        """
        self.assertEqual(self.option().flags, "--a-b PORT")
        self.assertEqual(self.option(short="a").flags, "-a, --a-b PORT")
        self.assertEqual(evolve(self.option(), type=setting_types.FLAG).flags, "--a-b")

    def test_variable(self) -> None:
        """
        The variable is `NETD_` and the name in capitals, with underscores.
        """
        self.assertEqual(self.option().variable, "NETD_A_B")

    def test_doc(self) -> None:
        """
        The help is followed by the default and by whether the option is repeatable.
        """
        self.assertEqual(self.option().doc, "Text.")
        self.assertEqual(self.option("1").doc, "Text. [default: 1]")
        self.assertEqual(self.option(repeatable=True).doc, "Text. [repeatable]")
        self.assertEqual(
            self.option("1 2", repeatable=True).doc, "Text. [default: 1 2; repeatable]"
        )

    def test_split(self) -> None:
        """
        The texts of a repeatable option are separated by white space, or by line breaks only.
        """
        text = " a b \n\nc "
        self.assertEqual(self.option().split(text), (text,))
        self.assertEqual(self.option(repeatable=True).split(text), ("a", "b", "c"))
        spaced = self.option(repeatable=True, spaces=True)
        self.assertEqual(spaced.split(text), ("a b", "c"))
        for row in (self.option(), spaced):
            self.assertEqual(row.split(""), ())


@frozen
class _Group:
    """Fields of each kind."""

    needed: int = option("some-port", setting_types.PORT, "80", Group.LISTEN, "A.")
    perhaps: int | None = optional("b", setting_types.PORT, Group.LISTEN, "B.", common=True)
    several: tuple[int, ...] = repeatable(
        "c", setting_types.PORT, Group.LISTEN, "C.", default="1 2"
    )
    most_waits: float = limit(setting_types.SECONDS, "0", "D")
    plain: int = 5


class FieldTests(SynchronousTestCase):
    """
    Fields of frozen groups that options set.
    """

    def test_defaults(self) -> None:
        """
        The default of a field is the value of the option's default text.
        """
        self.assertEqual(_Group(), _Group(80, None, (1, 2), inf, 5))

    def test_options(self) -> None:
        """
        Each field knows its option; a limit has the name of its field and ends like all limits.
        """
        needed, perhaps, several, most, plain = (options_of(each) for each in fields(_Group))
        self.assertEqual([each.name for each in (*needed, *perhaps)], ["some-port", "b"])
        self.assertEqual((perhaps[0].common, needed[0].common), (True, False))
        self.assertTrue(several[0].repeatable)
        self.assertEqual((most[0].name, most[0].help), ("most-waits", "D; 0 is no limit."))
        self.assertEqual(plain, ())


class ParserTests(SynchronousTestCase):
    """
    The parsers of the options.
    """

    def test_good(self) -> None:
        """
        Texts of different meaning become different values.
        """
        for parse, (texts, _) in KINDS.items():
            several = {parse(text) for text in texts}
            self.assertEqual(len(several), 2 if parse is switch else len(set(texts)), texts)

    def test_bad(self) -> None:
        """
        Every parser refuses other texts, and says why.
        """
        for parse, (_, texts) in KINDS.items():
            for text in texts:
                with self.assertRaises(ValueError, msg=f"{parse} {text!r}") as caught:
                    parse(text)
                self.assertTrue(str(caught.exception))

    def test_headerOurs(self) -> None:
        """
        A header field that the server sets itself is refused by its name.
        """
        caught = self.assertRaises(ValueError, setting_types.HEADER.parse, "Date:now")
        self.assertEqual(str(caught), "not NAME:VALUE, because only netd sets Date")

    def test_bounds(self) -> None:
        """
        A number is within the bounds of its row, both included.
        """
        kind = setting_types.number(1, 64)
        self.assertEqual([kind.parse(text) for text in ("1", "64")], [1, 64])
        for text in ("0", "65"):
            self.assertRaises(ValueError, kind.parse, text)

    def test_choices(self) -> None:
        """
        A choice takes its own texts only, and its placeholder and its message list them.
        """
        kind = setting_types.choice("a", "b")
        self.assertEqual(
            (kind.parse("b"), kind.placeholder, kind.choices), ("b", "a|b", ("a", "b"))
        )
        caught = self.assertRaises(ValueError, kind.parse, "c")
        self.assertEqual(str(caught), "not one of a, b")

    def test_off(self) -> None:
        """
        A limit of 0 is infinite.
        """
        self.assertEqual(setting_types.SECONDS.parse("0"), inf)
        self.assertEqual(setting_types.BYTES.parse("0"), maxsize)
        self.assertEqual(setting_types.COUNT.parse("0"), maxsize)

    def test_lower(self) -> None:
        """
        A pattern for names of hosts or headers is in small letters, whatever its case was.
        """
        self.assertEqual(setting_types.PATTERN.parse("X-Internal-*"), "x-internal-*")
