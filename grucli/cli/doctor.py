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
    from grucli.ui.console import terminal
    from grucli.ui.doctor_view import show_machine
    from grucli.ui.waiting import Waiting

    with Waiting(terminal()) as waiting:
        from grucli import cli
        from grucli.cli.grammar import commands, variable
        from grucli.model.machine import examine

        waiting.say("measuring")
        machine = examine({variable(option) for _, options in commands(cli.tree()) for option in options})
    if json:
        terminal().print_json(machine)
    else:
        show_machine(terminal(), machine)
