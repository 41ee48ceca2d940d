"""Keys of a terminal as prompt_toolkit has them: pastes whose end mark is lost, and what is typed during a reply."""

import re
import select
import sys
import time
from collections.abc import Callable, Sequence

from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead, get_typeahead, store_typeahead
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from grucli.ui.terminal.tty_control import is_in_background

PASTE_TIMEOUT = 1.0
"""Seconds without input after which a paste ends without its end mark."""

_BEGIN_MARK, _END_MARK = "\x1b[200~", "\x1b[201~"
_ENTER, _INTERRUPTS = {Keys.ControlM, Keys.ControlJ}, {Keys.ControlC, Keys.SIGINT}
# Terminals replace control characters in a paste: before the end mark these are pressed keys.
_leaving_keys = re.compile("[\x03\x04]")
_QUEUE_SILENCE, _QUEUE_DEADLINE = 0.05, 1.0  # seconds: the system passes on a long queue piece by piece


class PasteParser(Vt100Parser):
    """A parser that ends a paste at its end mark, at Ctrl-C or Ctrl-D, or when it is flushed after PASTE_TIMEOUT.

    `in_paste` is True between the marks. `clock` returns seconds.
    """

    def __init__(
        self, feed_key_callback: Callable[[KeyPress], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(feed_key_callback)
        self._clock = clock
        self._fed_at = 0.0
        self._pasted: list[str] = []
        self._tail = ""  # of the paste: it may be the beginning of the end mark

    @property
    def in_paste(self) -> bool:
        """True if a paste has begun and not ended."""
        return self._in_bracketed_paste

    def feed(self, data: str) -> None:
        """Parse the next characters."""
        self._fed_at = self._clock()
        while data:
            data = self._feed_paste(data) if self._in_bracketed_paste else self._feed_keys(data)

    def flush(self) -> None:
        """End an escape sequence that is incomplete, and a paste to which nothing was added for PASTE_TIMEOUT."""
        if self._in_bracketed_paste and self._clock() - self._fed_at >= PASTE_TIMEOUT:
            cut_mark = next(n for n in range(len(_END_MARK) - 1, -1, -1) if self._tail.endswith(_END_MARK[:n]))
            self.end_paste(self._tail[: len(self._tail) - cut_mark])
        super().flush()

    def _feed_keys(self, data: str) -> str:
        """Parse up to the beginning of a paste, and return the rest."""
        for index, char in enumerate(data, 1):
            self._input_parser.send(char)
            if self._in_bracketed_paste:
                return data[index:]
        return ""

    def _feed_paste(self, data: str) -> str:
        """Parse up to the end of the paste, and return the rest."""
        text = self._tail + data
        pasted, mark, rest = text.partition(_END_MARK)
        if not mark and (key := _leaving_keys.search(text)) is not None:
            pasted, mark, rest = text[: key.start()], key[0], text[key.start() :]
        if mark:
            self.end_paste(pasted)
            return rest
        kept = max(0, len(text) - len(_END_MARK) + 1)
        self._pasted.append(text[:kept])
        self._tail = text[kept:]
        return ""

    def end_paste(self, last: str) -> None:
        """End the paste, whose last characters are `last`."""
        text = "".join([*self._pasted, last]).replace(_BEGIN_MARK, "")
        self._pasted, self._tail, self._in_bracketed_paste = [], "", False
        self.feed_key_callback(KeyPress(Keys.BracketedPaste, text))

    def _get_match(self, prefix: str) -> Keys | tuple[Keys, ...] | None:
        # An end mark without a paste, which may already have ended.
        return Keys.Ignore if prefix == _END_MARK else super()._get_match(prefix)


class KeyQueue:
    """The keys of `terminal_input` that are typed while no line is read; the next line begins with them.

    `parser` is that of the input, if it is ours.

    `interrupted` is True if Ctrl-C is one of them, or was a signal.
    """

    def __init__(self, terminal_input: Input, parser: PasteParser | None) -> None:
        self._input, self._parser = terminal_input, parser
        self.interrupted = False

    def read_ahead(self) -> None:
        """Queue a part of what was typed. Called often, it leaves room for Ctrl-C behind a long paste."""
        if self._is_ready(0):
            self._queue(self._input.read_keys())

    def check(self) -> None:
        """Look for Ctrl-C in what was typed right after a line."""
        self._queue(get_typeahead(self._input))
        self.read_ahead()

    def drop(self) -> int:
        """Drop the queue, and return the number of lines in it."""
        keys, deadline = get_typeahead(self._input), time.monotonic() + _QUEUE_DEADLINE
        while self._is_ready(_QUEUE_SILENCE) and time.monotonic() < deadline:
            keys += self._input.read_keys()
        if self._parser is not None and self._parser.in_paste:
            self._parser.end_paste("")
        keys += self._input.flush_keys()
        clear_typeahead(self._input)
        self.interrupted = False
        return count_lines(keys)

    def _queue(self, keys: list[KeyPress]) -> None:
        store_typeahead(self._input, keys)
        self.interrupted |= any(key.key in _INTERRUPTS for key in keys)

    def _is_ready(self, timeout: float) -> bool:
        """Return True if keys can be read within `timeout` seconds."""
        if sys.platform == "win32" or self._input.closed:
            return False
        # Reading in the background would stop the process.
        return bool(select.select([self._input], [], [], timeout)[0]) and not is_in_background(self._input)


def count_lines(keys: Sequence[KeyPress]) -> int:
    """Return the number of lines with text that `keys` type, an unfinished last one included."""
    count, has_text = 0, False
    for key in keys:
        if key.key in _ENTER:
            count, has_text = count + has_text, False
        elif key.key == Keys.BracketedPaste or (len(key.key) == 1 and not key.key.isspace()):
            has_text = True
    return count + has_text
