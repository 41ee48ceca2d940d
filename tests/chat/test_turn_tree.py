import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from grucli.chat import turn_tree as trees
from grucli.chat.session import Session
from grucli.chat.turn_tree import MAIN, Tree
from grucli.chat.turns import BEGINNING, Place, Turn
from grucli.errors import UsageError
from grucli.generation.sampler import Draw
from tests.chat.fakes import in_mind_now, talker

BRANCHES = ("a", "b", "c")


def turn(parent: int, line: str = "hi", reply: str = "ho") -> Turn:
    return Turn(Place(parent, line, ""), reply, Draw(), "turn", 1.0)


def grown(tree: Tree, *parents: int) -> list[int]:
    return [tree.add(turn(parent)).number for parent in parents]


class Dialogue(RuleBasedStateMachine):
    """A session against what it should be: paths of texts, in plain lists, and branches as copies of paths."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session = talker(seed=0)
        self.seed = 0
        self.path: list[tuple[int, str, str]] = []
        self.all: dict[int, list[tuple[int, str, str]]] = {0: []}
        self.branch = MAIN
        self.branches: dict[str, list[tuple[int, str, str]]] = {}

    def said(self, before: list[tuple[int, str, str]], line: str) -> None:
        self.path = [*before, (len(self.all), line, f"<{self.seed}>")]
        self.all[len(self.all)] = self.path
        self.seed += 1

    @rule(line=st.sampled_from(["x", "yy", "", "z z"]))
    def say(self, line: str) -> None:
        list(self.session.say(line))
        self.said(self.path, line)

    @precondition(lambda self: self.path)
    @rule()
    def again(self) -> None:
        list(self.session.again())
        self.said(self.path[:-1], self.path[-1][1])

    @rule(turns=st.integers(1, 4))
    def undo(self, turns: int) -> None:
        if turns > len(self.path):
            with pytest.raises(UsageError, match="undo"):
                self.session.undo(turns)
        else:
            self.session.undo(turns)
            self.path = self.path[:-turns]

    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.all)))
        if number in self.all:
            self.session.rewind(str(number))
            self.path = self.all[number]
        else:
            with pytest.raises(UsageError, match="no turn"):
                self.session.rewind(str(number))

    @rule(name=st.sampled_from(BRANCHES))
    def fork(self, name: str) -> None:
        if name in self.branches or name == self.branch:
            with pytest.raises(UsageError, match="already"):
                self.session.fork(name)
        else:
            self.session.fork(name)
            self.branches[self.branch] = self.path
            self.branch = name

    @rule(name=st.sampled_from((MAIN, *BRANCHES)))
    def take(self, name: str) -> None:
        if name in self.branches:
            self.session.rewind(name)
            self.branches[self.branch] = self.path
            self.path = self.branches.pop(name)
            self.branch = name

    @rule()
    def reset(self) -> None:
        self.session.reset()
        self.path = []

    @invariant()
    def the_path_is_the_same(self) -> None:
        assert [(t.number, t.line, t.reply) for t in self.session.turns] == self.path

    @invariant()
    def the_model_has_the_path_in_mind(self) -> None:
        assert in_mind_now(self.session) == "".join(f"{line}|{reply}|" for _, line, reply in self.path)

    @invariant()
    def branches_end_where_they_were_left(self) -> None:
        ends = {name: (path[-1][0] if path else BEGINNING) for name, path in self.branches.items()}
        assert self.session.tree.branches == {**ends, self.branch: self.path[-1][0] if self.path else BEGINNING}

    @invariant()
    def nothing_is_lost(self) -> None:
        tree = self.session.tree
        assert sorted(turn.number for turn, _ in tree.rows()) == sorted(self.all.keys() - {0})
        for number, path in self.all.items():
            assert [t.number for t in tree.way(number)][::-1] == [step[0] for step in path]


Dialogue.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestDialogue = Dialogue.TestCase


def test_depth_counts_forks_not_turns() -> None:
    tree = Tree()
    grown(tree, 0, 1, 2, 2, 4)
    assert [(turn.number, depth) for turn, depth in tree.rows()] == [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1)]


def test_two_beginnings_are_a_fork() -> None:
    tree = Tree()
    grown(tree, 0, 0)
    assert [(turn.number, depth) for turn, depth in tree.rows()] == [(1, 1), (2, 1)]


def test_the_rows_of_a_long_dialogue_need_no_deep_stack() -> None:
    tree = Tree()
    grown(tree, *range(900))
    assert len(list(tree.rows())) == 900


def test_what_leads_here_is_forgotten_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TURNS_KEPT", 4)
    tree = Tree()
    grown(tree, 0, 0, 2)
    tree.fork("kept")
    tree.go(2)
    tree.fork("here")
    grown(tree, 2, 4, 5)  # 1 goes first, then 3, and with it the name of the branch that ended there
    assert list(tree.turns) == [2, 4, 5, 6]
    assert tree.branches == {"kept": 2, "here": 6}
    grown(tree, 6)
    assert [turn.number for turn in tree.path] == [4, 5, 6, 7]
    assert tree.newest == 7


def test_few_long_turns_are_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "CHARACTERS_KEPT", 100)
    tree = Tree()
    for parent in range(3):
        tree.add(turn(parent, line="x" * 60))
    assert list(tree.turns) == [3]


@pytest.mark.parametrize("number", [1, -1, 10**30])
def test_there_is_no_going_where_nothing_is(number: int) -> None:
    tree = Tree()
    with pytest.raises(KeyError):
        tree.go(number)
    with pytest.raises(KeyError):
        tree.take("nowhere")
    assert tree.now == BEGINNING


def test_a_fresh_name_is_one() -> None:
    tree = Tree()
    for _ in range(3):
        name = tree.fresh_name()
        assert name not in tree.branches
        tree.fork(name)
