"""A model of any cell is trained, resumed, sampled from and talked with."""

from pathlib import Path

import pytest

import grucli
from grucli.model.cells import CELLS
from tests.training.small_runs import run_to_finish, small_options, write_small_corpus


@pytest.mark.parametrize("cell", CELLS)
def test_the_whole_job_works_with(cell: str, home: Path, tmp_path: Path) -> None:
    corpus = write_small_corpus(tmp_path / "corpus.csv")
    straight = run_to_finish(small_options(corpus, name="straight", cell=cell, eval_every=5, steps=15))
    run_to_finish(small_options(corpus, name="halved", cell=cell, eval_every=5, steps=15), 7)
    resumed = run_to_finish(small_options(corpus, name="halved", cell=cell, eval_every=5, steps=15, resume=True))
    assert resumed.summary.parameters_sha256 == straight.summary.parameters_sha256
    assert straight.summary.cell == cell

    model = grucli.load("straight")
    config = grucli.GenerationConfig(max_chars=20, seed=3)
    samples = list(model.generate(prompt="the ", n=3, config=config))
    assert [sample.text for sample in samples] == [
        sample.text for sample in grucli.load("halved").generate(prompt="the ", n=3, config=config)
    ]
    assert "".join(chunk.text for chunk in model.stream(prompt="the ", config=config)) == samples[0].text
    assert sum(score.bits for score in model.score("the cat")) > 0
    assert all(gates.means.keys() == CELLS[cell].gate_labels.keys() for gates in model.gates("the cat"))
    with grucli.chat("straight", config=config) as session:
        assert session.reply("the cat")
