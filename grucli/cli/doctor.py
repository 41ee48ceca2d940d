"""`gru doctor`: system information."""

from grucli.cli.options import Json


def doctor(
    json: Json = False,
) -> None:
    """Show system information: speed, directories, settings.

    \b
      gru doctor
      gru doctor --json > machine.json    for a bug report
    """
    from grucli.ui.terminal.console import terminal
    from grucli.ui.terminal.live_display import StatusLine
    from grucli.ui.views.facts_view import show_system_info

    with StatusLine(terminal()) as status:
        from grucli import cli
        from grucli.cli.command_base import envvar_name, settings_by_command
        from grucli.engine.system_info import collect_system_info

        status.update("measuring")
        system_info = collect_system_info(
            {envvar_name(option) for options in settings_by_command(cli.build_cli()).values() for option in options}
        )
    if json:
        terminal().print_json(system_info)
    else:
        show_system_info(terminal(), system_info)
