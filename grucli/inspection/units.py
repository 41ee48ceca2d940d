"""Single units that tell something about the text (Karpathy, Johnson and Fei-Fei 2015, arXiv:1506.02078).

A unit is as telling as its value predicts a label: the area under the ROC curve (AUC), the probability that a random
place with the label has a higher value than one without; Mann and Whitney 1947. A unit that is lower at the label is
counted by 1 - AUC. Of hundreds of units one is always good by chance, so units are chosen on the first half of the text
and measured on the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grucli.inspection.labels import Mask, is_shown
from grucli.inspection.trace import Trace
from grucli.json_record import JsonRecord
from grucli.model.cell import Float64

MIN_PLACES = 10
"""Places with a label, and without it, that each half of a text must have."""


@dataclass(frozen=True, slots=True)
class UnitScore(JsonRecord):
    """A unit and what it tells: layers count from 1, units from 0, as in `--unit L:N`.

    auc: of the second half of the text; about 0.5 if no unit tells the label. is_high: it is higher at the label, not
    lower.
    """

    label: str
    layer: int
    unit: int
    auc: float
    is_high: bool


@dataclass(frozen=True, slots=True)
class UnitRanking:
    """The best units of each label, the best first, and the labels that occur too rarely to be measured."""

    scores: tuple[UnitScore, ...]
    rare: tuple[str, ...]


def rank_units(trace: Trace, labels: Mapping[str, Mask], per_label: int) -> UnitRanking:
    """Return the best `per_label` units of each label."""
    shown = np.flatnonzero(is_shown(trace))
    halves = shown[: len(shown) // 2], shown[len(shown) // 2 :]
    H = trace.weights.sizes.H
    measurable = {name: label for name, label in labels.items() if all(_is_measurable(label[half]) for half in halves)}
    rare = tuple(name for name in labels if name not in measurable)
    if not measurable:
        return UnitRanking((), rare)
    matrix = np.stack(list(measurable.values()), axis=1)
    values = np.concatenate([trace.outputs(layer) for layer in range(trace.weights.sizes.L)], axis=1)
    chosen_on, measured_on = (area_under_curve(values[half], matrix[half]) for half in halves)
    scores = []
    for column, name in enumerate(measurable):
        found = np.abs(chosen_on[column] - 0.5)
        best = np.argsort(-found, kind="stable")[:per_label]
        is_high = chosen_on[column][best] > 0.5
        aucs = np.where(is_high, measured_on[column][best], 1 - measured_on[column][best])
        scores += [
            UnitScore(name, index // H + 1, index % H, auc, high)
            for auc, index, high in sorted(
                zip(aucs.tolist(), best.tolist(), is_high.tolist(), strict=True), reverse=True
            )
        ]
    return UnitRanking(tuple(scores), rare)


def _is_measurable(label: Mask) -> bool:
    count = int(label.sum())
    return min(count, len(label) - count) >= MIN_PLACES


def area_under_curve(values: NDArray[np.floating], labels: Mask) -> Float64:
    """Return the AUC of each column of values [T, n] for each of labels [T, k], [k, n]; equal values count half."""
    ranks = _ranks(np.ascontiguousarray(values.T))
    with_label = labels.sum(axis=0, dtype=np.float64)[:, None]
    without = len(labels) - with_label
    sums = labels.T.astype(np.float64) @ ranks.T
    return np.asarray((sums - with_label * (with_label + 1) / 2) / (with_label * without))


def _ranks(rows: NDArray[np.floating]) -> Float64:
    """Return the rank of each value in its row [n, T], from 1; equal values have their mean rank."""
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    edges = np.pad(ordered[:, 1:] != ordered[:, :-1], ((0, 0), (1, 1)), constant_values=True)
    positions = np.arange(rows.shape[1] + 1)
    first = np.maximum.accumulate(np.where(edges, positions, 0), axis=1)[:, :-1]
    after = np.minimum.accumulate(np.where(edges, positions, positions[-1])[:, ::-1], axis=1)[:, ::-1][:, 1:]
    ranks = np.empty(rows.shape)
    np.put_along_axis(ranks, order, (first + after + 1) / 2, axis=1)
    return ranks
