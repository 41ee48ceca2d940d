"""The page of an inspection: one HTML file that works without a network, with everything in it."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

from grucli.inspection.connectivity import connectivity
from grucli.inspection.reach import ModelReach
from grucli.inspection.report import Inspection
from grucli.inspection.trace import Trace
from grucli.json_record import to_json

MAX_EXPLAINED, MAX_LAGS = 300, 60
"""Tokens whose predictions are explained, and tokens back to which."""

_MAX_EXPLAINING_FLOPS = 5e10  # a few seconds
_MAX_UNIT_VALUES = 1 << 20  # beyond them only the units of the table
_DECIMALS = 3


def render_page(inspection: Inspection, source: str, reach: Sequence[ModelReach]) -> str:
    """Return an HTML document. All text of the user is data, which its script only shows as text."""
    folder = files("grucli.inspection") / "page_files"
    page, style, script = ((folder / f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    policy = f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'"
    # Everything outside ASCII is escaped; without "<" nothing ends the script that holds the data.
    data = json.dumps(_data(inspection, source, reach), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Template(page).substitute(policy=policy, style=style, script=script, data=data)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(inspection: Inspection, source: str, reach: Sequence[ModelReach]) -> object:
    trace, tokens = inspection.trace, inspection.tokens
    return to_json(
        {
            "model": inspection.model,
            "cell": inspection.cell,
            "layers": inspection.layers,
            "hidden": inspection.hidden,
            "source": source,
            "bits_per_char": inspection.bits_per_char,
            "texts": trace.texts,
            "ends": np.flatnonzero(trace.is_end).tolist(),
            "unknown": np.flatnonzero(trace.is_unknown).tolist(),
            "bits": [round(token.bits, _DECIMALS) for token in tokens],
            "likeliest": [
                [[each.text, round(each.probability, _DECIMALS)] for each in token.likeliest] for token in tokens
            ],
            "gates": _gates(inspection),
            **_units(inspection),
            "saturation": [
                {
                    "layer": each.layer,
                    "gate": each.gate,
                    "closed": [round(share, _DECIMALS) for share in each.closed],
                    "open": [round(share, _DECIMALS) for share in each.open],
                }
                for each in inspection.saturation
            ],
            "why": _why(trace),
            "reach": _reach(reach),
        }
    )


def _gates(inspection: Inspection) -> list[dict[str, object]]:
    means = (
        (layer, name, label, [token.gates[name][layer] for token in inspection.tokens])
        for layer in range(inspection.layers)
        for name, label in inspection.gate_labels.items()
    )
    return [
        {"layer": layer + 1, "name": name, "label": label, "values": _base64(np.array(values) * 255, np.uint8)}
        for layer, name, label, values in means
    ]


def _units(inspection: Inspection) -> dict[str, object]:
    """Return the scores of units, and the values of all units [L·H, T], or of the scored ones if those are too many."""
    trace = inspection.trace
    scores = [*(inspection.found or ()), *inspection.units]
    outputs = [trace.outputs(layer) for layer in range(inspection.layers)]
    chosen = [(each.layer, each.unit) for each in scores]
    if inspection.unit is not None:
        chosen.append((inspection.unit.layer, inspection.unit.unit))
    is_small = sum(output.size for output in outputs) <= _MAX_UNIT_VALUES
    values = {} if is_small else {f"{layer}:{unit}": outputs[layer - 1][:, unit] for layer, unit in chosen}
    every = np.concatenate([output.T for output in outputs]) if is_small else None
    return {
        "units": scores,
        "rare": inspection.rare,
        "all_units": None if every is None else _base64(every * 127, np.int8),
        "unit_values": {name: _base64(each * 127, np.int8) for name, each in values.items()},
    }


def _why(trace: Trace) -> dict[str, object]:
    """Return the influences on the last tokens, each row as a share of its largest: as many as take a few seconds."""
    T, lags = len(trace.ids), min(MAX_LAGS, len(trace.ids))
    parameters = [trace.parameters(layer) for layer in range(trace.weights.sizes.L)]
    # Each matrix is in three products, two of them of the backward pass.
    flops = 6 * lags * sum(each[name].size for each in parameters for name in ("U", "W"))
    count = max(min(T, MAX_EXPLAINED, int(_MAX_EXPLAINING_FLOPS / flops)), 1)
    norms = connectivity(trace, np.arange(T - count, T), lags)
    largest = norms.max(axis=1, keepdims=True)
    shares = np.divide(norms, largest, out=np.zeros_like(norms), where=largest > 0)
    return {"first": T - count, "count": count, "lags": lags, "shares": _base64(shares * 255, np.uint8)}


def _reach(reach: Sequence[ModelReach]) -> list[dict[str, object]]:
    return [
        {
            "name": f"{model.model}, {model.cell}, layer {layer.layer}",
            "lower": _significant(layer.lower),
            "median": _significant(layer.median),
            "upper": _significant(layer.upper),
        }
        for model in reach
        for layer in model.layers
    ]


def _significant(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


def _base64(values: NDArray[np.floating], dtype: type[np.uint8] | type[np.int8]) -> str:
    return base64.b64encode(np.ascontiguousarray(np.rint(values)).astype(dtype).tobytes()).decode()
