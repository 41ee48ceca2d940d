"""What a model does while it reads a text, as colors and tables; the page and the picture are files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from grucli.chat.events import GateValues, TextSurprisal
from grucli.errors import list_names, pluralize, quote
from grucli.files import atomic_write
from grucli.ui.chat.heatmap import render_gates, render_influence, render_surprisal
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import repr_token
from grucli.ui.terminal.sanitize import sanitize_line

if TYPE_CHECKING:
    from grucli.api.inspect import InspectResult
    from grucli.inspection.report import Inspection, Why
    from grucli.inspection.units import UnitScore

_REACH_LAGS = (1, 2, 5, 10, 20, 50, 100)
_STRONGEST = 8
_CONTEXT_CHARS = 40

Row = Sequence[str]


class InspectView:
    """Writes the files that were asked for, and prints what was asked for, or a summary if nothing was."""

    def __init__(
        self, terminal: Terminal, *, gate: tuple[int, str] | None, html: Path | None, svg: Path | None, json: bool
    ) -> None:
        """Remember what is wanted; `gate`: the layer and the name of a gate to color the text by."""
        self._terminal, self._gate, self._json = terminal, gate, json
        self._html, self._svg = html, svg
        self._files = [path for path in (html, svg) if path is not None]

    def write(self, result: "InspectResult") -> None:
        """Write the page and the picture.

        Raises:
            UsageError: there is no such gate, or a path is a directory.
            OSError: a file cannot be written.
        """
        if self._gate is not None:
            result.inspection.gate_values(*self._gate)
        from grucli.inspection.page import render_page
        from grucli.inspection.picture import render_picture

        for path, render in ((self._html, render_page), (self._svg, render_picture)):
            if path is not None:
                atomic_write(path, render(result.inspection, result.text.source, result.reach).encode())

    def show(self, result: "InspectResult") -> None:
        """Print the result."""
        for path in self._files:
            self._terminal.info(f"Written: {path}")
        if self._json:
            self._terminal.print_json(result)
            return
        for number, section in enumerate(self._sections(result)):
            if number:
                self._terminal.print_line("")
            for line in section:
                self._terminal.print_line(line)
        if result.inspection.units and not self._files:
            best = result.inspection.units[0]
            self._terminal.info(f"next: --unit {best.layer}:{best.unit} colors the text, --html page.html shows it all")

    def _sections(self, result: "InspectResult") -> Iterator[Iterator[Text]]:
        """Yield what was asked for, or else a summary, unless there is a file."""
        sections = list(self._requested(result))
        yield from sections or (() if self._files else self._summary(result))

    def _requested(self, result: "InspectResult") -> Iterator[Iterator[Text]]:
        inspection = result.inspection
        if self._gate is not None:
            yield self._gate_text(inspection, *self._gate)
        if inspection.unit is not None:
            yield self._unit(inspection)
        if inspection.found is not None:
            yield self._units(
                inspection.found,
                "no unit: the pattern matches too rarely, or nearly everywhere; read more with --chars",
            )
        if inspection.why is not None:
            yield self._why(inspection.why)
        if inspection.similar is not None:
            yield self._similar(inspection)
        if result.reach and not self._files:
            yield self._reach(result)

    def _summary(self, result: "InspectResult") -> Iterator[Iterator[Text]]:
        inspection = result.inspection
        layers = pluralize(inspection.layers, "layer")
        read = pluralize(sum(len(token.text) for token in inspection.tokens), "character")
        about = f"{inspection.model}: {inspection.cell}, {layers} of {inspection.hidden:,} units; {read} of "
        yield iter([Text(sanitize_line(f"{about}{result.text.source}"), "bold")])
        for name in list(inspection.gate_labels)[:1]:
            yield self._gate_text(inspection, inspection.layers, name)
        pieces = tuple((token.shown, token.bits) for token in inspection.tokens if token.shown)
        yield render_surprisal(self._terminal.data, TextSurprisal(pieces, inspection.bits_per_char))
        yield self._units(inspection.units, "no unit: the text is too short to compare them")
        if inspection.rare:
            yield iter([Text(f"too rare to measure in this text: {list_names(inspection.rare)}", "dim")])
        if inspection.saturation:
            yield self._saturation(inspection)

    def _gate_text(self, inspection: "Inspection", layer: int, name: str) -> Iterator[Text]:
        label = f"layer {layer}, {inspection.gate_labels[name]}"
        return render_gates(self._terminal.data, GateValues(tuple(inspection.gate_values(layer, name)), label))

    def _unit(self, inspection: "Inspection") -> Iterator[Text]:
        unit = inspection.unit
        assert unit is not None
        texts = (token.shown for token in inspection.tokens)
        pieces = tuple((text, value) for text, value in zip(texts, unit.values, strict=True) if text)
        label = f"unit {unit.layer}:{unit.unit}, from -1 to 1, after each token"
        return render_gates(self._terminal.data, GateValues(pieces, label), lowest=-1)

    def _units(self, scores: "Sequence[UnitScore]", nothing: str) -> Iterator[Text]:
        if not scores:
            yield Text(nothing)
            return
        yield from _table(
            ("LABEL", "UNIT", "AUC", "VALUE THERE"),
            [
                (
                    quote(each.label)[1:-1],
                    f"{each.layer}:{each.unit}",
                    f"{each.auc:.3f}",
                    "high" if each.is_high else "low",
                )
                for each in scores
            ],
        )

    def _saturation(self, inspection: "Inspection") -> Iterator[Text]:
        from grucli.inspection.saturation import CLOSED, OPEN

        yield from _table(
            ("GATE", f"BELOW {CLOSED}", f"ABOVE {OPEN}", "NEITHER"),
            [
                (f"{each.layer}:{each.gate}", *(f"{share:.1%}" for share in (closed, opened, 1 - closed - opened)))
                for each in inspection.saturation
                for closed, opened in [(sum(each.closed) / len(each.closed), sum(each.open) / len(each.open))]
            ],
        )

    def _why(self, why: "Why") -> Iterator[Text]:
        most = max((each.norm for each in why.influences), default=0.0) or 1.0
        ascii_only = self._terminal.data.options.ascii_only
        shown = repr_token(why.text, ascii_only)
        yield Text(f"what the prediction of {shown} at character {why.position:,} depends on")
        if not why.influences:
            yield Text("nothing: it is the first token")
            return
        pieces = [(each.text, each.norm / most) for each in why.influences if each.text]
        yield from render_influence(self._terminal.data, pieces)
        yield Text()
        backward = enumerate(reversed(why.influences), 1)
        strongest = sorted(backward, key=lambda each: -each[1].norm)[:_STRONGEST]
        yield from _table(
            ("TOKEN", "TOKENS BACK", "GRADIENT"),
            [(repr_token(each.text, ascii_only), str(lag), f"{each.norm:.3g}") for lag, each in strongest],
        )

    def _similar(self, inspection: "Inspection") -> Iterator[Text]:
        for place in inspection.similar or ():
            before = sanitize_line(place.before)[-_CONTEXT_CHARS:]
            after = sanitize_line(place.after)[: _CONTEXT_CHARS // 2]
            yield Text.assemble(
                (f"{place.cosine:6.3f}  ", "cyan"), f"{before:>{_CONTEXT_CHARS}}", ("|", "bold"), (after, "dim")
            )

    def _reach(self, result: "InspectResult") -> Iterator[Text]:
        yield Text("how much of a change of the state is left in later states; the median, 1 is all of it")
        longest = max(len(layer.median) for model in result.reach for layer in model.layers)
        lags = [lag for lag in _REACH_LAGS if lag <= longest]
        rows = []
        for model in result.reach:
            for layer in model.layers:
                values = [f"{layer.median[lag - 1]:.2g}" if lag <= len(layer.median) else "-" for lag in lags]
                rows.append((sanitize_line(model.model), model.cell, str(layer.layer), *values))
        yield from _table(("MODEL", "CELL", "LAYER", *(f"{lag} BACK" if lag == 1 else str(lag) for lag in lags)), rows)


def _table(header: Row, rows: Sequence[Row]) -> Iterator[Text]:
    rows = [[sanitize_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield Text("  ".join(cells).rstrip(), "dim" if row is header else "")
