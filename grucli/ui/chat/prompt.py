"""The line a user types in a chat: history, completion, pasted lines, and the keys that leave it.

This module and `typed_rows` are the only ones that import prompt_toolkit, and only chat imports them.
"""

import os
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

from grucli.chat.commands import complete
from grucli.chat.session import Session
from grucli.ui.chat.prompt_wrap import WordWrapProcessor, wrap_line
from grucli.ui.terminal.sanitize import BIDI_CONTROLS, sanitize_line

MAX_HISTORY_CHARS = 10_000  # characters: a pasted book stays out of the history file
_CONTINUATION_PROMPT = "  "  # stands before all rows but the first, and is as wide as what stands before that one
_MIN_DESCRIPTION_COLUMNS = 36  # columns: a narrower screen has room for names alone

# The editor shows control characters as ^A or <80>, and would let these ones through.
Char.display_mappings.update({sign: f"<{ord(sign):04x}>" for sign in BIDI_CONTROLS})

# Attributes and the sixteen colours alone, which the user's theme has chosen to be readable on its background.
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
    """Asks for lines. `footer` is what stands under the line while it is typed."""

    def __init__(
        self,
        session: Session,
        history: Path,
        footer: Callable[[], str],
        terminal_input: Input | None = None,
        terminal_output: Output | None = None,
    ) -> None:
        """Keep the history in the file `history`; `keys` and `screen` are the terminal's unless given."""
        self._prompt: PromptSession[str] = PromptSession(
            message=[("class:prompt", "› " if _supports_unicode() else "> ")],
            prompt_continuation=_CONTINUATION_PROMPT,
            input_processors=[WordWrapProcessor(len(_CONTINUATION_PROMPT))],
            placeholder=lambda: FormattedText([("class:hint", _hint(session))]),
            bottom_toolbar=lambda: FormattedText([("class:bottom-toolbar.text", sanitize_line(footer()))]),
            history=_History(history),
            completer=_CommandCompleter(session),
            complete_while_typing=Condition(_is_typing_command),
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
        """Give the line the user entered.

        Raises:
            EOFError: Ctrl-D in an empty line.
            KeyboardInterrupt: Ctrl-C in an empty line; in any other it empties the line.
        """
        line = self._prompt.prompt()
        self._remove_trailing_row(line)
        return line

    def _remove_trailing_row(self, line: str) -> None:
        """Go back the row that the cursor took behind a line that fills its own to the end."""
        terminal_output, last = self._prompt.output, line.rpartition("\n")[2]
        columns = terminal_output.get_size().columns - len(_CONTINUATION_PROMPT)
        if last and wrap_line(last, columns).last_row_width == columns:
            terminal_output.cursor_up(1)
            terminal_output.flush()


class _History(FileHistory):
    """A history file that never stands in the way: what cannot be read or written is done without."""

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
            self._path.touch(mode=0o600)
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
    """What keys do while the history is searched, where the editor's own would be heard after those of the line."""
    bindings = KeyBindings()

    @bindings.add("escape", filter=is_searching, eager=True)
    @bindings.add("tab", filter=is_searching)
    @bindings.add("c-d", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """These take what was found into the line."""
        _accept_search(event.app)

    @bindings.add("c-c", filter=is_searching)
    @bindings.add("c-g", filter=is_searching)
    @bindings.add("<sigint>", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """These end a search without what it shows."""
        search.stop_search()
        _redraw(event.app)

    @bindings.add("enter", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """Enter sends what was found; where that is nothing, it leaves the search alone."""
        _accept_search(event.app)
        if event.current_buffer.text:
            event.current_buffer.validate_and_handle()

    return bindings


def _accept_search(app: Application[Any]) -> None:
    """End a search with what it shows. The editor's own way would look for the text before where this one is empty."""
    if (target := app.layout.search_target_buffer_control) is not None:
        target.search_state.text = app.current_buffer.text
    search.accept_search()
    _redraw(app)


def _redraw(app: Application[Any]) -> None:
    """Take back the row that a search had, which would stay empty: what is drawn never gets lower by itself."""
    app.renderer.erase(leave_alternate_screen=False)


def _not_found() -> str:
    """What stands behind the text that is searched for."""
    app = get_app()
    text, target = app.current_buffer.text, app.layout.search_target_buffer_control
    if target is None:
        return ""
    search_state = SearchState(text, target.search_state.direction)
    return "" if text in target.buffer.document_for_search(search_state).text else " · not found"


def _key_bindings(session: Session) -> KeyBindings:
    """What keys do in the line; where they mean something to a search too, they leave it alone."""
    bindings = KeyBindings()

    @bindings.add("enter", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Enter sends, also several pasted lines."""
        event.current_buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Alt-Enter begins another line."""
        event.current_buffer.insert_text("\n")

    @bindings.add("tab", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Tab completes what can be only one thing at once, and otherwise goes through what it can be."""
        buffer = event.current_buffer
        line = buffer.document.text_before_cursor
        found = list(complete(session, line))
        if len(found) == 1:
            buffer.delete_before_cursor(len(line) - found[0].start)
            buffer.insert_text(found[0].text)
        elif buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @bindings.add("c-c", filter=~is_searching)
    @bindings.add("<sigint>", filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Ctrl-C empties the line, and in an empty one tells whoever asked."""
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    @bindings.add(Keys.Vt100MouseEvent)
    @bindings.add(Keys.CPRResponse)
    def _(event: KeyPressEvent) -> None:
        """What was never asked for is text that looks like it, and the line editor would choke on some of it."""

    return bindings


def _is_typing_command() -> bool:
    return get_app().current_buffer.text.startswith("/")


def _hint(session: Session) -> str:
    # While it searches, what was found is shown, and the line itself is empty.
    if get_app().is_done or is_searching():
        return ""
    if get_app().output.get_size().columns < _MIN_DESCRIPTION_COLUMNS:
        return "/help"
    return "say something, or /help" if session.model.conversations else "begin a sentence, or /help"


def _supports_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


class _NoCursorQueryOutput(Vt100_Output):
    """A terminal that is not asked where its cursor is: Enter would wait for the answer, and some never give one."""

    def get_rows_below_cursor_position(self) -> int:
        """At least the line itself; so the footer stands right under it, not at the bottom of the screen."""
        return 1


def _create_output() -> Output:
    if sys.platform == "win32":
        return create_output()
    return _NoCursorQueryOutput.from_pty(sys.stdout, os.environ.get("TERM"), ColorDepth.from_env())
