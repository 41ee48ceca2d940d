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
    from grucli.ui.terminal.status_line import StatusLine
    from grucli.ui.views.doctor_view import show_system_info

    with StatusLine(terminal()) as waiting:
        from grucli import cli
        from grucli.cli.command_base import envvar_name, settings_by_command
        from grucli.engine.system_info import collect_system_info

        waiting.update("measuring")
        system_info = collect_system_info(
            {envvar_name(option) for options in settings_by_command(cli.build_cli()).values() for option in options}
        )
    if json:
        terminal().print_json(system_info)
    else:
        show_system_info(terminal(), system_info)
