"""`gru doctor`: what this machine gives."""

from typing import Annotated

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")] = False,
) -> None:
    """See what this machine gives: its speed, where things live, which settings hold.

    \b
      gru doctor
      gru doctor --json > machine.json    to go with a report of a fault
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.status_line import Waiting
    from grucli.ui.views.doctor_view import show_machine

    with Waiting(terminal()) as waiting:
        from grucli import cli
        from grucli.cli.command_base import commands, variable
        from grucli.engine.system_info import examine

        waiting.say("measuring")
        machine = examine({variable(option) for _, options in commands(cli.tree()) for option in options})
    if json:
        terminal().print_json(machine)
    else:
        show_machine(terminal(), machine)
