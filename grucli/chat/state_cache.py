"""What a model has in mind at each place of a dialogue: the state after reading its texts, and nothing else.

A reply is drawn a token at a time, but what the model remembers of it is its text, read. So the same texts give the
same state whatever way they came about: said, gone back to, kept on disk for a week, or given to `gru sample`. States
are kept while there is room, so that going back is free, and read anew where they are not.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from grucli.chat.events import Reading
from grucli.chat.turn_tree import TURNS_KEPT, Tree
from grucli.chat.turns import BEGINNING, Place, Voice
from grucli.generation.sampler import State

READ_AT_ONCE = 4096  # characters: how often reading can be stopped, and says how far it is
STATES_KEPT = 2 * TURNS_KEPT

# Before a space or a newline the tokens of both sides are those of the whole, whatever the tokenizer.
_last_word = re.compile(r".*\S(?=[ \n])", re.DOTALL)
_word_end = re.compile(r"\S(?=[ \n])")
_gap = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing to read, None where the word is handed over; `keep` is where the state after it belongs."""

    text: str | None
    keep: Place | int | None = None


_HAND_OVER = _Step(None)


@dataclass(slots=True)
class _Book:
    """The long text that was read last, the state before it, and those at some places in it, in order.

    A text that is gone on with again and again, or a long scene, is so read only once.
    """

    before: State
    text: str
    marks: list[tuple[int, State]]


_Recall = Generator[Reading, None, State | None]


class Memory:
    """The states of one model, `voice`. `scene` is the text before everything that is said.

    A model of conversations hears each paragraph of the scene as a turn; any other begins each of its texts with it.
    """

    def __init__(self, voice: Voice, scene: str) -> None:
        self._voice, self._scene = voice, scene
        self._scene_turns = paragraphs(scene) if voice.conversations else []
        self._states: OrderedDict[Place | int, State] = OrderedDict()  # before a reply, after a turn
        self._book: _Book | None = None

    def lead(self, line: str) -> str:
        """The text that the reply to `line` goes on from."""
        return "" if self._voice.conversations else self._scene + line

    def turns_before(self, tree: Tree, place: Place) -> list[str] | None:
        """Every turn before the one that is drawn at `place`, the scene's too; None where some were forgotten."""
        if not self._voice.conversations:
            return []
        place = _first(tree, place)
        said = [place.line]
        while place.parent in tree.turns:
            turn = tree.turns[place.parent]
            place = _first(tree, turn.place)
            said += [turn.whole, place.line]
        return None if place.parent or place.goes_on else [*self._scene_turns, *reversed(said)]

    def digest(self, tree: Tree, place: Place) -> str:
        """What the texts are known by that were read for a reply at `place`; nothing where some were forgotten."""
        before = self.turns_before(tree, place)
        if before is None:
            return ""
        digest = hashlib.blake2b(digest_size=8)
        for text in (*before, place.lead):
            # Each with its length, so that no two dialogues are the same bytes.
            encoded = text.encode(errors="replace")
            digest.update(b"%d %b" % (len(encoded), encoded))
        return digest.hexdigest()

    def before_reply(self, tree: Tree, place: Place, stopping: Callable[[], bool]) -> _Recall:
        """Give the state in which a reply is drawn at `place`; None where `stopping` ended the reading before."""
        back = [_Step(place.lead, place)] if place.lead else []
        first = _first(tree, place)
        if place in self._states:
            state, back = self._states[place], []
        elif not self._voice.conversations:
            state = self._voice.begin()
        elif first in self._states:
            state = self._states[first]
        else:
            back += [_Step(None, first), _Step(first.line)]
            state = self._way(tree, first.parent, back)
        return (yield from self._read(state, back[::-1], stopping))

    def before_line(self, tree: Tree, stopping: Callable[[], bool]) -> _Recall:
        """Give the state in which the user's next line is heard, as `before_reply` does."""
        back: list[_Step] = []
        if self._voice.conversations:
            state = self._way(tree, tree.now, back)
        else:
            state = self._voice.begin()
            back.append(_Step(self._scene))
        return (yield from self._read(state, back[::-1], stopping))

    def _way(self, tree: Tree, number: int, back: list[_Step]) -> State:
        """Extend `back`, steps from the last to the first, by those before a line after turn `number` is heard, and
        give the state that they begin from: the nearest that is known. What was forgotten is not read."""
        while number not in self._states:
            turn = tree.turns.get(number)
            if turn is None and number != BEGINNING:
                number = BEGINNING
                continue
            if turn is None:
                for index, text in reversed(list(enumerate(self._scene_turns, 1))):
                    back += [_HAND_OVER, _Step(text, BEGINNING if index == len(self._scene_turns) else None)]
                return self._voice.begin()
            back += [_HAND_OVER, _Step(turn.whole, number)]
            place = _first(tree, turn.place)
            if place in self._states:
                return self._states[place]
            back += [_Step(None, place), _Step(place.line)]
            number = place.parent
        back.append(_HAND_OVER)
        return self._states[number]

    def _read(self, state: State, steps: list[_Step], stopping: Callable[[], bool]) -> _Recall:
        total = sum(len(step.text or "") for step in steps)
        done = told = 0
        for step in steps:
            text = step.text or ""
            if step.text is None:
                state = self._voice.end_turn(state)
            place, state = self._opened(state, text)
            done += place
            for part in parts(text, place):
                state = self._voice.read(state, part)
                place += len(part)
                done += len(part)
                if place < len(text) and self._book is not None:
                    self._book.marks.append((place, state))
                if done < total and done - told >= READ_AT_ONCE // 2:
                    told = done
                    yield Reading(done, total)
                if stopping():
                    return None
            if step.keep is not None:
                self._keep(step.keep, state)
        return state

    def _opened(self, state: State, text: str) -> tuple[int, State]:
        """Where the reading of `text` begins, and in which state: further on where it begins as the book did."""
        if len(text) <= READ_AT_ONCE:
            return 0, state
        book = self._book
        if book is None or book.before.last != state.last or not np.array_equal(book.before.layers, state.layers):
            book = self._book = _Book(state, text, [])
        while book.marks and not text.startswith(book.text[: book.marks[-1][0]]):
            book.marks.pop()
        book.text = text
        return book.marks[-1] if book.marks else (0, state)

    def _keep(self, key: Place | int, state: State) -> None:
        self._states[key] = state
        if len(self._states) > STATES_KEPT:
            self._states.popitem(last=False)


def _first(tree: Tree, place: Place) -> Place:
    """Where the reply began that is drawn at `place`: a reply that was cut and gone on with is one turn."""
    while place.goes_on and place.parent in tree.turns:
        place = tree.turns[place.parent].place
    return Place(place.parent, place.line, "", place.goes_on)


def paragraphs(text: str) -> list[str]:
    """The parts of a text between empty lines."""
    return [part for part in _gap.split(text.strip("\r\n")) if part.strip()]


def parts(text: str, start: int = 0) -> Iterator[str]:
    """Cut a long text, from `start` on, between words, where the tokens of the parts are those of the whole."""
    while len(text) - start > READ_AT_ONCE:
        found = _last_word.match(text, start, start + READ_AT_ONCE) or _word_end.search(text, start)
        end = found.end() if found else len(text)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
