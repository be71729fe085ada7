"""
What a shell offers when somebody types `netd --` and then a tab.

Rules: pure; made from the table of options and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from netd.options import parsers
from netd.options.table import OPTIONS, Option
from netd.values import switch

FLAGS: Final = {
    "check-config": "exit 0 when the daemon could be built, 1 when not",
    "healthcheck": "ask a daemon whether it is well, and exit 0 or 1",
    "help": "print what there is to say, and exit",
    "print-config": "print every value and where it came from, and exit",
    "version": "print the version of netd, and exit",
}
"""Flags without a value."""
SHELLS: Final = ("bash", "zsh", "fish")

_CHOICES: Final[Mapping[Callable[[str], Any], tuple[str, ...]]] = {
    switch: ("yes", "no"),
    parsers.symlinks: ("inside", "all", "none"),
    parsers.log_form: ("auto", "text", "json", "journal"),
    parsers.revealed: ("hostname", "version"),
}
MORE: Final = (
    Option("config", parsers.path, None, "TOML file of options"),
    Option("ca", parsers.path, None, "PEM file of whom --healthcheck believes"),
    Option("completion", str, None, "print completions for bash, zsh or fish"),
)
"""Options that no daemon keeps: neither variable nor key has their names."""
_OPTIONS: Final = (*OPTIONS, *MORE)


def _choices(option: Option) -> tuple[str, ...]:
    return SHELLS if option.name == "completion" else _CHOICES.get(option.parse, ())


def _is_file(option: Option) -> bool:
    return option.parse is parsers.path or option.name == "access-log"


def _quoted(text: str) -> str:
    """`text` as one word, in each of the shells."""
    return "'" + text.replace("'", "'\\''") + "'"


def _bash() -> str:
    chosen = "".join(
        f'        --{each.name}) COMPREPLY=($(compgen -W "{" ".join(_choices(each))}" '
        '-- "$cur"));;\n'
        for each in _OPTIONS
        if _choices(each)
    )
    files = "|".join(f"--{each.name}" for each in _OPTIONS if _is_file(each))
    rest = [each for each in _OPTIONS if not _choices(each) and not _is_file(each)]
    others = "|".join(f"--{each.name}" for each in rest)
    flags = " ".join(
        sorted([f"--{name}" for name in FLAGS] + [f"--{o.name}" for o in _OPTIONS])
    )
    return f"""\
_netd() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    # Bash takes --flag=value for three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    case $prev in
{chosen}        {files}) COMPREPLY=($(compgen -f -- "$cur"));;
        {others}) COMPREPLY=();;
        *) COMPREPLY=($(compgen -W "{flags}" -- "$cur"));;
    esac
}}
complete -o filenames -F _netd netd
"""


def _zsh() -> str:
    lines = []
    for each in _OPTIONS:
        many = "*" if each.repeatable else ""
        value = f"({' '.join(_choices(each))})" if _choices(each) else ""
        action = value or ("_files" if _is_file(each) else "")
        lines.append(f"{many}--{each.name}=[{_bracketed(each.help)}]:{each.name}:{action}")
    lines += [f"--{name}[{_bracketed(text)}]" for name, text in FLAGS.items()]
    specs = " \\\n        ".join(map(_quoted, sorted(lines)))
    return f"""\
#compdef netd
_netd() {{
    _arguments \\
        {specs} \\
        '*:url:'
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _netd "$@"
else
    compdef _netd netd
fi
"""


def _bracketed(text: str) -> str:
    for special in ("\\", "[", "]", ":"):
        text = text.replace(special, f"\\{special}")
    return text


def _fish() -> str:
    lines = ["complete -c netd -f"]
    for each in _OPTIONS:
        if _choices(each):
            how = f"-x -a {_quoted(' '.join(_choices(each)))}"
        else:
            how = "-r -F" if _is_file(each) else "-x"
        lines.append(f"complete -c netd -l {each.name} {how} -d {_fishy(each.help)}")
    lines += [f"complete -c netd -l {name} -d {_fishy(text)}" for name, text in FLAGS.items()]
    return "\n".join([*lines, ""])


def _fishy(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def script(shell: str) -> str:
    """The script to be read by `shell`; ValueError when it is none of the three."""
    made = {"bash": _bash, "zsh": _zsh, "fish": _fish}.get(shell)
    if made is None:
        raise ValueError(f"not one of {', '.join(SHELLS)}")
    return made()
