"""What commands are answered with: trees of any shape, candidates, tokens, lines to copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from grucli.chat.events import Candidates, Listing, Message, NextTokens, SampleCommand, TreeRow, TurnTreeView
from tests.ui.snapshot_cases import ChatHarness, make_candidate, make_tree_row


def make_branch(number: int, parent: int, line: str = "hi", reply: str = "ho", is_head: bool = False) -> TreeRow:
    return make_tree_row(number, parent, line, reply, (), is_head=is_head, on_path=True)


def render_branches(*branches: TreeRow, width: int = 80) -> list[str]:
    return ChatHarness(width).render_events([TurnTreeView(branches)])


def test_a_dialogue_that_never_forked_has_no_guides() -> None:
    assert render_branches(make_branch(1, 0), make_branch(2, 1), make_branch(3, 2, is_head=True)) == [
        "1 hi → ho",
        "2 hi → ho",
        "3 ● hi → ho",
    ]


def test_branches_from_the_beginning_and_deeper() -> None:
    rows = render_branches(
        make_branch(1, 0), make_branch(2, 1), make_branch(4, 1), make_branch(3, 0), make_branch(5, 3)
    )
    assert rows == ["├─ 1 hi → ho", "│  ├─ 2 hi → ho", "│  └─ 4 hi → ho", "└─ 3 hi → ho", "   5 hi → ho"]


def test_what_was_forgotten_is_no_parent() -> None:
    assert render_branches(make_branch(11, 3), make_branch(12, 11)) == ["11 hi → ho", "12 hi → ho"]


def test_the_beginning_has_a_row_where_a_branch_ends_there() -> None:
    rows = ChatHarness(80).render_events([TurnTreeView((make_branch(1, 0),), ("main",))])
    assert rows == ["0 ● the beginning [main]", "1 hi → ho"]
    rows = ChatHarness(80).render_events(
        [TurnTreeView((make_branch(1, 0), make_branch(12, 0, is_head=True)), ("other", "third"))]
    )
    assert rows[0] == " 0 the beginning [other] [third]"
    assert ChatHarness(80).render_events([TurnTreeView((), ("main", "a"))]) == ["0 ● the beginning [main] [a]"]


def test_a_line_that_was_empty_leaves_its_reply() -> None:
    assert render_branches(make_branch(1, 0, line="")) == ["1 → ho"]


@pytest.mark.parametrize("width", [20, 24, 30, 40])
def test_a_branch_keeps_its_name_where_there_is_hardly_room(width: int) -> None:
    said = "what do you think of that", "I would rather not say."
    named = make_tree_row(3, 2, *said, ("main",), is_head=True, on_path=True)
    rows = render_branches(make_branch(1, 0), make_branch(2, 1), named, make_branch(4, 1), width=width)
    assert rows[2].startswith("│  3 ● ")
    assert rows[2].endswith(" [main]")


# The emulated terminal has other widths of some emoji, and of what its version of Unicode does not know.
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cn", "Cs", "So", "Sk"]), max_size=80)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.integers(20, 90), PLAIN_TEXT)
def test_every_turn_has_a_row_that_fits(choices: list[int], width: int, said: str) -> None:
    parents = [choice % (number + 1) for number, choice in enumerate(choices)]
    children: dict[int, list[int]] = {}
    for number, parent in enumerate(parents, 1):
        children.setdefault(parent, []).append(number)
    order: list[int] = []
    waiting = children.get(0, [])[::-1]
    while waiting:
        order.append(waiting.pop())
        waiting += children.get(order[-1], [])[::-1]
    rows = render_branches(*(make_branch(number, parents[number - 1], said, said) for number in order), width=width)
    assert len(rows) == len(parents)
    assert all(cell_len(row) <= width for row in rows)


@pytest.mark.parametrize("width", [20, 60])
def test_a_line_to_copy_is_not_broken_by_us(width: int) -> None:
    harness = ChatHarness(width)
    harness.render_events([SampleCommand("gru sample emo --reply-to 'a long line\x1b[2J' --seed 7")])
    assert "gru sample emo --reply-to 'a long line[2J' --seed 7\n" in harness.emulator.written


def test_candidates_have_their_numbers_and_hang() -> None:
    rows = ChatHarness(30).render_events(
        [Candidates((make_candidate("words " * 8, 1.5, 0.25, 3), make_candidate("", None, None, 4)))]
    )
    assert rows[0].startswith("1  words")
    assert rows[1].startswith("   words")
    assert rows[-2:] == ["2  (nothing)", "   seed 4"]


@pytest.mark.parametrize(
    ("width", "figures"),
    [
        (80, "seed 4321 · 1.50 bits/char · score -0.97"),
        (40, "seed 4321 · 1.50 bits · score -0.97"),
        (30, "seed 4321 · score -0.97"),
        (20, "seed 4321"),
    ],
)
def test_the_figures_of_a_candidate_are_whole(width: int, figures: str) -> None:
    assert ChatHarness(width).render_events([Candidates((make_candidate("word", 1.5, -0.97, 4321),))]) == [
        "1  word",
        f"   {figures}",
    ]


def test_of_many_candidates_the_best_are_whole_and_the_others_cut_to_a_line() -> None:
    long = "so it goes\nand on " * 20
    candidates = [
        make_candidate(long if seed % 2 else "", 1.0, -seed / 10 if seed % 2 else None, seed) for seed in range(20)
    ]
    rows = ChatHarness(60).render_events([Candidates(tuple(candidates))])
    assert [row[:4] for row in rows if row[0] != " "] == [f"{number:<4}" for number in range(1, 21)]
    assert rows[-28:-26] == ["7   (nothing)", "    seed 6 · 1.00 bits/char"]
    for text, figures in (rows[-30:-28], rows[-26:-24]):
        assert text[4:].startswith("so it goes / and on so it goes / ")
        assert text.endswith("…")
        assert "bits/char · score -0." in figures
    assert all(cell_len(row) < 60 for row in rows)
    assert [int(row.split()[1]) for row in rows if row.startswith("    seed ")] == list(range(20))


def test_tokens_that_nobody_would_see_are_shown() -> None:
    rows = ChatHarness(60).render_events([NextTokens("", ((" ", 0.5), ("\n", 0.25), ("", 0.1), ("\x00", 0.0)))])
    assert [row.split()[1] for row in rows] == ["␣", "↵", "(the", "·"]
    assert rows[0].count("━") == 2 * rows[1].count("━") > 0
    assert "<0.1%" in rows[3]


def test_nothing_likely_is_no_mistake() -> None:
    assert ChatHarness(60).render_events([NextTokens("a lead", ()), Message("so")]) == ["a lead", "", "so"]


def test_a_list_without_values_has_no_column_for_them() -> None:
    assert ChatHarness(80).render_events([Listing((("/undo [N]", "", "take it back"),))]) == ["/undo [N]  take it back"]
