"""Cache of hidden states, keyed by turn.

A state depends on the texts before it alone: a reply is generated token by token, but read as text afterwards. So the
same texts give the same state whether they were just written, rewound to, loaded from disk, or given to `gru sample`.
Going back uses a cached state, or reads the texts again.
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
from grucli.generation.options import State

PREFILL_CHUNK_CHARS = 4096  # between two progress events, and two checks for a stop
MAX_CACHED_STATES = 2 * MAX_TURNS

# No token of any tokenizer spans the end of a word before a space or newline, so a text can be read in two parts there.
_last_word = re.compile(r".*\S(?=[ \n])", re.DOTALL)
_word_end = re.compile(r"\S(?=[ \n])")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True, slots=True)
class _ReadStep:
    """A text to read, None for the end of a turn; `cache_key` is the key of the state after it."""

    text: str | None
    cache_key: ReplyContext | int | None = None


_END_TURN = _ReadStep(None)


@dataclass(slots=True)
class _PrefixCache:
    """The long text that was read last, the state before it, and (position, state) of checkpoints in it, in order.

    A growing text, or one with a long preamble, is so read only once.
    """

    initial_state: State
    text: str
    checkpoints: list[tuple[int, State]]


_StateGenerator = Generator[PromptProgress, None, State | None]


class StateCache:
    """The states of `model`. `preamble` is the text before the conversation.

    A model of conversations reads each paragraph of it as a turn; for any other it begins each text.
    """

    def __init__(self, model: ChatModel, preamble: str) -> None:
        self._model, self._preamble = model, preamble
        self._preamble_turns = paragraphs(preamble) if model.conversations else []
        self._states: OrderedDict[ReplyContext | int, State] = OrderedDict()  # before a reply, after a turn
        self._prefix_cache: _PrefixCache | None = None

    def reply_prefix(self, line: str) -> str:
        """Return the text that the reply to `line` continues."""
        return "" if self._model.conversations else self._preamble + line

    def turns_before(self, tree: TurnTree, context: ReplyContext) -> list[str] | None:
        """Return all turns before a reply, those of the preamble included; None if some were dropped from the tree."""
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
        """Return a digest of the texts before a reply in hexadecimal, empty if some were dropped from the tree."""
        turns = self.turns_before(tree, context)
        if turns is None:
            return ""
        hasher = hashlib.blake2b(digest_size=8)
        for text in (*turns, context.prefix):
            # The length separates the texts: no two dialogues give the same bytes.
            encoded = text.encode(errors="replace")
            hasher.update(b"%d %b" % (len(encoded), encoded))
        return hasher.hexdigest()

    def state_before_reply(
        self, tree: TurnTree, context: ReplyContext, should_stop: Callable[[], bool]
    ) -> _StateGenerator:
        """Return the state before a reply, None if `should_stop` ended the reading. Yields progress."""
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

    def state_before_input(
        self, tree: TurnTree, should_stop: Callable[[], bool], number: int | None = None
    ) -> _StateGenerator:
        """Return the state before the user's next line after the turn `number`, by default the head, as
        `state_before_reply` does."""
        reversed_steps: list[_ReadStep] = []
        if self._model.conversations:
            state = self._steps_from_cached(tree, tree.head if number is None else number, reversed_steps)
        else:
            state = self._model.initial_state()
            reversed_steps.append(_ReadStep(self._preamble))
        return (yield from self._read(state, reversed_steps[::-1], should_stop))

    def _steps_from_cached(self, tree: TurnTree, number: int, reversed_steps: list[_ReadStep]) -> State:
        """Append the steps from the nearest cached state to the line after turn `number`, the last first, and return
        that state. Turns that were dropped from the tree are not read."""
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
        """Return the position up to which `text` was read before, and the state there."""
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
    """Return the context in which a reply began: a truncated reply and its continuations are one turn."""
    while context.is_continuation and context.parent in tree.turns:
        context = tree.turns[context.parent].context
    return ReplyContext(context.parent, context.line, "", context.is_continuation)


def paragraphs(text: str) -> list[str]:
    """Return the parts of a text between empty lines."""
    return [part for part in _BLANK_LINE.split(text.strip("\r\n")) if part.strip()]


def split_at_words(text: str, start: int = 0) -> Iterator[str]:
    """Yield parts of a long text from `start`, split where their tokens are those of the whole text."""
    while len(text) - start > PREFILL_CHUNK_CHARS:
        match = _last_word.match(text, start, start + PREFILL_CHUNK_CHARS) or _word_end.search(text, start)
        end = match.end() if match else len(text)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
