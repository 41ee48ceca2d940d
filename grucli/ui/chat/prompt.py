"""The input line of a chat: history, completion, multi-line paste, and keys. Only this module uses prompt_toolkit."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession, search
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.controls import SearchBufferControl
from prompt_toolkit.layout.processors import AfterInput
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.search import SearchState
from prompt_toolkit.styles import Style
from rich.console import Console

from grucli.chat.commands import complete
from grucli.chat.session import Session
from grucli.files import open_private
from grucli.ui.terminal.sanitize import BIDI_CONTROLS, sanitize_line

MAX_HISTORY_CHARS = 10_000  # longer lines are not written to the history file
_MIN_DESCRIPTION_COLUMNS = 36

# prompt_toolkit shows control characters as ^A or <80>, but prints these as they are.
Char.display_mappings.update({char: f"<{ord(char):04x}>" for char in BIDI_CONTROLS})

# Only attributes and the sixteen colors, which the user's theme makes readable on its background.
_STYLE = Style.from_dict(
    {
        "prompt": "bold ansicyan",
        "hint": "dim",
        "bottom-toolbar": "noreverse",
        "bottom-toolbar.text": "dim",
        "completion-menu": "bg:default",
        "completion-menu.completion": "bg:default fg:default",
        "completion-menu.completion.current": "bg:default fg:default reverse",
        "completion-menu.meta.completion": "bg:default dim",
        "completion-menu.meta.completion.current": "bg:default fg:default reverse",
        "scrollbar.background": "bg:default",
        "scrollbar.button": "bg:ansibrightblack",
    }
)


class ChatPrompt:
    """Asks for lines. `footer` returns the text below the line while it is typed."""

    def __init__(
        self,
        session: Session,
        history: Path,
        footer: Callable[[], str],
        terminal_input: Input | None = None,
        terminal_output: Output | None = None,
    ) -> None:
        """Keep the history in the file `history`; input and output are those of the terminal unless given."""
        self._prompt: PromptSession[str] = PromptSession(
            message=[("class:prompt", "› " if _supports_unicode() else "> ")],
            prompt_continuation="  ",
            placeholder=lambda: FormattedText([("class:hint", _hint(session))]),
            bottom_toolbar=lambda: FormattedText([("class:bottom-toolbar.text", sanitize_line(footer()))]),
            history=_History(history),
            completer=_CommandCompleter(session),
            complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
            reserve_space_for_menu=6,
            multiline=True,
            enable_suspend=True,
            key_bindings=merge_key_bindings([_key_bindings(session), _search_bindings()]),
            style=_STYLE,
            input=terminal_input,
            output=terminal_output if terminal_output is not None else _create_output(),
        )
        for control in self._prompt.layout.find_all_controls():
            if isinstance(control, SearchBufferControl):
                control.input_processors = [*(control.input_processors or ()), AfterInput(_not_found, "class:hint")]

    def read_line(self) -> str:
        """Return the line that the user entered.

        Raises:
            EOFError: Ctrl-D in an empty line.
            KeyboardInterrupt: Ctrl-C in an empty line; in any other it clears the line.
        """
        return self._prompt.prompt()


class PlainPrompt:
    """Asks for lines on a terminal without control sequences, which alone edits them, and reads them from stdin."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def read_line(self) -> str:
        """Return the line that the user entered.

        Raises:
            EOFError: Ctrl-D in an empty line, or the end of the input.
            KeyboardInterrupt: Ctrl-C.
        """
        self._console.print("> ", end="")
        self._console.file.flush()
        # The chat uses Ctrl-C to stop a reply; here it interrupts the input.
        previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            self._console.print()
            raise
        finally:
            signal.signal(signal.SIGINT, previous_handler or signal.SIG_DFL)
        if not line:
            self._console.print()
            raise EOFError
        return line.rstrip("\r\n")


class _History(FileHistory):
    """A history file; errors when it is read or written are ignored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(path)

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        if len(string) > MAX_HISTORY_CHARS:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(open_private(str(self._path), os.O_WRONLY | os.O_CREAT))
            super().store_string(string)
        except (OSError, UnicodeError):
            return


class _CommandCompleter(Completer):
    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        line = document.text_before_cursor
        for completion in complete(self._session, line):
            description = (
                sanitize_line(completion.description)
                if get_app().output.get_size().columns >= _MIN_DESCRIPTION_COLUMNS
                else ""
            )
            start = completion.start - len(line)
            yield Completion(
                completion.text, start_position=start, display=sanitize_line(completion.text), display_meta=description
            )


def _search_bindings() -> KeyBindings:
    """Return the key bindings of a history search. Those of prompt_toolkit would come after those of the line."""
    bindings = KeyBindings()

    @bindings.add("escape", filter=is_searching, eager=True)
    @bindings.add("tab", filter=is_searching)
    @bindings.add("c-d", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """Put the match into the line."""
        _accept_search(event.app)

    @bindings.add("c-c", filter=is_searching)
    @bindings.add("c-g", filter=is_searching)
    @bindings.add("<sigint>", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """Cancel the search."""
        search.stop_search()
        _redraw(event.app)

    @bindings.add("enter", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """Enter sends the match; without one it only ends the search."""
        _accept_search(event.app)
        if event.current_buffer.text:
            event.current_buffer.validate_and_handle()

    return bindings


def _accept_search(app: Application[Any]) -> None:
    """Accept the match. prompt_toolkit alone would search for the last text if this one is empty."""
    if (target := app.layout.search_target_buffer_control) is not None:
        target.search_state.text = app.current_buffer.text
    search.accept_search()
    _redraw(app)


def _redraw(app: Application[Any]) -> None:
    """Redraw without the row of the search, which prompt_toolkit leaves empty."""
    app.renderer.erase(leave_alternate_screen=False)


def _not_found() -> str:
    app = get_app()
    text, target = app.current_buffer.text, app.layout.search_target_buffer_control
    if target is None:
        return ""
    search_state = SearchState(text, target.search_state.direction)
    return "" if text in target.buffer.document_for_search(search_state).text else " · not found"


def _key_bindings(session: Session) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Enter sends, even several pasted lines."""
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Alt-Enter inserts a newline."""
        event.current_buffer.insert_text("\n")

    @bindings.add("tab", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Tab inserts the only completion, or cycles through several."""
        buffer = event.current_buffer
        line = buffer.document.text_before_cursor
        completions = list(complete(session, line))
        if len(completions) == 1:
            buffer.delete_before_cursor(len(line) - completions[0].start)
            buffer.insert_text(completions[0].text)
        elif buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @bindings.add("c-c", filter=~is_searching)
    @bindings.add("<sigint>", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Ctrl-C clears the line, and in an empty one raises KeyboardInterrupt."""
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    @bindings.add(Keys.Vt100MouseEvent)
    @bindings.add(Keys.CPRResponse)
    def _(event: KeyPressEvent) -> None:
        """Ignore mouse and cursor reports: none was requested, so this is pasted text, and some of it is invalid."""

    return bindings


def _hint(session: Session) -> str:
    # A search shows its match while the line itself is empty.
    if get_app().is_done or is_searching():
        return ""
    if get_app().output.get_size().columns < _MIN_DESCRIPTION_COLUMNS:
        return "/help"
    return "type a message, or /help" if session.model.conversations else "start a sentence, or /help"


def _supports_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


class _NoCursorQueryOutput(Vt100_Output):
    """A terminal without cursor position queries: Enter would wait for the answer, which some never send."""

    def get_rows_below_cursor_position(self) -> int:
        """Return 1, the line itself, so that the footer is right below it."""
        return 1


def _create_output() -> Output:
    if sys.platform == "win32":
        return create_output()
    return _NoCursorQueryOutput.from_pty(sys.stdout, os.environ.get("TERM"), ColorDepth.from_env())
