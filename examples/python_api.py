"""The Python API, step by step. Editors such as VS Code, Spyder and PyCharm run each `# %%` as a notebook cell.

    python examples/python_api.py

It uses a few sentences in a temporary directory, takes some seconds, and removes its model "tiny" at the end.
"""

# %% A corpus: one comment per row
import tempfile
from pathlib import Path

import grucli
from grucli.api.store import remove_model
from grucli.training.events import Evaluated, TrainEvent

directory = Path(tempfile.mkdtemp())
raw = directory / "raw.csv"
sentences = ["The cat sat on the mat.", "A dog ran after the cat!", "Who let the dogs out?", "It rains **again**."]
rows = [f'c{n},user{n % 7},"{sentences[n % 4]} ({n * n % 37})"' for n in range(400)]
raw.write_text("\n".join(["id,author,body", *rows]) + "\n")

# %% Cleaning returns a report
rules = grucli.RuleConfig(min_chars=5, skip_rules=frozenset({"duplicate"}))
report = grucli.clean(raw, directory / "corpus.csv", rules=rules)
print(f"kept {report.kept} of {report.read} comments")
print(report.to_json())

# %% One comment, rule by rule
for step in grucli.explain("c3", raw).steps:
    if step.before != step.after:
        print(f"{step.rule}: {step.before!r} -> {step.after!r}")

# %% Training reports events to a callback; Ctrl-C (or interrupting the notebook's kernel) saves the model
options = grucli.TrainOptions(
    sources=[str(directory / "corpus.csv")], name="tiny", hidden=32, embed=16, batch=8, seq=32, lr=0.01, steps=150
)


def report_progress(event: TrainEvent) -> None:
    """Print each evaluation that is the best so far, with the sample that belongs to it."""
    if isinstance(event, Evaluated) and event.is_best:
        print(f"step {event.step}: {event.val_bits_per_char:.2f} bits per character, {event.sample!r}")


finished = grucli.train(options, on_event=report_progress)
print(f"{finished.reason}: {finished.summary.val_bits_per_char:.2f} bits per character")

# %% A model in memory
model = grucli.load("tiny")
print(model, model.card.steps)

# %% Samples come as a batch, and the same seeds give the same texts
config = grucli.GenerationConfig(temp=0.5, max_chars=60, seed=7)
for sample in model.generate("The ", n=3, config=config):
    print(f"{sample.seed}: The {sample.text!r} ({sample.bits_per_char:.2f} bits per character, {sample.stopped})")

# %% Or piece by piece
for chunk in model.stream("A dog", config):
    print(chunk.text, end="", flush=True)
print()

# %% How surprising is a text, and what do the gates do while it is read?
for token, gates in zip(model.score("The cat!"), model.gates("The cat!"), strict=True):
    print(f"{token.text!r:>5} {token.bits:6.2f} bits   update gate {gates.means['update'][0]:.2f}")

# %% The held-out part of the corpus
result = model.evaluate(directory / "corpus.csv", split="val")
print(f"{result.bits_per_char:.3f} bits per character over {result.characters:,} characters")

# %% Remove a user's comments: the models trained on them are named
summary = grucli.purge(directory / "corpus.csv", authors=["user3"])
print(f"removed {summary.result.removed} comments; train again: {', '.join(summary.models)}")

# %% Remove the model
remove_model("tiny")
