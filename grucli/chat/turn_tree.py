"""The turns of a session as a tree: nothing that was said is lost by going back and saying something else.

Every turn has one before it, or stands at the beginning. The session stands at one of them, `now`; what is said next
comes after that one. A branch is a name for the turn where it ends, and the current branch ends where the session
stands, so it grows with what is said and goes back with the user.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from grucli.chat.turns import BEGINNING, Turn

MAIN = "main"
TURNS_KEPT = 1000
CHARACTERS_KEPT = 10_000_000


class Tree:
    """See the module. Only so many turns, of so many characters, are kept: the oldest go, last those leading here."""

    def __init__(self) -> None:
        self.now = BEGINNING
        self.branch = MAIN
        self._turns: dict[int, Turn] = {}
        self._others: dict[str, int] = {}
        self._last = BEGINNING
        self._characters = 0

    @property
    def turns(self) -> Mapping[int, Turn]:
        """Every turn that is kept, by its number, the oldest first."""
        return MappingProxyType(self._turns)

    @property
    def newest(self) -> int:
        """The number of the turn that was said last, kept or forgotten."""
        return self._last

    @property
    def branches(self) -> dict[str, int]:
        """Where each branch ends: the number of its last turn, BEGINNING where it has none."""
        return {**self._others, self.branch: self.now}

    @property
    def last(self) -> Turn | None:
        """The turn where the session stands; None at the beginning."""
        return self._turns.get(self.now)

    @property
    def path(self) -> list[Turn]:
        """The turns on the way from the beginning, or from the oldest one that is kept, to `now`."""
        return list(self.way(self.now))[::-1]

    def way(self, number: int) -> Iterator[Turn]:
        """The turns from `number` back towards the beginning."""
        while (turn := self._turns.get(number)) is not None:
            yield turn
            number = turn.parent

    def add(self, turn: Turn) -> Turn:
        """Keep `turn`, go there, and give it with its number: its own where that is a new one, else the next."""
        number = turn.number if turn.number > self._last else self._last + 1
        turn = dataclasses.replace(turn, number=number)
        self._turns[number] = turn
        self._last = self.now = number
        self._characters += _characters(turn)
        while len(self._turns) > 1 and (len(self._turns) > TURNS_KEPT or self._characters > CHARACTERS_KEPT):
            self._forget()
        return turn

    def go(self, number: int) -> None:
        """Stand at the turn `number`, or at the BEGINNING; the current branch ends there then.

        Raises:
            KeyError: there is no such turn.
        """
        if number != BEGINNING and number not in self._turns:
            raise KeyError(number)
        self.now = number

    def fork(self, branch: str) -> None:
        """Begin a branch here, or move the one of this name here; the one before ends here."""
        self._others[self.branch] = self.now
        self._others.pop(branch, None)
        self.branch = branch

    def take(self, branch: str) -> None:
        """Stand where a branch ends, and on it.

        Raises:
            KeyError: there is no such branch.
        """
        end = self.branches[branch]
        self.fork(branch)
        self.now = end

    def fresh_name(self) -> str:
        """A name that no branch has."""
        number = len(self._others) + 2
        while f"branch-{number}" in self.branches:
            number += 1
        return f"branch-{number}"

    def rows(self) -> Iterator[tuple[Turn, int]]:
        """Every turn with the number of forks above it, a branch after the other, each from the top down."""
        after: dict[int, list[Turn]] = defaultdict(list)
        for turn in self._turns.values():
            after[turn.parent if turn.parent in self._turns else BEGINNING].append(turn)
        waiting = [(turn, int(len(after[BEGINNING]) > 1)) for turn in reversed(after[BEGINNING])]
        while waiting:
            turn, depth = waiting.pop()
            yield turn, depth
            next_ones = after[turn.number]
            waiting.extend((child, depth + (len(next_ones) > 1)) for child in reversed(next_ones))

    def _forget(self) -> None:
        """Let the oldest turn go after which nothing was said; none on the way here while there are others."""
        children = Counter(turn.parent for turn in self._turns.values())
        here = {turn.number for turn in self.way(self.now)}
        named = set(self._others.values())
        leaves = [number for number in self._turns if not children[number] and number not in here]
        unnamed = (number for number in leaves if number not in named)
        number = next(unnamed, leaves[0] if leaves else min(here))
        self._characters -= _characters(self._turns.pop(number))
        self._others = {name: end for name, end in self._others.items() if end != number}


def _characters(turn: Turn) -> int:
    return len(turn.line) + len(turn.lead) + len(turn.reply)
