"""GRU against LSTM: train a small model of each cell on the same text, and compare what they learned.

    python examples/gru_vs_lstm.py comments.csv --minutes 2
    python examples/gru_vs_lstm.py book.txt --cells gru lstm gru-after --steps 500

The hidden size of each cell is chosen so that all have about as many parameters as a GRU of --hidden units.
"""

import argparse

import grucli

GATES = {"rnn": 1, "gru": 3, "gru-after": 3, "lstm": 4}
"""Blocks of weights of each cell: its gates, and the candidate state."""


def hidden_size(cell: str, gru_hidden: int, embed: int) -> int:
    """Return the hidden size that gives a layer of `cell` the weights of a GRU layer of `gru_hidden` units.

    A layer of g blocks has g * (embed + hidden + 1) * hidden weights.
    """
    wanted = GATES["gru"] * (embed + gru_hidden + 1) * gru_hidden
    return max(n for n in range(1, 4 * gru_hidden) if GATES[cell] * (embed + n + 1) * n <= wanted)


def main(arguments: list[str] | None = None) -> None:
    """Train each cell and print a table."""
    parser = argparse.ArgumentParser(description="Compare recurrent cells on a text.")
    parser.add_argument("corpus", help="a corpus: .csv, .jsonl or .txt")
    parser.add_argument("--cells", nargs="+", default=["gru", "lstm"], choices=list(GATES), help="cells to compare")
    parser.add_argument("--hidden", type=int, default=256, help="hidden size of the GRU")
    parser.add_argument("--embed", type=int, default=64, help="size of the embedding")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--minutes", type=float, help="minutes of training per cell [default: 1]")
    limit.add_argument("--steps", type=int, help="steps of training per cell")
    options = parser.parse_args(arguments)
    minutes = options.minutes if options.minutes or options.steps else 1.0

    print(f"{'cell':<10} {'hidden':>6} {'parameters':>10} {'steps':>7} {'tokens/s':>9} {'bits/char':>9}  sample")
    for cell in options.cells:
        hidden = hidden_size(cell, options.hidden, options.embed)
        finished = grucli.train(
            grucli.TrainOptions(
                sources=[options.corpus],
                name=f"compare-{cell}",
                cell=cell,
                hidden=hidden,
                embed=options.embed,
                minutes=minutes,
                steps=options.steps,
                force=True,
            )
        )
        if finished.reason in ("interrupted", "terminated"):
            break
        run = finished.summary
        config = grucli.GenerationConfig(temp=0.7, max_chars=40)
        sample = next(grucli.generate(config=config, model=run.model)).text
        bits = f"{run.val_bits_per_char:.3f}" if run.val_bits_per_char is not None else "-"
        row = f"{cell:<10} {hidden:>6} {run.parameters:>10,} {run.steps:>7,} {run.tokens_per_second:>9,.0f} {bits:>9}"
        print(f"{row}  {sample!r}")


if __name__ == "__main__":
    main()
