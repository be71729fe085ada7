"""
Tests for netd.options.sources.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from netd.options.build import build_settings
from netd.options.sources import OptionValue, option_values
from netd.options.toml import read_toml
from netd.settings import OPTIONS
from netd.test.chance import by_chance
from netd.test.options.examples import (
    BAD,
    COMPANY,
    EXAMPLES,
    NAMES,
    ORDER,
    Commands,
)
from netd.values import Duration


class EnvironmentTests(Commands):
    """
    NETD_* variables.
    """

    def test_everyOption(self) -> None:
        """
        A variable has the meaning of the flag of its name.
        """
        for option in OPTIONS:
            company = {
                f"NETD_{key.upper().replace('-', '_')}": value
                for key, value in COMPANY.get(option.name, ())
            }
            flags = [f"--{key}={value}" for key, value in COMPANY.get(option.name, ())]
            for text in EXAMPLES[option.name]:
                self.assertEqual(
                    self.settings(**company, **{option.variable: text}),
                    self.settings(*flags, f"--{option.name}={text}"),
                )

    def test_bad(self) -> None:
        """
        A bad value is refused with one line that names option, value and variable.
        """
        for option in OPTIONS:
            for text in BAD[option.name]:
                if not text or (option.repeatable and text.split() != [text]):
                    continue
                company = {
                    f"NETD_{k.upper().replace('-', '_')}": v
                    for k, v in COMPANY.get(option.name, ())
                }
                message = self.refuse(**company, **{option.variable: text})
                shown = option.type.shown(text)
                shown = shown if text.isprintable() else repr(text)
                self.assertTrue(
                    message.startswith(f"--{option.name} {shown} ({option.variable}): "),
                    message,
                )

    def test_empty(self) -> None:
        """
        An empty variable counts as absent.
        """
        path = self.file('port = 81\nhttp = ["82"]')
        environ = {option.variable: "" for option in OPTIONS}
        self.assertEqual(
            self.settings("--config", path, **environ), self.settings("--config", path)
        )
        self.assertEqual(self.settings(**environ, NETD_CONFIG=""), self.settings())

    def test_blank(self) -> None:
        """
        A variable of white space for a repeatable option counts as absent.
        """
        path = self.file('http = ["82"]')
        self.assertEqual(
            self.settings("--config", path, NETD_HTTP="  "), self.settings("--config", path)
        )

    def test_spaces(self) -> None:
        """
        Only line breaks separate texts that may hold spaces.
        """
        config = self.settings(
            NETD_FILES_HEADER="X-A: one two\n\n X-B:3\n",
            NETD_FILES_CACHE="*.css=max-age=60, immutable",
        ).files
        self.assertEqual(config.headers, (("X-A", "one two"), ("X-B", "3")))
        self.assertEqual(config.cache, (("*.css", "max-age=60, immutable"),))

    def test_several(self) -> None:
        """
        White space separates the texts of a repeatable option.
        """
        config = self.settings(NETD_HTTP=" 81  tcp:82\n83 ")
        self.assertEqual([where.port for where in config.http.listen], [8000, 81, 82, 83])

    def test_config(self) -> None:
        """
        NETD_CONFIG names the file unless --config does.
        """
        first, other = self.file("port = 1"), self.file("port = 2")
        self.assertEqual(self.settings(NETD_CONFIG=first).http.listen[0].port, 1)
        config = self.settings("--config", other, NETD_CONFIG=first)
        self.assertEqual(config.http.listen[0].port, 2)

    def test_others(self) -> None:
        """
        Variables of other programs, of /env and of tests, and empty ones, are ignored.
        """
        free = self.settings(NETD_ENV_A="1", NETD_TEST_B="x", PORT="9", NETD_PROT="")
        self.assertEqual(free, self.settings())

    def test_unknown(self) -> None:
        """
        A variable NETD_* that is no option is refused, and the nearest one is suggested.
        """
        for name, hint in (
            ("NETD_PROT", ", did you mean NETD_PORT?"),
            ("NETD_CONFG", ", did you mean NETD_CONFIG?"),
            ("NETD_ENV", "; see netd --help"),
            ("NETD_", "; see netd --help"),
        ):
            self.assertEqual(self.refuse(**{name: "9"}), f"{name}: not an option{hint}")
        self.assertIn(r"'NETD_\x1b': not", self.refuse(**{"NETD_\x1b": "9"}))


class PrecedenceTests(Commands):
    """
    A flag beats the environment, that the file, and that the default.
    """

    @by_chance
    @given(
        st.fixed_dictionaries(
            {}, optional={name: st.sets(st.sampled_from(ORDER)) for name in NAMES}
        )
    )
    def test_anySources(self, sources: dict[str, set[str]]) -> None:
        """
        For any set of sources, the highest one counts and is the origin.
        """
        by_source: dict[str, dict[str, str]] = {each: {} for each in ORDER}
        expected: dict[str, tuple[tuple[str, ...], str]] = {}
        path = str(Path(self.mktemp()).absolute())
        for option in OPTIONS:
            speaking = [each for each in ORDER if each in sources.get(option.name, ())]
            for each in speaking:
                text = EXAMPLES[option.name][ORDER.index(each)]
                by_source[each][option.name] = text
            default = option.split(option.default)
            expected[option.name] = (default, "default")
            if speaking:
                text = EXAMPLES[option.name][ORDER.index(speaking[0])]
                origins = {"flag": "flag", "environ": option.variable, "file": path}
                expected[option.name] = ((text,), origins[speaking[0]])
        Path(path).write_text(
            "".join(f"{name} = '{text}'\n" for name, text in by_source["file"].items())
        )
        values = option_values(
            {name: (text,) for name, text in by_source["flag"].items()},
            {f"NETD_{n.upper().replace('-', '_')}": t for n, t in by_source["environ"].items()},
            read_toml(path),
            path,
        )
        actual = {name: (value.texts, value.origin) for name, value in values.items()}
        self.assertEqual(actual, expected)

    def test_whole(self) -> None:
        """
        The sources of one command line are compared option by option.
        """
        path = self.file('port = 1\ndelay = "1s"\ngrace = "1s"\nhttp = [11, 12]')
        config = self.settings(
            "--config", path, "--port", "3", NETD_PORT="2", NETD_DELAY="2s", NETD_HTTP="21"
        )
        self.assertEqual([where.port for where in config.http.listen], [3, 21])
        self.assertEqual(config.http.delay, Duration(2_000_000))
        self.assertEqual(config.grace.seconds, 1)
        self.assertEqual(config.http.limits.max_delay, 60)

    def test_overruled(self) -> None:
        """
        A bad value in a lower source is ignored.
        """
        self.assertEqual(self.settings("--port", "1", NETD_PORT="x").http.listen[0].port, 1)


class SaidTests(Commands):
    """
    The texts of one option.
    """

    def test_value(self) -> None:
        """
        The value is that of the last text, or None without a text.
        """
        port = OPTIONS[0]
        self.assertEqual(OptionValue(port, ("1", "2"), "flag").value(), 2)
        self.assertEqual(OptionValue(port, ("1", "2"), "flag").values(), (1, 2))
        self.assertIsNone(OptionValue(port, (), "default").value())

    def test_escaped(self) -> None:
        """
        An unprintable value is quoted in the message.
        """
        port = OPTIONS[0]
        for text in ("", "a\nb", "\x1b[2J", "\u202e", "\udcff"):
            message = str(OptionValue(port, (text,), "flag").error(text, "no"))
            self.assertEqual(message, f"--port {text!r}: no")

    def test_settings(self) -> None:
        """
        Settings are config of values from any source.
        """
        values = option_values({"port": ("1",)}, {"NETD_DELAY": "2"}, {}, "")
        config = build_settings(values)
        self.assertEqual(config.http.listen[0].port, 1)
        self.assertEqual(config.http.delay, Duration(2_000_000))
