"""Blocked phrases and stop strings as an automaton over tokens, in the manner of Aho and Corasick 1975.

`PhraseMatcher` follows a text character by character, whatever the tokens are: a phrase may begin in one token and end
in another. Its table says the same for whole tokens, for the compiled loop (doi:10.1145/360825.360855).

A blocked phrase matches whole words in any case: no letter, digit, mark or underscore may precede or follow it. So a
match is known only at the character after the phrase, and until then only more letters may follow. `word*` matches at
its last character. White space in a phrase matches any run of white space.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from grucli.errors import UsageError
from grucli.generation.phrases import check_blocked, check_stops
from grucli.kernels.sampling import BANNED, STOPS, TokenAutomaton
from grucli.text.tokenizers import Tokenizer

MAX_TABLE_ENTRIES = 2_000_000
"""Limit on the transitions of a table that differ from the default ones."""

_WINDOW_SLACK_CHARS = 64  # extra characters that runs of white space may add to a phrase in a text


@lru_cache(maxsize=4096)
def _is_word_char(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")


@lru_cache(maxsize=4096)
def _casefold_char(char: str) -> str:
    return " " if char.isspace() else char.casefold()


class _TrieNode:
    """A prefix of a phrase. `terminal`: a match. `word_end`: a match, unless the word continues."""

    __slots__ = ("_spellings", "edges", "is_space", "terminal", "word_end")

    def __init__(self, is_space: bool = False) -> None:
        self.edges: dict[str, _TrieNode] = {}
        self.is_space = is_space
        self.terminal = self.word_end = False
        self._spellings: dict[bytes, str] | None = None

    def insert(self, text: str, *, blank: str = "") -> "_TrieNode":
        """Add the edges of `text`; return the node at its end. `blank` is the character that matches white space."""
        node = self
        for char in text:
            if char not in node.edges:
                node.edges[char] = _TrieNode(char == blank)
            node = node.edges[char]
        return node

    @property
    def spellings(self) -> dict[bytes, str]:
        """The non-ASCII edges by their UTF-8 bytes, and "" by each beginning of these bytes."""
        if self._spellings is None:
            self._spellings = {}
            for char in {form for edge in self.edges for form in (edge, edge.upper(), edge.title())}:
                utf8 = char.encode()
                if len(char) == 1 < len(utf8):
                    self._spellings |= {utf8[:end]: "" for end in range(1, len(utf8))} | {utf8: char}
        return self._spellings


class MatchState(NamedTuple):
    """State after a text: the nodes of phrases that have begun, whether the last character belongs to a word, and the
    bytes of an incomplete character."""

    blocked: frozenset[_TrieNode] = frozenset()
    stops: frozenset[_TrieNode] = frozenset()
    in_word: bool = False
    pending_bytes: bytes = b""

    @property
    def completes_word(self) -> bool:
        """Return True if a blocked phrase matches when the word ends here."""
        return any(node.word_end for node in self.blocked)


_DEFAULT_STATES = (MatchState(), MatchState(in_word=True))


class _VocabTrieNode:
    """A prefix of tokens: the tokens that end here, the longer ones by character, and their characters by casefold."""

    __slots__ = ("children", "folded", "tokens")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.children: dict[str, _VocabTrieNode] = {}
        self.folded: dict[str, list[str]] = {}

    def insert(self, text: str, token: int) -> None:
        node = self
        for char in text:
            if char not in node.children:
                node.children[char] = _VocabTrieNode()
                node.folded.setdefault(_casefold_char(char)[0], []).append(char)
            node = node.children[char]
        if text:
            node.tokens.append(token)

    def descendants(self) -> Iterator[int]:
        for child in self.children.values():
            yield from child.tokens
            yield from child.descendants()


class PhraseMatcher:
    """Matches stop strings and blocked phrases in texts made of the tokens of one tokenizer.

    Raises:
        UsageError: a phrase or stop string is not valid.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = (), blocked: Sequence[str] = ()) -> None:
        check_stops(stops)
        check_blocked(blocked)
        self.stops = tuple(stops)
        self._stop_root, self._block_root = _TrieNode(), _TrieNode()
        for stop in stops:
            self._stop_root.insert(stop).terminal = True
        for phrase in blocked:
            folded = " ".join(phrase.removesuffix("*").casefold().split())
            node = self._block_root.insert(folded, blank=" ")
            is_word = _is_word_char(folded[-1]) and not phrase.endswith("*")
            node.word_end |= is_word
            node.terminal |= not is_word
        self._window_chars = max(map(len, (*stops, *blocked)), default=0) + _WINDOW_SLACK_CHARS
        self._tokenizer = tokenizer
        self._vocab_trie, self._byte_tokens = _build_vocab_trie(tokenizer.pieces)
        self._state_ids: dict[MatchState, int] = {}
        self._next_from_default: dict[tuple[MatchState, str], MatchState | int] = {}
        self._states: list[MatchState] = []
        self._transitions: list[list[tuple[int, int]]] = []
        self._num_entries = 0
        self._table: TokenAutomaton | None = None

    # Characters

    def advance(self, state: MatchState, char: str) -> MatchState | int:
        """Return the state after one more character, BANNED or STOPS."""
        if state.pending_bytes:
            state = _DEFAULT_STATES[0]
        blocked = self._advance_blocked(state.blocked, state.in_word, char)
        if blocked is None:
            return BANNED
        stops = frozenset(node.edges[char] for node in (*state.stops, self._stop_root) if char in node.edges)
        if any(node.terminal for node in stops):
            return STOPS
        return MatchState(blocked, stops, _is_word_char(char))

    def _advance_blocked(
        self, blocked: frozenset[_TrieNode], was_in_word: bool, char: str
    ) -> frozenset[_TrieNode] | None:
        """The nodes after one more character; None where a phrase matches."""
        in_word = _is_word_char(char)
        if not in_word and any(node.word_end for node in blocked):
            return None
        active = list(blocked)
        if not (in_word and was_in_word):
            active.append(self._block_root)
        for folded in _casefold_char(char):  # "ß" is two
            advanced = [node.edges[folded] for node in active if folded in node.edges]
            active = [node for node in active if node.is_space and folded == " "] + advanced
            if any(node.terminal for node in active):
                return None
        return frozenset(active)

    def state_after(self, text: str) -> MatchState:
        """Return the state after a text that was not generated: phrases that it has completed do not count."""
        state = self._scan(text)
        return state._replace(blocked=frozenset(node for node in state.blocked if not node.word_end))

    def _scan(self, text: str) -> MatchState:
        start = max(len(text) - self._window_chars, 0)
        blocked: frozenset[_TrieNode] = frozenset()
        in_word = start > 0 and _is_word_char(text[start - 1])
        for char in text[start:]:
            blocked = self._advance_blocked(blocked, in_word, char) or frozenset()
            in_word = _is_word_char(char)
        return MatchState(blocked, in_word=in_word)

    # Whole texts

    def find_stop(self, text: str) -> int | None:
        """Return where the stop string begins that ends first in `text`, or None."""
        matches = [(at + len(stop), at) for stop in self.stops if (at := text.find(stop)) >= 0]
        return min(matches)[1] if matches else None

    def withheld_chars(self, preceding: str, text: str) -> int:
        """Return how many characters at the end of `text`, which follows `preceding`, must not be shown yet.

        They may be the beginning of a stop string, or match a blocked phrase unless the last word continues.
        """
        max_length = max(map(len, self.stops), default=0) - 1
        lengths = range(min(max_length, len(text)), 0, -1)
        stop = next((n for n in lengths if any(each.startswith(text[-n:]) for each in self.stops)), 0)
        return stop + self.chars_to_trim(preceding, text[: len(text) - stop])

    def chars_to_trim(self, preceding: str, text: str) -> int:
        """Return how many characters to remove from the end of `text`, so that no blocked phrase ends there."""
        if not self._block_root.edges:
            return 0
        window = preceding[-self._window_chars :] + text[-2 * self._window_chars :]
        for trimmed in range(min(len(text), 2 * self._window_chars)):
            if not self._scan(window[: len(window) - trimmed]).completes_word:
                return trimmed
        return len(text)

    # Tokens

    def table(self, state: MatchState) -> tuple[TokenAutomaton, int]:
        """Return the automaton over tokens, and the index of `state` in it.

        Raises:
            UsageError: the table would be too large.
        """
        if state not in self._state_ids or self._table is None:
            for each in (*_DEFAULT_STATES, state):
                self._state_id(each)
            while len(self._transitions) < len(self._states):
                row = self._transition_row(self._states[len(self._transitions)])
                if self._num_entries + len(row) > MAX_TABLE_ENTRIES:
                    raise UsageError(
                        f"the phrases and stop strings need a table of more than {MAX_TABLE_ENTRIES:,} entries, for the"
                        f" {self._tokenizer.vocab_size:,} tokens of this model",
                        "use fewer or shorter phrases and stop strings",
                    )
                self._transitions.append(row)
                self._num_entries += len(row)
            self._table = self._to_arrays()
        return self._table, self._state_ids[state]

    def _state_id(self, state: MatchState | int) -> int:
        if isinstance(state, int):
            return state
        if state not in self._state_ids:
            self._state_ids[state] = len(self._states)
            self._states.append(state)
        return self._state_ids[state]

    def _transition_row(self, state: MatchState) -> list[tuple[int, int]]:
        """The tokens after which `state` leads elsewhere than the default state of its kind, and the states they lead
        to; every token for a default state itself."""
        row: list[tuple[int, int]] = []
        default = _DEFAULT_STATES[state.in_word and not state.pending_bytes]
        is_default = state == default
        stack: list[tuple[_VocabTrieNode, MatchState, MatchState]] = [(self._vocab_trie, state, default)]
        while stack:
            node, current, current_default = stack.pop()
            for char in node.children if is_default else self._relevant_chars(node, current):
                child, next_state = node.children[char], self.advance(current, char)
                next_default = self._advance_default(current_default, char)
                if next_state == next_default and not is_default:
                    continue
                row += ((token, self._end_token(next_state)) for token in child.tokens)
                if isinstance(next_state, MatchState):
                    assert isinstance(next_default, MatchState)
                    stack.append((child, next_state, next_default))
                else:
                    row += ((token, next_state) for token in child.descendants())
        if is_default or state.pending_bytes or any(node.spellings for node in state.blocked | state.stops):
            row += ((token, self._state_id(self._advance_bytes(state, piece))) for token, piece in self._byte_tokens)
        return sorted(row)

    def _advance_default(self, state: MatchState, char: str) -> MatchState | int:
        # Few states follow the default ones, so that each is computed once.
        if (state, char) not in self._next_from_default:
            self._next_from_default[state, char] = self.advance(state, char)
        return self._next_from_default[state, char]

    def _relevant_chars(self, node: _VocabTrieNode, state: MatchState) -> Iterable[str]:
        """The characters after `node` that may lead elsewhere from `state` than from a default state."""
        # Where a token begins, the table has a column for what may not follow a blocked word.
        if state.completes_word and node is not self._vocab_trie:
            return list(node.children)
        folded = {edge for each in state.blocked for edge in each.edges}
        if any(each.is_space for each in state.blocked):
            folded.add(" ")
        chars = {char for edge in folded for char in node.folded.get(edge, ())}
        return chars | {edge for each in state.stops for edge in each.edges if edge in node.children}

    def _end_token(self, state: MatchState | int) -> int:
        if self._tokenizer.pieces_are_words and isinstance(state, MatchState) and state.completes_word:
            return BANNED
        return self._state_id(state)

    def _advance_bytes(self, state: MatchState, piece: bytes) -> MatchState | int:
        """The state after a token that is a part of the bytes of a character."""
        for byte in piece:
            next_state = self._advance_byte(state, bytes([byte]))
            if isinstance(next_state, int):
                return next_state
            state = next_state
        return state

    def _advance_byte(self, state: MatchState, byte: bytes) -> MatchState | int:
        """The state after a byte: pending while it may begin a character of a phrase, otherwise the end of a word."""
        if state.completes_word:
            return BANNED
        partial = state.pending_bytes + byte
        nodes = (*state.blocked, *state.stops, self._block_root, self._stop_root)
        char = next((node.spellings[partial] for node in nodes if partial in node.spellings), None)
        if char is None:
            return self._advance_byte(_DEFAULT_STATES[0], byte) if state.pending_bytes else _DEFAULT_STATES[0]
        if not char:
            return state._replace(pending_bytes=partial)
        return self.advance(state._replace(pending_bytes=b""), char)

    def _to_arrays(self) -> TokenAutomaton:
        default_next = np.zeros((3, self._tokenizer.vocab_size), np.int32)
        for kind, state in enumerate(_DEFAULT_STATES):
            default_next[kind] = self._state_ids[state]  # special tokens do not change the state
            for token, next_state in self._transitions[self._state_ids[state]]:
                default_next[kind, token] = next_state
        default_next[2, [token for token, _ in self._byte_tokens]] = True
        for char, child in self._vocab_trie.children.items():
            default_next[2, [*child.tokens, *child.descendants()]] = not _is_word_char(char)
        states = np.zeros((len(self._states), 4), np.int32)
        overrides: list[tuple[int, int]] = []
        for index, (state, row) in enumerate(zip(self._states, self._transitions, strict=True)):
            first = len(overrides)
            overrides += () if state in _DEFAULT_STATES else row
            kind = state.in_word and not state.pending_bytes
            states[index] = kind, state.completes_word, first, len(overrides)
        return TokenAutomaton(default_next, states, np.array(overrides, np.int32).reshape(-1, 2))


def _build_vocab_trie(pieces: Sequence[bytes]) -> tuple[_VocabTrieNode, list[tuple[int, bytes]]]:
    """The trie of the tokens that are texts; the others apart, with their bytes."""
    root, byte_tokens = _VocabTrieNode(), []
    for token, piece in enumerate(pieces):
        try:
            root.insert(piece.decode(), token)
        except UnicodeDecodeError:
            byte_tokens.append((token, piece))
    return root, byte_tokens
