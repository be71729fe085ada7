"""
What a shell offers after `netd --` and a tab.

Rules: pure; made from the table of options and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from netd.options.help import ALL, SHELLS
from netd.setting_types import Option


def script(shell: str) -> str:
    """The script for `shell`; ValueError when it is none of the three."""
    return _SCRIPTS[SHELLS.parse(shell)]()


def _is_file(option: Option) -> bool:
    return option.type.placeholder in ("FILE", "DIR")


def _bash() -> str:
    flags = " ".join(sorted(f"--{option.name}" for option in ALL))
    cases = "".join(_bash_case(option) for option in ALL if option.type.placeholder)
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
{cases}        *) COMPREPLY=($(compgen -W "{flags}" -- "$cur"));;
    esac
}}
complete -o filenames -F _netd netd
"""


def _bash_case(option: Option) -> str:
    words = f'-W "{" ".join(option.type.choices)}"' if option.type.choices else "-f"
    offered = option.type.choices or _is_file(option)
    reply = f'$(compgen {words} -- "$cur")' if offered else ""
    flags = f"--{option.name}" + (f"|-{option.short}" if option.short else "")
    return f"        {flags}) COMPREPLY=({reply});;\n"


def _zsh() -> str:
    specs = " \\\n        ".join(sorted(map(_zsh_spec, ALL)))
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


def _zsh_spec(option: Option) -> str:
    text = option.help
    for special in ("\\", "[", "]", ":"):
        text = text.replace(special, f"\\{special}")
    spec = f"--{option.name}[{text}]"
    if option.type.placeholder:
        choices = f"({' '.join(option.type.choices)})" if option.type.choices else ""
        action = choices or ("_files" if _is_file(option) else "")
        many = "*" if option.repeatable else ""
        spec = f"{many}--{option.name}=[{text}]:{option.name}:{action}"
    quoted = "'" + spec.replace("'", "'\\''") + "'"
    if option.short:
        quoted += " " + quoted.replace(f"--{option.name}=", f"-{option.short}+", 1)
    return quoted


def _fish() -> str:
    return "\n".join(["complete -c netd -f", *map(_fish_line, ALL), ""])


def _fish_line(option: Option) -> str:
    if option.type.choices:
        argument = f" -x -a '{' '.join(option.type.choices)}'"
    elif _is_file(option):
        argument = " -r -F"
    else:
        argument = " -x" if option.type.placeholder else ""
    text = option.help.replace("\\", "\\\\").replace("'", "\\'")
    short = f" -s {option.short}" if option.short else ""
    return f"complete -c netd{short} -l {option.name}{argument} -d '{text}'"


_SCRIPTS: Final[Mapping[str, Callable[[], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
