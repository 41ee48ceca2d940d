"""Learning in a chat: the model after what it learned from the turns of a path.

What was learned is a function of the model and of the turns that lead to one turn. So it follows the tree: going back
returns to what was known there, and a session that is resumed learns from its turns again.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from grucli.chat.events import PromptProgress
from grucli.chat.state_cache import StateCache
from grucli.chat.turn_tree import TurnTree
from grucli.chat.turns import ChatModel, Turn
from grucli.generation.options import Passage
from grucli.text.tokenizers import EOS, EOT

_MAX_CACHED = 8  # an output layer each; the oldest is dropped first
_END_TOKENS = {"turn": EOT, "end": EOS}


@dataclass(frozen=True, slots=True)
class Learned:
    """A model that has learned from `turns` turns. `gained_bits`: by how much fewer bits it predicted the lines of the
    user among them, `chars` characters, each before it learned from it."""

    model: ChatModel
    turns: int = 0
    gained_bits: float = 0.0
    chars: int = 0


class TurnLearner:
    """What `model` learned up to each turn; `states` are its states."""

    def __init__(self, model: ChatModel, states: StateCache) -> None:
        self._model, self._states = model, states
        self._learned: dict[int, Learned] = {}

    def clear(self) -> None:
        """Drop all that was learned."""
        self._learned.clear()

    def known(self, number: int) -> Learned | None:
        """Return what was learned up to the turn `number`, None if that is to be computed yet."""
        return self._learned.get(number)

    def learn(
        self, tree: TurnTree, number: int, after: int, should_stop: Callable[[], bool]
    ) -> Generator[PromptProgress, None, Learned | None]:
        """Return what was learned up to the turn `number` from the turns after number `after`.

        Yields progress, and returns None if `should_stop` ended it.
        """
        pending: list[Turn] = []
        learned = Learned(self._model)
        for turn in tree.ancestors(number):
            if turn.number <= after:
                break
            if turn.number in self._learned:
                learned = self._learned[turn.number]
                break
            pending.append(turn)
        for turn in reversed(pending):
            passages = yield from self._passages(tree, turn, should_stop)
            if passages is None or should_stop():
                return None
            learned = _learn_turn(learned, turn, passages)
            self._learned[turn.number] = learned
            if len(self._learned) > _MAX_CACHED:
                del self._learned[next(iter(self._learned))]
        return learned

    def _passages(
        self, tree: TurnTree, turn: Turn, should_stop: Callable[[], bool]
    ) -> Generator[PromptProgress, None, list[Passage] | None]:
        """Return the user's line, if there is one, and the reply."""
        passages = []
        if turn.line:
            state = yield from self._states.state_before_input(tree, should_stop, turn.parent)
            if state is None:
                return None
            passages.append(Passage(state, turn.line, EOT if self._model.conversations else None))
        state = yield from self._states.state_before_reply(tree, turn.context, should_stop)
        if state is None:
            return None
        return [*passages, Passage(state, turn.reply, _END_TOKENS.get(turn.stopped))]


def _learn_turn(learned: Learned, turn: Turn, passages: list[Passage]) -> Learned:
    gained = learned.model.gained_bits(passages[0]) if turn.line else 0.0
    return Learned(
        learned.model.learn(passages),
        learned.turns + 1,
        learned.gained_bits + gained,
        learned.chars + len(turn.line),
    )
