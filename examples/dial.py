"""What a dial does: the share of capital letters in samples with a unit held, and without.

gru train tinyshakespeare.txt --from nothing --hidden 32 --lr 0.01 --steps 4000 --name tiny
gru inspect tiny tinyshakespeare.txt      # names the units; here 1:17 is high at capital letters
python examples/dial.py tiny 1:17=1
"""

import statistics
import sys

import grucli

SAMPLES, LENGTH = 200, 80


def capital_shares(model: grucli.Model, dials: tuple[str, ...]) -> list[float]:
    """Return the percentage of capital letters in each of SAMPLES samples."""
    config = grucli.GenerationConfig(seed=1, min_chars=LENGTH, max_chars=LENGTH, dial=dials)
    texts = [sample.text for sample in model.generate("", n=SAMPLES, config=config)]
    print(f"\n{' '.join(dials) or 'no dial'}: {texts[0]!r}")
    return [100 * sum(map(str.isupper, text)) / len(text) for text in texts]


def main(name: str, *dials: str) -> None:
    """Print both shares, and the difference with its 95 % interval."""
    model = grucli.load(name)
    free, held = capital_shares(model, ()), capital_shares(model, dials)
    error = (statistics.variance(free) / SAMPLES + statistics.variance(held) / SAMPLES) ** 0.5
    means = statistics.fmean(free), statistics.fmean(held)
    print(
        f"\ncapital letters: {means[0]:.1f} % without, {means[1]:.1f} % with {', '.join(dials)}: "
        f"{means[1] - means[0]:+.1f} ± {1.96 * error:.1f} points"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
