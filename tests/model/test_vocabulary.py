"""A network is extended by tokens: what it was stays a part of it, and new tokens begin with what they were before."""

from dataclasses import replace

import numpy as np
import pytest

from grucli.model.config import parameter_shapes
from grucli.model.vocabulary import extend_vocabulary
from grucli.model.weights import SavedModel
from grucli.text.tokenizers import KINDS, UNK, train
from tests.model.factories import make_weights

TEXT, NEW_TEXT = "hello there, " * 9, "кот, " * 9


def make_base(kind: str) -> SavedModel:
    tokenizer, rng = train(kind, [TEXT]), np.random.default_rng(0)
    sizes = replace(make_weights().sizes, V=tokenizer.vocab_size, tied=kind != "char")
    shapes = parameter_shapes(sizes)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return SavedModel(sizes, tokenizer, arrays, make_weights().card)


@pytest.mark.parametrize("kind", KINDS)
def test_new_tokens_follow_the_old_ones(kind: str) -> None:
    base = make_base(kind)
    tokenizer, size = base.tokenizer.extend([NEW_TEXT]), base.sizes.V
    counts = np.bincount(tokenizer.encode(TEXT + NEW_TEXT), minlength=tokenizer.vocab_size)
    model = extend_vocabulary(base, tokenizer, counts)

    assert {name: array.shape for name, array in model.arrays.items()} == parameter_shapes(model.sizes)
    assert all(array.dtype == np.float32 for array in model.arrays.values())
    for name, array in base.arrays.items():
        np.testing.assert_array_equal(model.arrays[name][tuple(map(slice, array.shape))], array)
    spelling = base.tokenizer.encode(tokenizer.pieces[size].decode())
    assert (spelling == UNK).all() == (kind != "subword")
    expected = base.arrays["embedding"][spelling].mean(0)
    np.testing.assert_allclose(model.arrays["embedding"][size], expected, atol=0.5)


@pytest.mark.parametrize("kind", ["char", "word"])
def test_no_two_new_tokens_are_the_same(kind: str) -> None:
    base = make_base(kind)
    tokenizer = base.tokenizer.extend([NEW_TEXT, "пёс"])
    arrays = extend_vocabulary(base, tokenizer, np.ones(tokenizer.vocab_size, np.int64)).arrays
    rows = arrays["embedding"][base.sizes.V :]
    assert len(np.unique(rows, axis=0)) == len(rows) > 1
    if kind == "char":
        columns = arrays["out.W"][:, base.sizes.V :]
        assert len(np.unique(columns, axis=1).T) == len(rows)


def test_a_frequent_token_has_a_greater_bias() -> None:
    base = make_base("char")
    tokenizer = base.tokenizer.extend(["к" * 50 + "о" * 5])
    counts = np.bincount(tokenizer.encode(TEXT + "к" * 50 + "о" * 5), minlength=tokenizer.vocab_size)
    frequent, rare = extend_vocabulary(base, tokenizer, counts).arrays["out.b"][-2:]
    assert frequent - rare == pytest.approx(np.log(51 / 6), rel=1e-5)
    nothing_known = extend_vocabulary(base, tokenizer, np.zeros_like(counts)).arrays["out.b"]
    assert np.isfinite(nothing_known).all()


def test_without_new_tokens_the_model_is_the_same() -> None:
    base = make_base("char")
    assert extend_vocabulary(base, base.tokenizer, np.ones(base.sizes.V, np.int64)) is base
