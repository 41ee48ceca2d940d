"""Make the model that comes with gru: train it on the conversations of chitchat-dataset, and store it as int8.

    python examples/make_packaged_model.py                     some hours; run it again to go on after a stop
    python examples/make_packaged_model.py --steps 500 -o quick.safetensors
    python examples/make_packaged_model.py --model chitchat-7  of a model that has been trained with other options

It needs the package chitchat-dataset (MIT). The card of the model says what it was made of and what it does badly.
"""

import argparse
import dataclasses
import sys
from importlib.metadata import version
from pathlib import Path

import grucli
from grucli.__main__ import main as run_gru
from grucli.api.demo import demo_corpus
from grucli.model import packaged
from grucli.model.figures import ContextGain
from grucli.model.store import BEST, NOTHING, OPTIMIZER, model_dir
from grucli.model.weights import ModelCard, load_weights, save_weights
from grucli.training.checkpoint import load_checkpoint
from grucli.training.options import Hyperparameters, as_typed
from grucli.training.staging import has_model

NAME = "packaged"
RECIPE = {
    "tokenizer": "subword",
    "vocab": 4096,
    "hidden": 1024,
    "embed": 256,
    "batch": 24,
    "seq": 96,
    "dropout": 0.5,
    "embed_dropout": 0.1,
    "lr": 0.003,
    "weight_decay": 0.1,
}
STEPS = 13_000
MAX_BYTES = 6_000_000
MAX_LOSS_BITS = 0.005
"""Bits per character that int8 may cost on the conversations held out."""

LIMITS = (
    "English small talk only. It knows nothing about the world, remembers a few turns at most, repeats itself and "
    "contradicts itself. What it says about itself is made up of what people said, and it may be rude, as people were."
)


def recipe_of(hparams: Hyperparameters) -> str:
    """Return the options of `gru train` that give these hyperparameters, where they differ from fixed defaults."""
    default = {each.name: each.default for each in dataclasses.fields(Hyperparameters)}
    given = {name: value for name, value in dataclasses.asdict(hparams).items() if value != default[name]}
    return " ".join(
        [f"gru train chitchat.csv --name {NAME}", *(as_typed(name, value) for name, value in given.items())]
    )


def package(model: str, corpus: str, output: Path) -> ModelCard:
    """Write the best weights of a model as int8, with the figures that they have then, and return their card.

    Raises:
        SystemExit: the file is too large for the package, or int8 costs too much.
    """
    source = model_dir(model) / BEST
    state, weights = load_checkpoint(model_dir(model) / OPTIMIZER).train_state, load_weights(source)
    staged = output.with_name(f"{output.stem}-unchecked{output.suffix}")
    save_weights(staged, weights, quantized=True)
    try:
        before = grucli.evaluate(source, corpus, split="val", val=state.hparams.val)
        after = grucli.evaluate(staged, corpus, split="val", val=state.hparams.val, context=True)
        size = staged.stat().st_size
    finally:
        staged.unlink()
    loss = after.bits_per_char - before.bits_per_char
    print(f"{size:,} bytes, {after.bits_per_char:.4f} bits per character, {loss:+.5f} by int8")
    if size > MAX_BYTES or loss > MAX_LOSS_BITS:
        sys.exit(f"at most {MAX_BYTES:,} bytes and {MAX_LOSS_BITS} bits more are allowed: nothing was written")
    card = dataclasses.replace(
        weights.card,
        val_nats=after.nats_per_token,
        val_nats_per_char=after.nats_per_char,
        val_bits_per_char=after.bits_per_char,
        **(after.context or ContextGain()).gain_figures(),
        description={
            "data": f"chitchat-dataset {version('chitchat-dataset')}, conversations of volunteers about anything, "
            "collected by the Perception, Control and Cognition lab of Brigham Young University",
            "license": "MIT, as its data",
            "recipe": f"examples/{Path(__file__).name} writes chitchat.csv and runs: "
            f"{recipe_of(state.hparams)} --steps {state.total_steps}",
            "figures": f"{after.bits_per_char:.3f} bits per character on {state.hparams.val:.0%} of the conversations, "
            f"held out; int8 changes it by {loss:+.5f}",
            "limits": LIMITS,
        },
    )
    save_weights(output, dataclasses.replace(weights, card=card), quantized=True)
    return card


def main(arguments: list[str] | None = None) -> None:
    """Train, or go on, and then package the model."""
    parser = argparse.ArgumentParser(description="Make the model that comes with gru.")
    parser.add_argument("--model", help="package this trained model instead of training one")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of training [default: {STEPS}]")
    parser.add_argument("--threads", help="number of threads [default: all cores]")
    parser.add_argument("-o", "--output", type=Path, default=packaged.FILE, help="file to write [default: in gru]")
    options = parser.parse_args(arguments)
    corpus = demo_corpus()
    if options.model is None:
        threads = ["--threads", options.threads] if options.threads else []
        recipe = [word for name, value in RECIPE.items() for word in as_typed(name, value).split()]
        words = ["train", corpus, "--name", NAME, *recipe, "--steps", str(options.steps), *threads]
        words += ["--resume"] if has_model(model_dir(NAME)) else ["--from", NOTHING]
        if status := run_gru(words):
            sys.exit(status)
    for subject, text in package(options.model or NAME, corpus, options.output).description.items():
        print(f"{subject:<9}{text}")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
