"""Words that are never said, and texts that end a text: what a tokenizer's tokens lead to, as one table.

A text goes through `Phrases` character by character, whatever the tokens are: a word is found where one token ends
within it and the next begins. The table says the same of whole tokens, for a loop that cannot ask.

A word that is blocked counts as a whole, whatever its case: what follows it must be no letter, digit or underscore,
and so must what precedes it. So it is only known to be said when it is over, and the automaton lets nothing follow it
but more letters. `word*` is over at once. White space within a phrase stands for any white space.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grucli.errors import UsageError
from grucli.text.tokenizers import Tokenizer

BANNED, STOPS = -1, -2
"""What stands for a place where a token may not be drawn, and where it ends the text."""

LONGEST = 200
"""Characters of a phrase."""

MOST_STOPS, MOST_BLOCKED = 64, 20_000
MOST_BEGINNINGS = 100_000
"""Characters of all phrases that are blocked, but those that several begin with count once: about as many places."""
MOST_ENTRIES = 2_000_000
"""Of a table: tokens that lead from a place elsewhere than usual, in all places."""

_SLACK = 64
"""Characters more than a phrase has that it may take in a text, by runs of white space."""

_COMMENT = "#"

_TYPED = {"\n": r"\n", "\t": r"\t", "\\": r"\\"}
_MEANT = {typed: sign for sign, typed in _TYPED.items()}


def read_stop(typed: str) -> str:
    r"""The text to stop at that is meant by what was typed: \n is a new line, \t a tab, and \\ one backslash."""
    return re.sub(r"\\[nt\\]", lambda found: _MEANT[found[0]], typed)


def typed_stop(stop: str) -> str:
    """How a text to stop at is typed, on one line."""
    return "".join(_TYPED.get(sign, sign) for sign in stop)


def read_phrases(path: Path) -> tuple[str, ...]:
    """The phrases in a file, one a line; empty lines and those that begin with # say nothing.

    Raises:
        UsageError: it is no UTF-8 text, or one of its lines is no phrase to block.
        OSError: it cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"'{path}' is not UTF-8 text", "give a plain text file, one word or phrase a line") from error
    phrases = tuple(line.strip() for line in lines if line.strip() and not line.startswith(_COMMENT))
    check_blocked(phrases)
    return phrases


def check_stops(stops: Sequence[str]) -> None:
    """Refuse what can end no text.

    Raises:
        UsageError: an empty one, one that is too long, or too many.
    """
    if len(stops) > MOST_STOPS:
        raise UsageError(f"--stop is given {len(stops)} times", f"{MOST_STOPS} texts that stop a sample are the most")
    for stop in stops:
        if not 0 < len(stop) <= LONGEST:
            raise UsageError(f"--stop is a text of {len(stop)} characters", f"it takes 1 to {LONGEST}")


def check_blocked(phrases: Sequence[str]) -> None:
    """Refuse what is no word or phrase.

    Raises:
        UsageError: an empty one, one that is too long, a `*` that is not at the end, or too many or too much of them.
    """
    if len(phrases) > MOST_BLOCKED:
        raise UsageError(f"{len(phrases):,} phrases are to be blocked", f"{MOST_BLOCKED:,} are the most")
    for phrase in phrases:
        if not phrase.strip("* \t\r\n") or len(phrase) > LONGEST or "*" in phrase[:-1]:
            raise UsageError(
                f"'{phrase[:40]}' cannot be blocked",
                f"give words and phrases of up to {LONGEST} characters; * stands at the end of one alone, as in word*",
            )
    if sum(map(len, phrases)) > MOST_BEGINNINGS and (beginnings := _beginnings(phrases)) > MOST_BEGINNINGS:
        raise UsageError(
            f"the phrases to be blocked come to {beginnings:,} characters, not counting what several begin with again",
            f"{MOST_BEGINNINGS:,} are the most: block fewer, or shorter ones, as word* for all that begins so",
        )


def _beginnings(phrases: Sequence[str]) -> int:
    """How many different texts the phrases begin with."""
    ordered = sorted(phrase.casefold() for phrase in phrases)
    return sum(len(each) - _alike(before, each) for before, each in pairwise(["", *ordered]))


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


@lru_cache(maxsize=4096)
def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")


@lru_cache(maxsize=4096)
def _folded(char: str) -> str:
    return " " if char.isspace() else char.casefold()


class _Node:
    """How far a phrase has been said. `over`: it has, and that is known. `whole`: it has, if the word is over."""

    __slots__ = ("edges", "number", "over", "spaced", "whole")

    def __init__(self, number: int, spaced: bool) -> None:
        self.edges: dict[str, _Node] = {}
        self.number, self.spaced = number, spaced
        self.over = self.whole = False


class Place(NamedTuple):
    """What of a text matters for what follows it: the phrases that have begun, by the numbers of their nodes, whether
    its last character is one of a word, and the bytes of a character that is not whole."""

    blocked: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()
    in_word: bool = False
    bytes: bytes = b""


_USUAL = (Place(), Place(in_word=True))


class _Piece:
    """A node in the tree of all pieces: those that end here, and what follows, by character and by its folded form."""

    __slots__ = ("children", "folded", "tokens")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.children: dict[str, _Piece] = {}
        self.folded: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Table:
    """The automaton over tokens, as the kernels take it (see `grucli.kernels.sampling.Guard`)."""

    usual: NDArray[np.int32]
    places: NDArray[np.int32]
    own: NDArray[np.int32]


class Phrases:
    """The phrases `stops` and `blocked`, as the tokens of `tokenizer` say them."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = (), blocked: Sequence[str] = ()) -> None:
        check_stops(stops)
        check_blocked(blocked)
        self.stops = tuple(stops)
        self._nodes: list[_Node] = []
        self._stop_root, self._block_root = self._node(False), self._node(False)
        for stop in stops:
            self._add(self._stop_root, stop).over = True
        for phrase in blocked:
            self._add_blocked(phrase)
        self._window = max(map(len, (*stops, *blocked)), default=0) + _SLACK
        self._whole_words = tokenizer.kind == "word"
        self._size = tokenizer.size
        self._pieces, self._lone = _tree(tokenizer.pieces)
        self._spellings: dict[int, dict[bytes, str]] = {}
        self._numbers: dict[Place, int] = {}
        self._places: list[Place] = []
        self._behind_usual: dict[tuple[Place, str], Place | int] = {}
        self._rows: list[list[tuple[int, int]]] = []
        self._entries = 0
        self._table: Table | None = None

    def _node(self, spaced: bool) -> _Node:
        self._nodes.append(_Node(len(self._nodes), spaced))
        return self._nodes[-1]

    def _add(self, root: _Node, chars: str) -> _Node:
        node = root
        for char in chars:
            if char not in node.edges:
                node.edges[char] = self._node(char == " " and root is self._block_root)
            node = node.edges[char]
        return node

    def _add_blocked(self, phrase: str) -> None:
        prefix = phrase.endswith("*")
        folded = " ".join(phrase.removesuffix("*").casefold().split())
        end = self._add(self._block_root, folded)
        if prefix or not _in_word(folded[-1]):
            end.over = True
        else:
            end.whole = True

    # Character by character

    def feed(self, place: Place, char: str) -> Place | int:
        """The place behind one more character, BANNED, or STOPS."""
        if place.bytes:
            place = Place()
        blocked = self._feed_blocked(place.blocked, place.in_word, char)
        if blocked is None:
            return BANNED
        begun: list[_Node] = []
        if self.stops:
            stops = [self._nodes[number].edges.get(char) for number in (*place.stops, self._stop_root.number)]
            begun = [node for node in stops if node is not None]
            if any(node.over for node in begun):
                return STOPS
        return Place(blocked, _numbers(begun), _in_word(char))

    def _feed_blocked(self, blocked: tuple[int, ...], was_in_word: bool, char: str) -> tuple[int, ...] | None:
        """The nodes of blocked phrases behind one more character; None where one has been said."""
        in_word = _in_word(char)
        active = [self._nodes[number] for number in blocked]
        if not in_word and any(node.whole for node in active):
            return None
        if not (in_word and was_in_word):
            active.append(self._block_root)
        for folded in _folded(char):
            further = [node.edges[folded] for node in active if folded in node.edges]
            active = [node for node in active if node.spaced and folded == " "] + further
            if any(node.over for node in active):
                return None
        return _numbers(active)

    def _feed_byte(self, place: Place, byte: bytes) -> Place | int:
        """The place behind a byte of a character that is spelled in bytes.

        They are kept while they may become a character that some phrase has in so many letters; any other is taken as
        the end of a word.
        """
        if self._closing(place):
            return BANNED
        begun, goes_on = place.bytes + byte, False
        for number in (*place.blocked, *place.stops, self._block_root.number, self._stop_root.number):
            char = self._spelled(number).get(begun)
            if char:
                return self.feed(place._replace(bytes=b""), char)
            goes_on |= char is not None
        if goes_on:
            return place._replace(bytes=begun)
        return self._feed_byte(Place(), byte) if place.bytes else Place()

    def _spelled(self, number: int) -> dict[bytes, str]:
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

    def _closing(self, place: Place) -> bool:
        return any(self._nodes[number].whole for number in place.blocked)

    def after(self, text: str) -> Place:
        """The place after a text that was not drawn: it may have begun to say what is blocked, but what it has said is
        its own affair, and what stops is only looked for in what is drawn."""
        place = self._walk(text)
        return place._replace(blocked=tuple(number for number in place.blocked if not self._nodes[number].whole))

    def _walk(self, text: str) -> Place:
        """The place behind `text`, whose phrases that are over do not count."""
        start = max(len(text) - self._window, 0)
        blocked: tuple[int, ...] = ()
        in_word = start > 0 and _in_word(text[start - 1])
        for char in text[start:]:
            blocked = self._feed_blocked(blocked, in_word, char) or ()
            in_word = _in_word(char)
        return Place(blocked, (), in_word)

    # Whole texts

    def stop_in(self, text: str) -> int | None:
        """Where the first of the stops begins in `text`: the one that is over first."""
        found = [(at + len(stop), at) for stop in self.stops if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def held(self, before: str, text: str) -> int:
        """How many characters at the end of `text`, which follows `before`, may not be shown while more may follow:
        what may be the beginning of a stop, or says a blocked word unless its last word goes on."""
        longest = max(map(len, self.stops), default=0) - 1
        begun = range(min(longest, len(text)), 0, -1)
        stop = next((n for n in begun if any(each.startswith(text[-n:]) for each in self.stops)), 0)
        return stop + self.unsaid(before, text[: len(text) - stop])

    def unsaid(self, before: str, text: str) -> int:
        """How many characters to take off the end of `text`, which follows `before`, for it to say nothing blocked if
        it ends there."""
        if not self._block_root.edges:
            return 0
        whole = before[-self._window :] + text[-2 * self._window :]
        for less in range(min(len(text), 2 * self._window)):
            if not self._closing(self._walk(whole[: len(whole) - less])):
                return less
        return len(text)

    # Token by token

    def table(self, place: Place) -> tuple[Table, int]:
        """The table, and the number that `place` has in it.

        Raises:
            UsageError: with these tokens, the phrases make a table that is too large.
        """
        if place not in self._numbers or self._table is None:
            for each in (*_USUAL, place):
                self._number(each)
            while len(self._rows) < len(self._places):
                self._rows.append(self._row(self._places[len(self._rows)]))
                self._entries += len(self._rows[-1])
                if self._entries > MOST_ENTRIES:
                    raise UsageError(
                        f"to block and stop at all this takes a table of more than {MOST_ENTRIES:,} entries, for the"
                        f" {self._size:,} tokens of this model",
                        "block fewer or shorter phrases, or stop at fewer texts",
                    )
            self._table = self._in_arrays()
        return self._table, self._numbers[place]

    def _number(self, place: Place | int) -> int:
        if isinstance(place, int):
            return place
        number = self._numbers.setdefault(place, len(self._places))
        if number == len(self._places):
            self._places.append(place)
        return number

    def _row(self, place: Place) -> list[tuple[int, int]]:
        """The tokens that lead from `place` elsewhere than from the usual place of its kind, and where to; for a usual
        place itself, every token."""
        row: list[tuple[int, int]] = []
        usual = Place() if place.bytes else _USUAL[place.in_word]
        every = place == usual
        waiting: list[tuple[_Piece, Place, Place]] = [(self._pieces, place, usual)]
        while waiting:
            piece, here, there = waiting.pop()
            at_first = piece is self._pieces
            for char in piece.children if every else self._telling(piece, here, at_first):
                child, behind, else_behind = piece.children[char], self.feed(here, char), self._feed_usual(there, char)
                if behind == else_behind and not every:
                    continue
                row += ((token, self._number(self._settled(behind))) for token in child.tokens)
                if isinstance(behind, Place):
                    assert isinstance(else_behind, Place)
                    waiting.append((child, behind, else_behind))
                else:
                    row += ((token, behind) for token in _below(child))
        if every or place.bytes or any(self._spelled(number) for number in (*place.blocked, *place.stops)):
            row += ((token, self._number(self._spell(place, spelled))) for token, spelled in self._lone)
        return sorted(row)

    def _feed_usual(self, place: Place, char: str) -> Place | int:
        """As `feed`, for places that pieces lead to from a usual one: so few that what is behind them is kept."""
        if (place, char) not in self._behind_usual:
            self._behind_usual[place, char] = self.feed(place, char)
        return self._behind_usual[place, char]

    def _telling(self, piece: _Piece, place: Place, at_first: bool) -> Iterable[str]:
        """The characters below `piece` that may lead from `place` elsewhere than from a usual one."""
        if self._closing(place) and not at_first:  # at first the table itself says what may not follow
            return list(piece.children)
        folded = {edge for number in place.blocked for edge in self._nodes[number].edges}
        if any(self._nodes[number].spaced for number in place.blocked):
            folded.add(" ")
        stops = {edge for number in place.stops for edge in self._nodes[number].edges}
        chars = {char for edge in folded for char in piece.folded.get(edge, ())}
        return chars | {char for char in stops if char in piece.children}

    def _settled(self, place: Place | int) -> Place | int:
        """Where pieces are whole words, one that ends there ends a word."""
        return BANNED if self._whole_words and isinstance(place, Place) and self._closing(place) else place

    def _spell(self, place: Place, spelled: bytes) -> Place | int:
        for byte in spelled:
            behind = self._feed_byte(place, bytes([byte]))
            if isinstance(behind, int):
                return behind
            place = behind
        return place

    def _in_arrays(self) -> Table:
        usual = np.zeros((3, self._size), np.int32)
        for kind, place in enumerate(_USUAL):
            usual[kind] = self._numbers[place]  # the special tokens leave all as it is
            for token, behind in self._rows[self._numbers[place]]:
                usual[kind, token] = behind
        for token, _ in self._lone:
            usual[2, token] = True
        for char, child in self._pieces.children.items():
            usual[2, [*_below(child), *child.tokens]] = not _in_word(char)
        rows = [[] if place in _USUAL else row for place, row in zip(self._numbers, self._rows, strict=True)]
        ends = np.cumsum([len(row) for row in rows])
        kinds = [place.in_word and not place.bytes for place in self._numbers]
        closing = [self._closing(place) for place in self._numbers]
        places = np.array([kinds, closing, ends - [len(row) for row in rows], ends], np.int32)
        own = np.array([pair for row in rows for pair in row], np.int32).reshape(-1, 2)
        return Table(usual, np.ascontiguousarray(places.T), own)


def _numbers(nodes: Sequence[_Node]) -> tuple[int, ...]:
    if len(nodes) < 2:  # as nearly everywhere
        return (nodes[0].number,) if nodes else ()
    return tuple(sorted({node.number for node in nodes}))


def _tree(pieces: Sequence[bytes]) -> tuple[_Piece, list[tuple[int, bytes]]]:
    """The tree of the pieces that are text, and apart from it those that are not, by their tokens."""
    root, lone = _Piece(), []
    for token, piece in enumerate(pieces):
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            lone.append((token, piece))
            continue
        node = root
        for char in text:
            if char not in node.children:
                node.children[char] = _Piece()
                node.folded.setdefault(_folded(char)[0], []).append(char)
            node = node.children[char]
        if text:
            node.tokens.append(token)
    return root, lone


def _below(piece: _Piece) -> Iterator[int]:
    """The tokens of the pieces that go on from this one."""
    waiting = list(piece.children.values())
    while waiting:
        each = waiting.pop()
        yield from each.tokens
        waiting += each.children.values()
