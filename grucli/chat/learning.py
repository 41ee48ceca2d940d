"""Learning in a chat: the model after what it learned from the turns of a path.

What was learned is a function of the model and of the turns that lead to one turn. So it follows the tree: going back
returns to what was known there, and a session that is resumed learns from its turns again.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import takewhile

from grucli.chat.events import PromptProgress
from grucli.chat.state_cache import StateCache
from grucli.chat.turn_tree import TurnTree
from grucli.chat.turns import ChatModel, LearningMode, Turn
from grucli.errors import GruError, UsageError
from grucli.generation.options import Passage
from grucli.text.tokenizers import EOS, EOT

_MAX_CACHED = 3  # an output layer each, which may be large; the oldest is dropped first
_END_TOKENS = {"turn": EOT, "end": EOS}


@dataclass(frozen=True, slots=True)
class UpdatedModel:
    """A model that has learned from `turns` turns. `gained_bits`: bits saved on the lines of the user among them,
    `chars` characters, each predicted before it was learned from."""

    model: ChatModel
    turns: int = 0
    gained_bits: float = 0.0
    chars: int = 0


class TurnLearner:
    """Learns from the turns of a chat by `mode`.

    `original` is the model as it is on disk, `states` its states, `model` what the next reply comes from.
    """

    def __init__(self, original: ChatModel, states: StateCache, mode: LearningMode) -> None:
        self.original = self.model = original
        self.mode = mode
        self._states = states
        self._updated: dict[int, UpdatedModel] = {}

    def set_mode(self, mode: LearningMode) -> None:
        """Drop all that was learned, and learn by `mode`."""
        self.mode, self.model = mode, self.original
        self._updated.clear()

    def included(self, tree: TurnTree, number: int) -> Iterator[Turn]:
        """Yield the turns up to `number` that `mode` does not except, the newest first, learned already or not."""
        return takewhile(lambda turn: turn.number > self.mode.after, tree.ancestors(number))

    def known(self, number: int) -> UpdatedModel | None:
        """Return the model after the turn `number`, None if it does not learn or that is to be computed yet."""
        return self._updated.get(number) if self.mode.on else None

    def learn_up_to(
        self, tree: TurnTree, number: int, should_stop: Callable[[], bool]
    ) -> Generator[PromptProgress, None, bool]:
        """Make `model` the one that has learned from the turns up to `number`, if it is to learn.

        Yields progress, and returns False if `should_stop` ended it.
        """
        if not self.mode.on:
            return True
        pending: list[Turn] = []
        updated = UpdatedModel(self.original)
        for turn in self.included(tree, number):
            if turn.number in self._updated:
                updated = self._updated[turn.number]
                break
            pending.append(turn)
        for turn in reversed(pending):
            passages = yield from self._passages(tree, turn, should_stop)
            if passages is None or should_stop():
                return False
            updated = self._updated[turn.number] = _learn_turn(updated, turn, passages)
            if len(self._updated) > _MAX_CACHED:
                del self._updated[next(iter(self._updated))]
        self.model = updated.model
        return True

    def save(self, tree: TurnTree, should_stop: Callable[[], bool], write: Callable[[ChatModel], None]) -> None:
        """Pass the model that has learned up to the head to `write`.

        Raises:
            UsageError: nothing was learned, or `should_stop` ended it.
            GruError: `write` raised an OSError.
        """
        for _ in self.learn_up_to(tree, tree.head, should_stop):
            pass
        if should_stop():
            raise UsageError("stopped before everything was learned", "use /keep again")
        updated = self.known(tree.head)
        if updated is None:
            raise self.nothing_learned()
        try:
            write(updated.model)
        except OSError as error:
            raise GruError(
                f"the model cannot be saved: {error.strerror or error}", "free up space or fix the permissions"
            ) from None

    def nothing_learned(self) -> UsageError:
        """Return the error that there is nothing to save or to drop."""
        if not self.mode.on:
            return UsageError("nothing was learned yet", "use /learn on first")
        return UsageError("nothing new was learned", "send a message first")

    def _passages(
        self, tree: TurnTree, turn: Turn, should_stop: Callable[[], bool]
    ) -> Generator[PromptProgress, None, list[Passage] | None]:
        """Return the user's line, if there is one, and the reply."""
        passages = []
        if turn.line:
            state = yield from self._states.state_before_input(tree, should_stop, turn.parent)
            if state is None:
                return None
            passages.append(Passage(state, turn.line, EOT if self.original.conversations else None))
        state = yield from self._states.state_before_reply(tree, turn.context, should_stop)
        if state is None:
            return None
        return [*passages, Passage(state, turn.reply, _END_TOKENS.get(turn.stopped))]


def _learn_turn(before: UpdatedModel, turn: Turn, passages: list[Passage]) -> UpdatedModel:
    gained = before.model.gained_bits(passages[0]) if turn.line else 0.0
    return UpdatedModel(
        before.model.learn(passages),
        before.turns + 1,
        before.gained_bits + gained,
        before.chars + len(turn.line),
    )
