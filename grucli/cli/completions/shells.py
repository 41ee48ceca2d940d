"""What fills the placeholders of each shell's template: lines of that shell by placeholder."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from grucli.cli.completions.command_spec import FILE_KIND, MODEL_KIND, CommandSpec, OptionSpec

Parts = dict[str, list[str]]


def bash(specs: Sequence[CommandSpec]) -> Parts:
    """Branches of `case` that map a command, its options and its arguments to what follows; for bash 3.2 and later."""
    follow, values, arguments = [], [], []
    for spec in specs:
        names = " ".join(name for option in spec.options for name in option.names)
        commands, options = shlex.quote(" ".join(spec.commands)), shlex.quote(names)
        follow.append(f"        {shlex.quote(spec.path)}) commands={commands} options={options} ;;")
        for option in spec.options:
            if option.kind is not None:
                pattern = "|".join(shlex.quote(f"{spec.path} {name}") for name in option.names)
                values.append(f"        {pattern}) kind={shlex.quote(option.kind)} ;;")
        for position, kind in spec.positions():
            arguments.append(f"        {shlex.quote(spec.path + ' ')}{position}) kind={shlex.quote(kind)} ;;")
    return {"FOLLOW": follow, "VALUES": values, "ARGUMENTS": arguments}


def zsh(specs: Sequence[CommandSpec]) -> Parts:
    """One function per command, which calls `_arguments`."""
    return {"FUNCTIONS": [_zsh_group(spec) if spec.commands else _zsh_command(spec) for spec in specs]}


def _zsh_command(spec: CommandSpec) -> str:
    rows = [row for option in spec.options for row in _zsh_option(option)]
    rows += [
        f"'{position if position == '*' else int(position) + 1}:{_zsh_value(kind)}'"
        for position, kind in spec.positions()
    ]
    lines = " \\\n        ".join(["_arguments -s -S :", *rows])
    return f"{_zsh_name(spec.path)}() {{\n    setopt local_options extended_glob\n    {lines}\n}}\n"


def _zsh_group(spec: CommandSpec) -> str:
    rows = [*(row for option in spec.options for row in _zsh_option(option)), "'1: :->command'", "'*:: :->rest'"]
    lines = " \\\n        ".join(["_arguments -C -s -S :", *rows])
    commands = " ".join(_quote(f"{name}:{text}", "'\\''") for name, text in spec.commands.items())
    return f"""{_zsh_name(spec.path)}() {{
    local curcontext=$curcontext state line ret=1
    local -a commands
    typeset -A opt_args
    {lines} && ret=0
    case $state in
        command)
            commands=({commands})
            _describe -t commands command commands && ret=0
            ;;
        rest) _call_function ret {_zsh_name(spec.path)}_$words[1] ;;
    esac
    return ret
}}
"""


def _zsh_name(path: str) -> str:
    return "_".join(["_gru", *path.split()])


def _zsh_option(option: OptionSpec) -> Iterator[str]:
    alternatives = " ".join(option.names)
    text = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    for name in option.names:
        if option.kind is None:
            # --quiet may be repeated, also by its other name.
            prefix = "*" if "--quiet" in option.names else f"({alternatives})"
            yield _quote(f"{prefix}{name}[{text}]", "'\\''")
        else:
            suffix = "=" if name.startswith("--") else "+"
            yield _quote(f"({alternatives}){name}{suffix}[{text}]:{_zsh_value(option.kind)}", "'\\''")


def _zsh_value(kind: str) -> str:
    """A message and an action of `_arguments`."""
    actions = {MODEL_KIND: "model:_gru_model_names", FILE_KIND: "file:_files", "": "value: "}
    return actions.get(kind, f"value:({kind})")


def fish(specs: Sequence[CommandSpec]) -> Parts:
    """One `complete` per subcommand, option and argument."""
    lines, with_value = [], []
    for spec in specs:
        at_command = f"__gru_at {_fish_quote(spec.path)}"
        for name, text in spec.commands.items():
            lines.append(_fish_complete(f"{at_command} 0 0", f"-a {name} -d {_fish_quote(text)}"))
        for option in spec.options:
            lines.append(_fish_complete(at_command, _fish_option(option)))
            with_value += [f"{spec.path} {name}" for name in option.names if option.kind is not None]
        for position, kind in spec.positions():
            first, last = (len(spec.arguments) - 1, 9999) if position == "*" else (int(position), int(position))
            if kind:
                lines.append(_fish_complete(f"{at_command} {first} {last}", _fish_value(kind)))
    return {
        "VALUES": [" ".join(map(_fish_quote, with_value))],
        "COMMANDS": [" ".join(_fish_quote(spec.path) for spec in specs[1:])],
        "COMPLETE": lines,
    }


def _fish_complete(condition: str, what: str) -> str:
    return f"complete -c gru -n {_fish_quote(condition)} {what}"


def _fish_option(option: OptionSpec) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.kind is not None:
        # -r: a value must follow; -x: and it is not a file.
        required = "-r" if option.kind in (MODEL_KIND, FILE_KIND) else "-x"
        parts.append(f"{required} {_fish_value(option.kind)}".rstrip())
    return " ".join([*parts, f"-d {_fish_quote(option.help)}"])


def _fish_value(kind: str) -> str:
    values = {MODEL_KIND: "-F -a '(__gru_model_names)'", FILE_KIND: "-F", "": ""}
    return values.get(kind, f"-a {_fish_quote(kind)}")


def _fish_quote(text: str) -> str:
    return _quote(text.replace("\\", "\\\\"), "\\'")


def powershell(specs: Sequence[CommandSpec]) -> Parts:
    """One entry of a hash table per command."""
    lines = []
    for spec in specs:
        options = {name: option.help or name for option in spec.options for name in option.names}
        values = {name: option.kind for option in spec.options if option.kind is not None for name in option.names}
        arguments = ", ".join(_quote(kind, "''") for kind in spec.arguments)
        lines += [
            f"        {_quote(spec.path, chr(39) * 2)} = @{{",
            f"            commands = [ordered]@{{ {_powershell_table(spec.commands)} }}",
            f"            options = [ordered]@{{ {_powershell_table(options)} }}",
            f"            values = @{{ {_powershell_table(values)} }}",
            f"            arguments = @({arguments})",
            f"            repeats = ${str(spec.repeats).lower()}",
            "        }",
        ]
    return {"TREE": lines}


def _powershell_table(pairs: Mapping[str, str]) -> str:
    return "; ".join(f"{_quote(key, chr(39) * 2)} = {_quote(value, chr(39) * 2)}" for key, value in pairs.items())


def _quote(text: str, quote: str) -> str:
    """A text in single quotes, with the quotes in it replaced by `quote`."""
    return "'" + text.replace("'", quote) + "'"
