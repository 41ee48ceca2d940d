"""Words that are never said, and texts that end a text: what a tokenizer's tokens lead to, as one table.

A text goes through `Phrases` character by character, whatever the tokens are: a word is found where one token ends
within it and the next begins. The table says the same of whole tokens, for a loop that cannot ask.

A word that is blocked counts as a whole, whatever its case: what follows it must be no letter, digit or underscore,
and so must what precedes it. So it is only known to be said when it is over, and the automaton lets nothing follow it
but more letters. `word*` is over at once. White space within a phrase stands for any white space.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.errors import UsageError
from grucli.generation.phrases import check_blocked, check_stops
from grucli.text.tokenizers import Tokenizer

BANNED, STOPS = -1, -2
"""What stands for a place where a token may not be drawn, and where it ends the text."""

MAX_TABLE_ENTRIES = 2_000_000
"""Of a table: tokens that lead from a place elsewhere than usual, in all places."""

_WINDOW_SLACK_CHARS = 64
"""Characters more than a phrase has that it may take in a text, by runs of white space."""


@lru_cache(maxsize=4096)
def _is_word_char(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")


@lru_cache(maxsize=4096)
def _casefold_char(char: str) -> str:
    return " " if char.isspace() else char.casefold()


class _TrieNode:
    """How far a phrase has been said. `over`: it has, and that is known. `whole`: it has, if the word is over."""

    __slots__ = ("edges", "index", "is_space", "terminal", "word_end")

    def __init__(self, index: int, is_space: bool) -> None:
        self.edges: dict[str, _TrieNode] = {}
        self.index, self.is_space = index, is_space
        self.terminal = self.word_end = False


class MatchState(NamedTuple):
    """What of a text matters for what follows it: the phrases that have begun, by the numbers of their nodes, whether
    its last character is one of a word, and the bytes of a character that is not whole."""

    blocked: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()
    in_word: bool = False
    pending_bytes: bytes = b""


_DEFAULT_STATES = (MatchState(), MatchState(in_word=True))


class _VocabTrieNode:
    """A node in the tree of all pieces: those that end here, and what follows, by character and by its folded form."""

    __slots__ = ("children", "folded", "tokens")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.children: dict[str, _VocabTrieNode] = {}
        self.folded: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class TransitionTable:
    """The automaton over tokens, as the kernels take it (see `grucli.kernels.sampling.Guard`)."""

    default_next: NDArray[np.int32]
    states: NDArray[np.int32]
    overrides: NDArray[np.int32]


class PhraseMatcher:
    """The phrases `stops` and `blocked`, as the tokens of `tokenizer` say them."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = (), blocked: Sequence[str] = ()) -> None:
        check_stops(stops)
        check_blocked(blocked)
        self.stops = tuple(stops)
        self._nodes: list[_TrieNode] = []
        self._stop_root, self._block_root = self._new_node(False), self._new_node(False)
        for stop in stops:
            self._insert(self._stop_root, stop).terminal = True
        for phrase in blocked:
            self._insert_blocked(phrase)
        self._window_chars = max(map(len, (*stops, *blocked)), default=0) + _WINDOW_SLACK_CHARS
        self._whole_words = tokenizer.kind == "word"
        self._vocab_size = tokenizer.vocab_size
        self._vocab_trie, self._non_text_tokens = _build_vocab_trie(tokenizer.pieces)
        self._spellings: dict[int, dict[bytes, str]] = {}
        self._state_ids: dict[MatchState, int] = {}
        self._states: list[MatchState] = []
        self._next_from_default: dict[tuple[MatchState, str], MatchState | int] = {}
        self._transitions: list[list[tuple[int, int]]] = []
        self._num_entries = 0
        self._table: TransitionTable | None = None

    def _new_node(self, is_space: bool) -> _TrieNode:
        self._nodes.append(_TrieNode(len(self._nodes), is_space))
        return self._nodes[-1]

    def _insert(self, root: _TrieNode, chars: str) -> _TrieNode:
        node = root
        for char in chars:
            if char not in node.edges:
                node.edges[char] = self._new_node(char == " " and root is self._block_root)
            node = node.edges[char]
        return node

    def _insert_blocked(self, phrase: str) -> None:
        prefix = phrase.endswith("*")
        folded = " ".join(phrase.removesuffix("*").casefold().split())
        end = self._insert(self._block_root, folded)
        if prefix or not _is_word_char(folded[-1]):
            end.terminal = True
        else:
            end.word_end = True

    # Character by character

    def advance(self, state: MatchState, char: str) -> MatchState | int:
        """The place behind one more character, BANNED, or STOPS."""
        if state.pending_bytes:
            state = MatchState()
        blocked = self._advance_blocked(state.blocked, state.in_word, char)
        if blocked is None:
            return BANNED
        matched: list[_TrieNode] = []
        if self.stops:
            stops = [self._nodes[number].edges.get(char) for number in (*state.stops, self._stop_root.index)]
            matched = [node for node in stops if node is not None]
            if any(node.terminal for node in matched):
                return STOPS
        return MatchState(blocked, _node_indices(matched), _is_word_char(char))

    def _advance_blocked(self, blocked: tuple[int, ...], was_in_word: bool, char: str) -> tuple[int, ...] | None:
        """The nodes of blocked phrases behind one more character; None where one has been said."""
        in_word = _is_word_char(char)
        active = [self._nodes[number] for number in blocked]
        if not in_word and any(node.word_end for node in active):
            return None
        if not (in_word and was_in_word):
            active.append(self._block_root)
        for folded in _casefold_char(char):
            advanced = [node.edges[folded] for node in active if folded in node.edges]
            active = [node for node in active if node.is_space and folded == " "] + advanced
            if any(node.terminal for node in active):
                return None
        return _node_indices(active)

    def _advance_byte(self, state: MatchState, byte: bytes) -> MatchState | int:
        """The place behind a byte of a character that is spelled in bytes.

        They are kept while they may become a character that some phrase has in so many letters; any other is taken as
        the end of a word.
        """
        if self._completes_blocked_word(state):
            return BANNED
        partial, may_continue = state.pending_bytes + byte, False
        for number in (*state.blocked, *state.stops, self._block_root.index, self._stop_root.index):
            char = self._spellings_of(number).get(partial)
            if char:
                return self.advance(state._replace(pending_bytes=b""), char)
            may_continue |= char is not None
        if may_continue:
            return state._replace(pending_bytes=partial)
        return self._advance_byte(MatchState(), byte) if state.pending_bytes else MatchState()

    def _spellings_of(self, number: int) -> dict[bytes, str]:
        """The characters beyond ASCII that a node waits for, by their bytes, and nothing for what begins them."""
        if number not in self._spellings:
            spellings: dict[bytes, str] = {}
            for edge in self._nodes[number].edges:
                for char in {edge, edge.upper(), edge.title()}:
                    spelled = char.encode()
                    if len(char) == 1 < len(spelled):
                        spellings |= {spelled[:end]: "" for end in range(1, len(spelled))} | {spelled: char}
            self._spellings[number] = spellings
        return self._spellings[number]

    def _completes_blocked_word(self, state: MatchState) -> bool:
        return any(self._nodes[number].word_end for number in state.blocked)

    def state_after(self, text: str) -> MatchState:
        """The place after a text that was not drawn: it may have begun to say what is blocked, but what it has said is
        its own affair, and what stops is only looked for in what is drawn."""
        state = self._scan(text)
        return state._replace(blocked=tuple(number for number in state.blocked if not self._nodes[number].word_end))

    def _scan(self, text: str) -> MatchState:
        """The place behind `text`, whose phrases that are over do not count."""
        start = max(len(text) - self._window_chars, 0)
        blocked: tuple[int, ...] = ()
        in_word = start > 0 and _is_word_char(text[start - 1])
        for char in text[start:]:
            blocked = self._advance_blocked(blocked, in_word, char) or ()
            in_word = _is_word_char(char)
        return MatchState(blocked, (), in_word)

    # Whole texts

    def find_stop(self, text: str) -> int | None:
        """Where the first of the stops begins in `text`: the one that is over first."""
        matches = [(at + len(stop), at) for stop in self.stops if (at := text.find(stop)) >= 0]
        return min(matches)[1] if matches else None

    def withheld_chars(self, preceding: str, text: str) -> int:
        """How many characters at the end of `text`, which follows `before`, may not be shown while more may follow:
        what may be the beginning of a stop, or says a blocked word unless its last word goes on."""
        max_length = max(map(len, self.stops), default=0) - 1
        lengths = range(min(max_length, len(text)), 0, -1)
        stop = next((n for n in lengths if any(each.startswith(text[-n:]) for each in self.stops)), 0)
        return stop + self.chars_to_trim(preceding, text[: len(text) - stop])

    def chars_to_trim(self, preceding: str, text: str) -> int:
        """How many characters to take off the end of `text`, which follows `before`, for it to say nothing blocked if
        it ends there."""
        if not self._block_root.edges:
            return 0
        window = preceding[-self._window_chars :] + text[-2 * self._window_chars :]
        for trimmed in range(min(len(text), 2 * self._window_chars)):
            if not self._completes_blocked_word(self._scan(window[: len(window) - trimmed])):
                return trimmed
        return len(text)

    # Token by token

    def table(self, state: MatchState) -> tuple[TransitionTable, int]:
        """The table, and the number that `place` has in it.

        Raises:
            UsageError: with these tokens, the phrases make a table that is too large.
        """
        if state not in self._state_ids or self._table is None:
            for each in (*_DEFAULT_STATES, state):
                self._state_id(each)
            while len(self._transitions) < len(self._states):
                self._transitions.append(self._transition_row(self._states[len(self._transitions)]))
                self._num_entries += len(self._transitions[-1])
                if self._num_entries > MAX_TABLE_ENTRIES:
                    raise UsageError(
                        f"to block and stop at all this takes a table of more than {MAX_TABLE_ENTRIES:,} entries, for the"
                        f" {self._vocab_size:,} tokens of this model",
                        "block fewer or shorter phrases, or stop at fewer texts",
                    )
            self._table = self._to_arrays()
        return self._table, self._state_ids[state]

    def _state_id(self, state: MatchState | int) -> int:
        if isinstance(state, int):
            return state
        state_id = self._state_ids.setdefault(state, len(self._states))
        if state_id == len(self._states):
            self._states.append(state)
        return state_id

    def _transition_row(self, state: MatchState) -> list[tuple[int, int]]:
        """The tokens that lead from `place` elsewhere than from the usual place of its kind, and where to; for a usual
        place itself, every token."""
        row: list[tuple[int, int]] = []
        default = MatchState() if state.pending_bytes else _DEFAULT_STATES[state.in_word]
        is_default = state == default
        stack: list[tuple[_VocabTrieNode, MatchState, MatchState]] = [(self._vocab_trie, state, default)]
        while stack:
            node, current, current_default = stack.pop()
            at_root = node is self._vocab_trie
            for char in node.children if is_default else self._relevant_chars(node, current, at_root):
                child, next_state, next_default = (
                    node.children[char],
                    self.advance(current, char),
                    self._advance_default(current_default, char),
                )
                if next_state == next_default and not is_default:
                    continue
                row += ((token, self._state_id(self._resolve_word_boundary(next_state))) for token in child.tokens)
                if isinstance(next_state, MatchState):
                    assert isinstance(next_default, MatchState)
                    stack.append((child, next_state, next_default))
                else:
                    row += ((token, next_state) for token in _descendant_tokens(child))
        if (
            is_default
            or state.pending_bytes
            or any(self._spellings_of(number) for number in (*state.blocked, *state.stops))
        ):
            row += (
                (token, self._state_id(self._advance_bytes(state, spelled))) for token, spelled in self._non_text_tokens
            )
        return sorted(row)

    def _advance_default(self, state: MatchState, char: str) -> MatchState | int:
        """As `feed`, for places that pieces lead to from a usual one: so few that what is behind them is kept."""
        if (state, char) not in self._next_from_default:
            self._next_from_default[state, char] = self.advance(state, char)
        return self._next_from_default[state, char]

    def _relevant_chars(self, node: _VocabTrieNode, state: MatchState, at_root: bool) -> Iterable[str]:
        """The characters below `piece` that may lead from `place` elsewhere than from a usual one."""
        if self._completes_blocked_word(state) and not at_root:  # at first the table itself says what may not follow
            return list(node.children)
        folded = {edge for number in state.blocked for edge in self._nodes[number].edges}
        if any(self._nodes[number].is_space for number in state.blocked):
            folded.add(" ")
        stops = {edge for number in state.stops for edge in self._nodes[number].edges}
        chars = {char for edge in folded for char in node.folded.get(edge, ())}
        return chars | {char for char in stops if char in node.children}

    def _resolve_word_boundary(self, state: MatchState | int) -> MatchState | int:
        """Where pieces are whole words, one that ends there ends a word."""
        return (
            BANNED
            if self._whole_words and isinstance(state, MatchState) and self._completes_blocked_word(state)
            else state
        )

    def _advance_bytes(self, state: MatchState, spelled: bytes) -> MatchState | int:
        for byte in spelled:
            next_state = self._advance_byte(state, bytes([byte]))
            if isinstance(next_state, int):
                return next_state
            state = next_state
        return state

    def _to_arrays(self) -> TransitionTable:
        default_next = np.zeros((3, self._vocab_size), np.int32)
        for kind, state in enumerate(_DEFAULT_STATES):
            default_next[kind] = self._state_ids[state]  # the special tokens leave all as it is
            for token, next_state in self._transitions[self._state_ids[state]]:
                default_next[kind, token] = next_state
        for token, _ in self._non_text_tokens:
            default_next[2, token] = True
        for char, child in self._vocab_trie.children.items():
            default_next[2, [*_descendant_tokens(child), *child.tokens]] = not _is_word_char(char)
        rows = [
            [] if place in _DEFAULT_STATES else row
            for place, row in zip(self._state_ids, self._transitions, strict=True)
        ]
        ends = np.cumsum([len(row) for row in rows])
        kinds = [place.in_word and not place.pending_bytes for place in self._state_ids]
        completes = [self._completes_blocked_word(place) for place in self._state_ids]
        states = np.array([kinds, completes, ends - [len(row) for row in rows], ends], np.int32)
        overrides = np.array([pair for row in rows for pair in row], np.int32).reshape(-1, 2)
        return TransitionTable(default_next, np.ascontiguousarray(states.T), overrides)


def _node_indices(nodes: Sequence[_TrieNode]) -> tuple[int, ...]:
    if len(nodes) < 2:  # as nearly everywhere
        return (nodes[0].index,) if nodes else ()
    return tuple(sorted({node.index for node in nodes}))


def _build_vocab_trie(pieces: Sequence[bytes]) -> tuple[_VocabTrieNode, list[tuple[int, bytes]]]:
    """The tree of the pieces that are text, and apart from it those that are not, by their tokens."""
    root, non_text = _VocabTrieNode(), []
    for token, piece in enumerate(pieces):
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            non_text.append((token, piece))
            continue
        node = root
        for char in text:
            if char not in node.children:
                node.children[char] = _VocabTrieNode()
                node.folded.setdefault(_casefold_char(char)[0], []).append(char)
            node = node.children[char]
        if text:
            node.tokens.append(token)
    return root, non_text


def _descendant_tokens(node: _VocabTrieNode) -> Iterator[int]:
    """The tokens of the pieces that go on from this one."""
    stack = list(node.children.values())
    while stack:
        child = stack.pop()
        yield from child.tokens
        stack += child.children.values()
