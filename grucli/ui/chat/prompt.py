"""The input line of a chat: history, completion, multi-line paste, and keys."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from prompt_toolkit import PromptSession, search
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
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
from grucli.errors import pluralize
from grucli.ui.chat.prompt_renderer import WrappingRenderer
from grucli.ui.chat.terminal_input import PASTE_TIMEOUT, KeyQueue, PasteParser
from grucli.ui.terminal.sanitize import BIDI_CONTROLS, sanitize_line

MAX_SHOWN_PASTE = 10_000
"""Characters: a longer paste is shown as its length. Drawing it would take long."""
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
        footer: Callable[[], str],
        terminal_input: Input | None = None,
        terminal_output: Output | None = None,
    ) -> None:
        """Keep the history of the session's store; input and output are those of the terminal unless given."""
        self._long_pastes = LongPastes()
        self._prompt: PromptSession[str] = PromptSession(
            message=[("class:prompt", "› " if _supports_unicode() else "> ")],
            prompt_continuation="  ",
            placeholder=lambda: FormattedText([("class:hint", _hint(session))]),
            bottom_toolbar=lambda: FormattedText([("class:bottom-toolbar.text", sanitize_line(footer()))]),
            history=_StoredHistory(session, self._long_pastes),
            completer=_CommandCompleter(session),
            complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
            reserve_space_for_menu=6,
            multiline=True,
            enable_suspend=True,
            key_bindings=merge_key_bindings([_key_bindings(session, self._long_pastes), _search_bindings()]),
            style=_STYLE,
            input=terminal_input,
            output=terminal_output if terminal_output is not None else create_terminal_output(sys.stdout),
        )
        for control in self._prompt.layout.find_all_controls():
            if isinstance(control, SearchBufferControl):
                control.input_processors = [*(control.input_processors or ()), AfterInput(_not_found, "class:hint")]
        app = self._prompt.app
        if sys.platform != "win32":
            app.renderer = WrappingRenderer(app.renderer.style, app.output)
        self._parser: PasteParser | None = None
        # Windows has another parser.
        if (parser := getattr(app.input, "vt100_parser", None)) is not None:
            self._parser = PasteParser(parser.feed_key_callback)
            app.input.vt100_parser = self._parser  # type: ignore[attr-defined]
        self._queue = KeyQueue(app.input, self._parser)

    def read_line(self) -> str:
        """Return the line that the user entered.

        Raises:
            EOFError: Ctrl-D in an empty line.
            KeyboardInterrupt: Ctrl-C in an empty line; in any other it clears the line.
        """
        line = self._prompt.prompt(pre_run=self._start, handle_sigint=False)
        self._queue.check()
        return self._long_pastes.expand(line)

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C was typed after the last line."""
        return self._queue.interrupted

    def interrupt(self) -> None:
        """Handle the signal of Ctrl-C: press the key if a line is being read, else set `interrupted`."""
        app, self._queue.interrupted = self._prompt.app, True

        def press() -> None:
            if app.context is not None and not app.is_done:
                self._queue.interrupted = False
                app.context.copy().run(app.key_processor.send_sigint)

        if app.loop is not None:
            app.loop.call_soon_threadsafe(press)

    def read_ahead(self) -> None:
        """Queue what was typed since, without waiting."""
        self._queue.read_ahead()

    def drop_queued(self) -> int:
        """Drop what was typed after the last line, and return the number of lines."""
        return self._queue.drop()

    def _start(self) -> None:
        """Interrupt the line if Ctrl-C came before `interrupt` could, and let a paste end without its end mark."""
        app, parser = self._prompt.app, self._parser
        if self.interrupted:
            app.exit(exception=KeyboardInterrupt())

        async def watch() -> None:
            while parser is not None:
                await asyncio.sleep(PASTE_TIMEOUT / 4)
                if parser.in_paste:
                    app.key_processor.feed_multiple(app.input.flush_keys())
                    app.key_processor.process_keys()

        app.create_background_task(watch())


class LongPastes:
    """Pasted texts that the line shows as their lengths."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def shorten(self, text: str) -> str:
        """Return what the line shows for a pasted text: the text itself, or a short form of it."""
        if len(text) <= MAX_SHOWN_PASTE:
            return text
        short = f"[paste {len(self._texts) + 1}: {pluralize(len(text), 'character')}]"
        self._texts[short] = text
        return short

    def expand(self, line: str) -> str:
        """Return the line with the texts instead of their short forms."""
        for short, text in self._texts.items():
            line = line.replace(short, text)
        return line


class _StoredHistory(History):
    """The history of typed lines in the session's store. Lines with a long paste are not stored."""

    def __init__(self, session: Session, long_pastes: LongPastes) -> None:
        super().__init__()
        self._session, self._long_pastes = session, long_pastes

    def load_history_strings(self) -> Iterable[str]:
        store = self._session.store
        return [] if store is None else reversed(store.history.lines())

    def store_string(self, string: str) -> None:
        store = self._session.store
        if store is not None and len(string) <= MAX_SHOWN_PASTE and self._long_pastes.expand(string) == string:
            store.history.append(string, self._session.started_at)


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


def _key_bindings(session: Session, long_pastes: LongPastes) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.BracketedPaste, filter=~is_searching)
    def _(event: KeyPressEvent) -> None:
        """Insert a pasted text, or its length."""
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(long_pastes.shorten(text))

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


def create_terminal_output(stream: TextIO) -> Output:
    """Return the output to the terminal `stream`."""
    if sys.platform == "win32":
        return create_output(stream)
    return _NoCursorQueryOutput.from_pty(stream, os.environ.get("TERM"), ColorDepth.from_env())
