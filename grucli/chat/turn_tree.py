"""The turns of a session as a tree, as git has commits: going back and continuing differently loses no turn.

Every turn but the first ones has a parent. The next turn is added after `head`. A branch is a name for the turn where
it ends; the current one ends at the head and moves with it.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from grucli.chat.turns import ROOT, Turn

DEFAULT_BRANCH = "main"
MAX_TURNS = 1000
MAX_CHARS = 10_000_000


class TurnTree:
    """At most MAX_TURNS turns of MAX_CHARS characters: the oldest are dropped, those on the path to the head last."""

    def __init__(self) -> None:
        self.head = ROOT
        self.branch = DEFAULT_BRANCH
        self._turns: dict[int, Turn] = {}
        self._other_branches: dict[str, int] = {}
        self.newest_number = ROOT
        """The number of the turn that was added last, even if it was dropped since."""
        self._num_chars = 0

    @property
    def turns(self) -> Mapping[int, Turn]:
        """All turns by number, the oldest first."""
        return MappingProxyType(self._turns)

    @property
    def branches(self) -> dict[str, int]:
        """The number of the last turn of each branch, ROOT where it has none."""
        return {**self._other_branches, self.branch: self.head}

    @property
    def last(self) -> Turn | None:
        """The turn at the head; None at the beginning."""
        return self._turns.get(self.head)

    @property
    def path_to_head(self) -> list[Turn]:
        """The turns from the beginning, or the oldest one that is left, to the head."""
        return list(self.ancestors(self.head))[::-1]

    def ancestors(self, number: int) -> Iterator[Turn]:
        """Yield the turns from `number` back to the beginning."""
        while (turn := self._turns.get(number)) is not None:
            yield turn
            number = turn.parent

    def add(self, turn: Turn) -> Turn:
        """Add `turn` as the head and return it with its number: its own if that is greater than all, else the next."""
        number = turn.number if turn.number > self.newest_number else self.newest_number + 1
        turn = dataclasses.replace(turn, number=number)
        self._turns[number] = turn
        self.newest_number = self.head = number
        self._num_chars += _turn_chars(turn)
        while len(self._turns) > 1 and (len(self._turns) > MAX_TURNS or self._num_chars > MAX_CHARS):
            self._prune()
        return turn

    def move_to(self, number: int) -> None:
        """Move the head, and the current branch, to the turn `number` or ROOT.

        Raises:
            KeyError: there is no such turn.
        """
        if number != ROOT and number not in self._turns:
            raise KeyError(number)
        self.head = number

    def fork(self, branch: str) -> None:
        """Start a branch at the head, or move the one of this name here; the current one ends here."""
        self._other_branches[self.branch] = self.head
        self._other_branches.pop(branch, None)
        self.branch = branch

    def switch(self, branch: str) -> None:
        """Move to the end of a branch, which becomes the current one.

        Raises:
            KeyError: there is no such branch.
        """
        end = self.branches[branch]
        self.fork(branch)
        self.head = end

    def unused_branch_name(self) -> str:
        """Return a name that no branch has."""
        number = len(self._other_branches) + 2
        while f"branch-{number}" in self.branches:
            number += 1
        return f"branch-{number}"

    def rows(self) -> Iterator[tuple[Turn, int]]:
        """Yield each turn and the number of forks above it, one branch after the other, each from the top down."""
        children: dict[int, list[Turn]] = defaultdict(list)
        for turn in self._turns.values():
            children[turn.parent if turn.parent in self._turns else ROOT].append(turn)
        stack = [(turn, int(len(children[ROOT]) > 1)) for turn in reversed(children[ROOT])]
        while stack:
            turn, depth = stack.pop()
            yield turn, depth
            next_turns = children[turn.number]
            stack.extend((child, depth + (len(next_turns) > 1)) for child in reversed(next_turns))

    def _prune(self) -> None:
        """Drop the oldest leaf, unnamed ones first; a turn on the path to the head only if there is no other."""
        children = Counter(turn.parent for turn in self._turns.values())
        on_path = {turn.number for turn in self.ancestors(self.head)}
        named = set(self._other_branches.values())
        leaves = [number for number in self._turns if not children[number] and number not in on_path]
        unnamed = (number for number in leaves if number not in named)
        number = next(unnamed, leaves[0] if leaves else min(on_path))
        self._num_chars -= _turn_chars(self._turns.pop(number))
        self._other_branches = {name: end for name, end in self._other_branches.items() if end != number}


def _turn_chars(turn: Turn) -> int:
    return len(turn.line) + len(turn.prefix) + len(turn.reply)
