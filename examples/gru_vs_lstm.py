"""GRU against LSTM: compare cells of equal size on a text, as `gru compare` does.

python examples/gru_vs_lstm.py comments.csv
"""

import sys

import grucli


def main(arguments: list[str]) -> None:
    """Train both cells with three seeds, a minute each, and print what the difference is worth."""
    options = grucli.CompareOptions(sources=arguments, name="example", cells=["gru", "lstm"], minutes=1, force=True)
    result = grucli.compare(options).comparison
    for cell in result.cells:
        print(f"{cell.cell}: {cell.hidden} units, {cell.val_bits_per_char} bits per character")
    print(result.verdict)


if __name__ == "__main__":
    main(sys.argv[1:])
