import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from grucli.chat import turn_tree as trees
from grucli.chat.session import Session
from grucli.chat.turn_tree import DEFAULT_BRANCH, TurnTree
from grucli.chat.turns import ROOT, ReplyContext, Turn
from grucli.errors import UsageError
from grucli.generation.options import GenerationConfig
from tests.chat.fakes import conversation_session, current_context

BRANCH_NAMES = ("a", "b", "c")


def make_turn(parent: int, line: str = "hi", reply: str = "ho") -> Turn:
    return Turn(ReplyContext(parent, line, ""), reply, GenerationConfig(), "turn", 1.0)


def add_turns(tree: TurnTree, *parents: int) -> list[int]:
    return [tree.add(make_turn(parent)).number for parent in parents]


class DialogueMachine(RuleBasedStateMachine):
    """A session against what it should be: paths of texts, in plain lists, and branches as copies of paths."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session = conversation_session(seed=0)
        self.seed = 0
        self.path: list[tuple[int, str, str]] = []
        self.paths: dict[int, list[tuple[int, str, str]]] = {0: []}
        self.branch = DEFAULT_BRANCH
        self.branches: dict[str, list[tuple[int, str, str]]] = {}

    def record_turn(self, context: list[tuple[int, str, str]], line: str) -> None:
        self.path = [*context, (len(self.paths), line, f"<{self.seed}>")]
        self.paths[len(self.paths)] = self.path
        self.seed += 1

    @rule(line=st.sampled_from(["x", "yy", "", "z z"]))
    def send(self, line: str) -> None:
        list(self.session.send(line))
        self.record_turn(self.path, line)

    @precondition(lambda self: self.path)
    @rule()
    def regenerate(self) -> None:
        list(self.session.regenerate())
        self.record_turn(self.path[:-1], self.path[-1][1])

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
        number = data.draw(st.integers(0, len(self.paths)))
        if number in self.paths:
            self.session.rewind(str(number))
            self.path = self.paths[number]
        else:
            with pytest.raises(UsageError, match="no turn"):
                self.session.rewind(str(number))

    @rule(name=st.sampled_from(BRANCH_NAMES))
    def fork(self, name: str) -> None:
        if name in self.branches or name == self.branch:
            with pytest.raises(UsageError, match="already"):
                self.session.fork(name)
        else:
            self.session.fork(name)
            self.branches[self.branch] = self.path
            self.branch = name

    @rule(name=st.sampled_from((DEFAULT_BRANCH, *BRANCH_NAMES)))
    def switch(self, name: str) -> None:
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
    def path_matches(self) -> None:
        assert [(t.number, t.line, t.reply) for t in self.session.turns] == self.path

    @invariant()
    def model_context_matches_path(self) -> None:
        assert current_context(self.session) == "".join(f"{line}|{reply}|" for _, line, reply in self.path)

    @invariant()
    def branches_match(self) -> None:
        ends = {name: (path[-1][0] if path else ROOT) for name, path in self.branches.items()}
        assert self.session.tree.branches == {**ends, self.branch: self.path[-1][0] if self.path else ROOT}

    @invariant()
    def all_turns_are_reachable(self) -> None:
        tree = self.session.tree
        assert sorted(turn.number for turn, _ in tree.rows()) == sorted(self.paths.keys() - {0})
        for number, path in self.paths.items():
            assert [t.number for t in tree.ancestors(number)][::-1] == [step[0] for step in path]


DialogueMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestDialogue = DialogueMachine.TestCase


def test_depth_counts_forks_not_turns() -> None:
    tree = TurnTree()
    add_turns(tree, 0, 1, 2, 2, 4)
    assert [(turn.number, depth) for turn, depth in tree.rows()] == [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1)]


def test_two_beginnings_are_a_fork() -> None:
    tree = TurnTree()
    add_turns(tree, 0, 0)
    assert [(turn.number, depth) for turn, depth in tree.rows()] == [(1, 1), (2, 1)]


def test_the_rows_of_a_long_dialogue_need_no_deep_stack() -> None:
    tree = TurnTree()
    add_turns(tree, *range(900))
    assert len(list(tree.rows())) == 900


def test_what_leads_here_is_forgotten_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_TURNS", 4)
    tree = TurnTree()
    add_turns(tree, 0, 0, 2)
    tree.fork("kept")
    tree.move_to(2)
    tree.fork("here")
    add_turns(tree, 2, 4, 5)  # 1 goes first, then 3, and with it the name of the branch that ended there
    assert list(tree.turns) == [2, 4, 5, 6]
    assert tree.branches == {"kept": 2, "here": 6}
    add_turns(tree, 6)
    assert [turn.number for turn in tree.path_to_head] == [4, 5, 6, 7]
    assert tree.newest_number == 7


def test_few_long_turns_are_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_CHARS", 100)
    tree = TurnTree()
    for parent in range(3):
        tree.add(make_turn(parent, line="x" * 60))
    assert list(tree.turns) == [3]


@pytest.mark.parametrize("number", [1, -1, 10**30])
def test_there_is_no_going_where_nothing_is(number: int) -> None:
    tree = TurnTree()
    with pytest.raises(KeyError):
        tree.move_to(number)
    with pytest.raises(KeyError):
        tree.switch("nowhere")
    assert tree.head == ROOT


def test_a_fresh_name_is_one() -> None:
    tree = TurnTree()
    for _ in range(3):
        name = tree.unused_branch_name()
        assert name not in tree.branches
        tree.fork(name)
