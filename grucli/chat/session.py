"""A session: one model, the turns so far, how replies are drawn.

With a model of conversations the user's line is a turn and the reply the next one, the whole dialogue in the state.
With any other each line is the beginning of a new text, which the model continues. An empty line after a reply that
was cut short lets the model go on.
"""

import dataclasses
import re
import secrets
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

from grucli.chat.events import Began, Ended, Event, Misread, Reading, Said, Told
from grucli.chat.misread import unknown_symbols
from grucli.chat.pace import checked_pace
from grucli.chat.turns import Turn, Utterance, Voice
from grucli.errors import UsageError
from grucli.model.sampler import Draw, Sample, State

READ_AT_ONCE = 4096  # characters: how often a long line can be stopped, and says how far it is
TURNS_KEPT = 1000  # each holds two states of a few kilobytes
SEED_LIMIT = 1 << 63
SEEDS = 10_000  # a session without a seed begins at one that can be remembered and typed

_last_word = re.compile(r".*\S(?=\s)", re.DOTALL)


class Shelf(Protocol):
    """Where other models can be had."""

    def names(self) -> Sequence[str]:
        """Name the models there are."""

    def open(self, name: str | None) -> tuple[str, Voice]:
        """Give a model and the name it goes by; None means the newest."""


class Session:
    """A dialogue with a model. Its methods that answer are generators of events; `stop` ends a reply from outside."""

    def __init__(self, shelf: Shelf, model: str | None, draw: Draw, pace: float) -> None:
        """Open `model` from the shelf, to draw as `draw` says; `pace` is in characters a second, 0 for no pace.

        Raises:
            UsageError: there is no such model, or the pace is not a number from 0 up.
            ModelFileError: its file is damaged.
        """
        self.draw = draw
        self.pace = 0.0
        self.keep_pace(pace)
        self.turns: deque[Turn] = deque(maxlen=TURNS_KEPT)
        self.stopping = False
        self._shelf = shelf
        self.model, self.voice = shelf.open(model)

    def stop(self) -> None:
        """Stop reading or replying after the piece at hand. Does nothing but take note: safe in a signal handler."""
        self.stopping = True

    @property
    def last(self) -> Turn | None:
        """The latest turn."""
        return self.turns[-1] if self.turns else None

    @property
    def can_go_on(self) -> bool:
        """Whether an empty line has a meaning: the last reply was cut, or the model writes without being asked."""
        return not self.voice.conversations or (self.last is not None and self.last.cut)

    def say(self, line: str) -> Iterator[Event]:
        """Hear what the user says and reply to it."""
        self.stopping = False
        if not line and self.last is not None and self.last.cut:
            yield from self._reply("", self.last.after, self.last.reply)
            return
        state = yield from self._listen(line)
        if state is None:
            yield Told("stopped: none of this line was heard")
        else:
            yield from self._reply(line, state, "" if self.voice.conversations else line)

    def again(self) -> Iterator[Event]:
        """Draw the last reply again, from the state before it, with the next seed; the new one takes its place.

        Raises:
            UsageError: nothing was said so far.
        """
        self.stopping = False
        if self.last is None:
            raise UsageError("there is no reply to draw again", "say something first")
        yield from self._reply(self.last.line, self.last.before, self.last.lead, instead=True)

    def reset(self) -> None:
        """Forget every turn."""
        self.turns.clear()

    def keep_pace(self, pace: float) -> None:
        """Change the pace at which replies are shown.

        Raises:
            UsageError: not a finite number from 0 up.
        """
        self.pace = checked_pace(pace)

    def models(self) -> Sequence[str]:
        """Name the models that `switch` can take."""
        return self._shelf.names()

    def switch(self, model: str) -> None:
        """Go on with another model, from the beginning: what one has in mind means nothing to another.

        Raises:
            UsageError: there is no such model. ModelFileError: its file is damaged. Either leaves all as it was.
        """
        self.model, self.voice = self._shelf.open(model)
        self.reset()

    def _listen(self, line: str) -> Generator[Event, None, State | None]:
        """Read the user's line; None where that was stopped, and then nothing was heard."""
        voice = self.voice
        takes_turns = voice.conversations
        state = voice.end_turn(self.last.after) if takes_turns and self.last is not None else voice.begin()
        done = unknown = 0
        for part in _parts(line):
            state = voice.read(state, part)
            unknown += unknown_symbols(voice.tokenizer, part)
            done += len(part)
            if done < len(line):
                yield Reading(done, len(line))
            if self.stopping:
                return None
        if unknown:
            yield Misread(unknown)
        return voice.end_turn(state) if takes_turns else state

    def _reply(self, line: str, before: State, lead: str, instead: bool = False) -> Iterator[Event]:
        utterance = self.voice.stream(before, self.draw)
        try:
            yield Began(lead, self.draw.seed, self.draw.max_chars)
            for piece in utterance:
                yield Said(piece.text, _bits_per_char(utterance.sample))
                if self.stopping:
                    break
        finally:
            # Whoever listens may hang up at any moment: what was said until then is a turn all the same.
            if instead:
                self.turns.pop()
            self.turns.append(_turn(line, lead, before, utterance))
            self.draw = dataclasses.replace(self.draw, seed=(self.draw.seed + 1) % SEED_LIMIT)
        yield Ended(self.turns[-1])


def any_seed() -> int:
    """Choose a seed for a session that was given none."""
    return secrets.randbelow(SEEDS)


def _turn(line: str, lead: str, before: State, utterance: Utterance) -> Turn:
    said = utterance.sample
    return Turn(
        line=line,
        lead=lead,
        reply=said.text,
        seed=said.seed,
        stopped=said.stopped,
        bits_per_char=_bits_per_char(said),
        before=before,
        after=utterance.state,
    )


def _bits_per_char(said: Sample) -> float | None:
    return said.bits_per_char if said.text else None


def _parts(line: str) -> Iterator[str]:
    """Cut a long line, where it can be before white space: there the tokens are those of the whole line."""
    start = 0
    while len(line) - start > READ_AT_ONCE:
        window = line[start : start + READ_AT_ONCE]
        last_word = _last_word.match(window)
        yield window[: last_word.end() if last_word else len(window)]
        start += last_word.end() if last_word else len(window)
    if start < len(line):
        yield line[start:]
