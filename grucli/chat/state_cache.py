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

from grucli.chat.events import PromptProgress
from grucli.chat.turn_tree import MAX_TURNS, TurnTree
from grucli.chat.turns import ROOT, ChatModel, ReplyContext
from grucli.generation.sampler import State

PREFILL_CHUNK_CHARS = 4096  # characters: how often reading can be stopped, and says how far it is
MAX_CACHED_STATES = 2 * MAX_TURNS

# Before a space or a newline the tokens of both sides are those of the whole, whatever the tokenizer.
_last_word = re.compile(r".*\S(?=[ \n])", re.DOTALL)
_word_end = re.compile(r"\S(?=[ \n])")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True, slots=True)
class _ReadStep:
    """One thing to read, None where the word is handed over; `keep` is where the state after it belongs."""

    text: str | None
    cache_key: ReplyContext | int | None = None


_END_TURN = _ReadStep(None)


@dataclass(slots=True)
class _PrefixCache:
    """The long text that was read last, the state before it, and those at some places in it, in order.

    A text that is gone on with again and again, or a long scene, is so read only once.
    """

    initial_state: State
    text: str
    checkpoints: list[tuple[int, State]]


_StateGenerator = Generator[PromptProgress, None, State | None]


class StateCache:
    """The states of one model, `voice`. `scene` is the text before everything that is said.

    A model of conversations hears each paragraph of the scene as a turn; any other begins each of its texts with it.
    """

    def __init__(self, model: ChatModel, preamble: str) -> None:
        self._model, self._preamble = model, preamble
        self._preamble_turns = paragraphs(preamble) if model.conversations else []
        self._states: OrderedDict[ReplyContext | int, State] = OrderedDict()  # before a reply, after a turn
        self._prefix_cache: _PrefixCache | None = None

    def reply_prefix(self, line: str) -> str:
        """The text that the reply to `line` goes on from."""
        return "" if self._model.conversations else self._preamble + line

    def turns_before(self, tree: TurnTree, context: ReplyContext) -> list[str] | None:
        """Every turn before the one that is drawn at `place`, the scene's too; None where some were forgotten."""
        if not self._model.conversations:
            return []
        context = _reply_start(tree, context)
        texts = [context.line]
        while context.parent in tree.turns:
            turn = tree.turns[context.parent]
            context = _reply_start(tree, turn.context)
            texts += [turn.full_text, context.line]
        return None if context.parent or context.is_continuation else [*self._preamble_turns, *reversed(texts)]

    def context_digest(self, tree: TurnTree, context: ReplyContext) -> str:
        """What the texts are known by that were read for a reply at `place`; nothing where some were forgotten."""
        turns = self.turns_before(tree, context)
        if turns is None:
            return ""
        hasher = hashlib.blake2b(digest_size=8)
        for text in (*turns, context.prefix):
            # Each with its length, so that no two dialogues are the same bytes.
            encoded = text.encode(errors="replace")
            hasher.update(b"%d %b" % (len(encoded), encoded))
        return hasher.hexdigest()

    def state_before_reply(
        self, tree: TurnTree, context: ReplyContext, should_stop: Callable[[], bool]
    ) -> _StateGenerator:
        """Give the state in which a reply is drawn at `place`; None where `stopping` ended the reading before."""
        reversed_steps = [_ReadStep(context.prefix, context)] if context.prefix else []
        reply_start = _reply_start(tree, context)
        if context in self._states:
            state, reversed_steps = self._states[context], []
        elif not self._model.conversations:
            state = self._model.initial_state()
        elif reply_start in self._states:
            state = self._states[reply_start]
        else:
            reversed_steps += [_ReadStep(None, reply_start), _ReadStep(reply_start.line)]
            state = self._steps_from_cached(tree, reply_start.parent, reversed_steps)
        return (yield from self._read(state, reversed_steps[::-1], should_stop))

    def state_before_input(self, tree: TurnTree, should_stop: Callable[[], bool]) -> _StateGenerator:
        """Give the state in which the user's next line is heard, as `before_reply` does."""
        reversed_steps: list[_ReadStep] = []
        if self._model.conversations:
            state = self._steps_from_cached(tree, tree.head, reversed_steps)
        else:
            state = self._model.initial_state()
            reversed_steps.append(_ReadStep(self._preamble))
        return (yield from self._read(state, reversed_steps[::-1], should_stop))

    def _steps_from_cached(self, tree: TurnTree, number: int, reversed_steps: list[_ReadStep]) -> State:
        """Extend `back`, steps from the last to the first, by those before a line after turn `number` is heard, and
        give the state that they begin from: the nearest that is known. What was forgotten is not read."""
        while number not in self._states:
            turn = tree.turns.get(number)
            if turn is None and number != ROOT:
                number = ROOT
                continue
            if turn is None:
                for index, text in reversed(list(enumerate(self._preamble_turns, 1))):
                    reversed_steps += [_END_TURN, _ReadStep(text, ROOT if index == len(self._preamble_turns) else None)]
                return self._model.initial_state()
            reversed_steps += [_END_TURN, _ReadStep(turn.full_text, number)]
            context = _reply_start(tree, turn.context)
            if context in self._states:
                return self._states[context]
            reversed_steps += [_ReadStep(None, context), _ReadStep(context.line)]
            number = context.parent
        reversed_steps.append(_END_TURN)
        return self._states[number]

    def _read(self, state: State, steps: list[_ReadStep], should_stop: Callable[[], bool]) -> _StateGenerator:
        total = sum(len(step.text or "") for step in steps)
        done = reported = 0
        for step in steps:
            text = step.text or ""
            if step.text is None:
                state = self._model.end_turn(state)
            position, state = self._longest_cached_prefix(state, text)
            done += position
            for part in split_at_words(text, position):
                state = self._model.read(state, part)
                position += len(part)
                done += len(part)
                if position < len(text) and self._prefix_cache is not None:
                    self._prefix_cache.checkpoints.append((position, state))
                if done < total and done - reported >= PREFILL_CHUNK_CHARS // 2:
                    reported = done
                    yield PromptProgress(done, total)
                if should_stop():
                    return None
            if step.cache_key is not None:
                self._store(step.cache_key, state)
        return state

    def _longest_cached_prefix(self, state: State, text: str) -> tuple[int, State]:
        """Where the reading of `text` begins, and in which state: further on where it begins as the book did."""
        if len(text) <= PREFILL_CHUNK_CHARS:
            return 0, state
        cache = self._prefix_cache
        if (
            cache is None
            or cache.initial_state.last_token != state.last_token
            or not np.array_equal(cache.initial_state.hidden, state.hidden)
        ):
            cache = self._prefix_cache = _PrefixCache(state, text, [])
        while cache.checkpoints and not text.startswith(cache.text[: cache.checkpoints[-1][0]]):
            cache.checkpoints.pop()
        cache.text = text
        return cache.checkpoints[-1] if cache.checkpoints else (0, state)

    def _store(self, key: ReplyContext | int, state: State) -> None:
        self._states[key] = state
        if len(self._states) > MAX_CACHED_STATES:
            self._states.popitem(last=False)


def _reply_start(tree: TurnTree, context: ReplyContext) -> ReplyContext:
    """Where the reply began that is drawn at `place`: a reply that was cut and gone on with is one turn."""
    while context.is_continuation and context.parent in tree.turns:
        context = tree.turns[context.parent].context
    return ReplyContext(context.parent, context.line, "", context.is_continuation)


def paragraphs(text: str) -> list[str]:
    """The parts of a text between empty lines."""
    return [part for part in _BLANK_LINE.split(text.strip("\r\n")) if part.strip()]


def split_at_words(text: str, start: int = 0) -> Iterator[str]:
    """Cut a long text, from `start` on, between words, where the tokens of the parts are those of the whole."""
    while len(text) - start > PREFILL_CHUNK_CHARS:
        match = _last_word.match(text, start, start + PREFILL_CHUNK_CHARS) or _word_end.search(text, start)
        end = match.end() if match else len(text)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
