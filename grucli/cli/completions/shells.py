"""What fills the placeholders of each shell's template: lines of that shell by placeholder."""

import re
from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from grucli.cli.completions.command_tree import FILE_KIND, MODEL_KIND, CommandNode, OptionNode

Parts = dict[str, list[str]]


def bash(tree: Sequence[CommandNode]) -> Parts:
    """Branches of `case`, by command, option and argument; for bash 3.2 and later."""
    rows = []
    for command in tree:
        names = " ".join(name for option in command.options for name in option.names)
        rows.append(f"{quote(command.path)}) commands={quote(' '.join(command.commands))} options={quote(names)} ;;")
        for option in command.options:
            if option.kind is not None:
                pattern = "|".join(quote(f"{command.path} {name}") for name in option.names)
                rows.append(f"{pattern}) kind={quote(option.kind)} ;;")
        for position, kind in command.positions():
            rows.append(f"{quote(f'{command.path} #')}{position}) kind={quote(kind)} ;;")
    return {"TABLE": [f"        {row}" for row in rows]}


def zsh(tree: Sequence[CommandNode]) -> Parts:
    """One function per command, which calls `_arguments`."""
    return {"FUNCTIONS": [_zsh_group(command) if command.commands else _zsh_command(command) for command in tree]}


def _zsh_command(command: CommandNode) -> str:
    positions = (
        (position if position == "*" else int(position) + 1, _zsh_value(kind)) for position, kind in command.positions()
    )
    return f"""{_zsh_name(command)}() {{
    setopt local_options extended_glob
    {_zsh_arguments("-s -S", command, [f"{position}:{value}" for position, value in positions])}
}}
"""


def _zsh_group(command: CommandNode) -> str:
    commands = " ".join(quote(f"{name}:{text}") for name, text in command.commands.items())
    return f"""{_zsh_name(command)}() {{
    local curcontext=$curcontext state line ret=1
    local -a commands
    typeset -A opt_args
    {_zsh_arguments("-C -s -S", command, ["1: :->command", "*:: :->rest"])} && ret=0
    case $state in
        command)
            commands=({commands})
            _describe -t commands command commands && ret=0
            ;;
        rest) _call_function ret {_zsh_name(command)}_$words[1] ;;
    esac
    return ret
}}
"""


def _zsh_name(command: CommandNode) -> str:
    return "_".join(["_gru", *command.path.split()])


def _zsh_arguments(flags: str, command: CommandNode, positions: Sequence[str]) -> str:
    options = (row for option in command.options for row in _zsh_option(option))
    return " \\\n        ".join([f"_arguments {flags} :", *map(quote, (*options, *positions))])


def _zsh_option(option: OptionNode) -> Iterator[str]:
    alternatives = " ".join(option.names)
    text = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    for name in option.names:
        if option.kind is not None:
            yield f"({alternatives}){name}{'=' if name.startswith('--') else '+'}[{text}]:{_zsh_value(option.kind)}"
        elif "--quiet" in option.names:  # may be repeated, also by its other name
            yield f"*{name}[{text}]"
        else:
            yield f"({alternatives}){name}[{text}]"


def _zsh_value(kind: str) -> str:
    """A message and an action of `_arguments`."""
    if kind.startswith(MODEL_KIND):
        return f"model: {kind.replace(MODEL_KIND, '_gru_model_names')}"
    actions = {FILE_KIND: "file:_files", "": "value: "}
    return actions.get(kind, f"value:({kind})")


def fish(tree: Sequence[CommandNode]) -> Parts:
    """One `complete` per subcommand, option and argument."""
    rows: list[tuple[str, str]] = []
    with_value = []
    for command in tree:
        at_command = f"__gru_at {_fish_quote(command.path)}"
        for name, text in command.commands.items():
            rows.append((f"{at_command} 0 0", f"-a {name} -d {_fish_quote(text)}"))
        for option in command.options:
            rows.append((at_command, _fish_option(option)))
            with_value += [f"{command.path} {name}" for name in option.names if option.kind is not None]
        for position, kind in command.positions():
            first, last = (len(command.arguments) - 1, 9999) if position == "*" else (int(position), int(position))
            if kind:
                rows.append((f"{at_command} {first} {last}", _fish_value(kind)))
    return {
        "VALUES": [" ".join(map(_fish_quote, with_value))],
        "COMMANDS": [" ".join(_fish_quote(command.path) for command in tree[1:])],
        "COMPLETE": [f"complete -c gru -n {_fish_quote(condition)} {what}" for condition, what in rows],
    }


def _fish_option(option: OptionNode) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.kind is not None:
        # -r: a value must follow; -x: and it is not a file.
        required = "-r" if option.kind.startswith((MODEL_KIND, FILE_KIND)) else "-x"
        parts.append(f"{required} {_fish_value(option.kind)}".rstrip())
    return " ".join([*parts, f"-d {_fish_quote(option.help)}"])


def _fish_value(kind: str) -> str:
    if kind.startswith(MODEL_KIND):
        return f"-F -a {_fish_quote(kind.replace(MODEL_KIND, '(__gru_model_names)'))}"
    values = {FILE_KIND: "-F", "": ""}
    return values.get(kind, f"-a {_fish_quote(kind)}")


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def powershell(tree: Sequence[CommandNode]) -> Parts:
    """One entry of a hash table per command."""
    rows = []
    for command in tree:
        options = {name: option.help or name for option in command.options for name in option.names}
        values = {name: option.kind for option in command.options if option.kind is not None for name in option.names}
        rows.append(
            f"        {_powershell_quote(command.path)} = @{{\n"
            f"            commands = [ordered]{_powershell_table(command.commands)}\n"
            f"            options = [ordered]{_powershell_table(options)}\n"
            f"            values = {_powershell_table(values)}\n"
            f"            arguments = @({', '.join(map(_powershell_quote, command.arguments))})\n"
            f"            repeats = ${str(command.repeats).lower()}\n"
            "        }"
        )
    return {"TREE": rows}


def _powershell_table(pairs: Mapping[str, str]) -> str:
    rows = (f"{_powershell_quote(key)} = {_powershell_quote(value)}" for key, value in pairs.items())
    return f"@{{ {'; '.join(rows)} }}"


def _powershell_quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
