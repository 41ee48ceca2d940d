"""The peer: a recurrent language model in plain PyTorch, as its users train one.

`nn.GRU` or `nn.LSTM` between an embedding and a linear layer; state carried between windows, dropout after each layer,
AdamW with warm-up and cosine decay, gradients clipped to norm 1: the recipe of char-rnn (Karpathy 2015) with the
optimizer of nanoGPT (Karpathy 2022), orthogonal recurrent weights (Saxe et al. 2014, arXiv:1312.6120), and for subwords
tied embeddings (Press and Wolf 2017, arXiv:1608.05859) and dropout of the embedding (Merity et al. 2018, AWD-LSTM,
arXiv:1708.02182). It reads the token files of `gru train`, so text, split and tokenizer are the same, and its loss is
measured as `gru eval` does.
"""

import importlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.recipes.results import RunFigures
from grucli.errors import DivergedError, EmptyInputError
from grucli.generation.evaluation import evaluate_tokens
from grucli.kernels.arrays import Float32
from grucli.limits import physical_cores
from grucli.paths import cache_dir
from grucli.read.schema import ReadOptions
from grucli.text.dataset import Dataset, prepare_dataset
from grucli.text.loader import BatchLoader, EvalBatch
from grucli.text.token_file import TokenFile
from grucli.training.options import DEFAULT_NUM_EVALS, Hyperparameters
from grucli.training.schedule import StepTimer, learning_rate_at

_MAX_NORM = 1.0
_BETAS = (0.9, 0.99)


@dataclass(frozen=True, kw_only=True)
class PeerOptions:
    """The options of the peer, named as those of `gru train`.

    tied: the logits' weights are those of the embedding, after a projection to its size. dropout: after each layer.
    embed_dropout: after the embedding.
    """

    cell: Literal["gru", "lstm"] = "gru"
    hidden: int = 256
    layers: int = 1
    embed: int = 64
    tokenizer: str = "char"
    vocab: int | None = None
    tied: bool = False
    batch: int = 64
    seq: int = 64
    lr: float = 6e-3
    dropout: float = 0.2
    embed_dropout: float = 0.0
    weight_decay: float = 0.01


class Peer:
    """A model, its optimizer and its data, at some step."""

    def __init__(
        self, text: dict[str, Any], options: PeerOptions, seed: int, threads: int | None, device: str = "cpu"
    ) -> None:
        """Prepare the text and initialize the model; device: one of PyTorch's.

        Raises:
            GruError: as `prepare_dataset`.
        """
        self.torch: Any = importlib.import_module("torch")  # mypy need not have it installed
        self.torch.set_num_threads(threads or physical_cores())
        self.torch.manual_seed(seed)
        self.options, self.dataset = options, _prepare(text, options)
        self._loader = BatchLoader(self.dataset.train, options.batch, options.seq, seed)
        self._device = device
        self.model = _make_model(self.torch, options, self.dataset.tokenizer.vocab_size).to(device)
        self._optimizer = self.torch.optim.AdamW(
            self.model.parameters(), betas=_BETAS, weight_decay=options.weight_decay
        )
        self._state: Any = None
        self._score_state: Any = None

    def train_step(self, step: int, total_steps: int | None) -> None:
        """Train on the window of a step, counted from 0.

        Raises:
            DivergedError: the loss is not finite.
        """
        batch = self._loader.get_batch(step)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate_at(step, total_steps, self.options.lr)
        state = None if batch.is_epoch_start else self._state
        logits, self._state = self.model(self._to_device(batch.inputs), state)
        loss = self.torch.nn.functional.cross_entropy(logits.flatten(0, 1), self._to_device(batch.targets).flatten())
        if not math.isfinite(loss.item()):
            raise DivergedError(f"training diverged at step {step + 1:,}: loss {loss.item():g}", "use a smaller rate")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_NORM)
        self._optimizer.step()

    def evaluate(self, tokens: TokenFile) -> float:
        """Return the loss on `tokens` in nats per character, end tokens included, as `gru eval`."""
        self.model.eval()
        with self.torch.inference_mode():
            result = evaluate_tokens(self, tokens)
        self.model.train()
        return result.nats_per_char

    def score(self, batch: EvalBatch) -> Float32:
        """Implement `Scorer.score`."""
        state = None if batch.is_epoch_start else self._score_state
        logits, self._score_state = self.model(self._to_device(batch.inputs), state)
        targets = self._to_device(batch.targets).flatten()
        losses = self.torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
        nats: Float32 = batch.loss_mask * losses.cpu().numpy().reshape(batch.targets.shape)
        return nats

    def _to_device(self, ids: Any) -> Any:
        return self.torch.from_numpy(ids).long().to(self._device)


def train(
    text: dict[str, Any],
    options: dict[str, Any],
    *,
    seed: int,
    threads: int | None,
    steps: int | None = None,
    minutes: float | None = None,
) -> RunFigures:
    """Train the peer for a number of steps, on a GPU if there is one, or without a number for some minutes on the CPU.

    Raises:
        DivergedError: the loss is not finite.
        GruError: as `prepare_dataset`.
    """
    has_gpu = importlib.import_module("torch").cuda.is_available()
    peer = Peer(text, PeerOptions(**options), seed, threads, "cuda" if has_gpu and steps is not None else "cpu")
    val = peer.dataset.val
    if val is None:
        raise EmptyInputError("the text has no validation part", "use more text")
    timer, seconds, done, losses = StepTimer(60 * (minutes or 0.0)), 0.0, 0, list[float]()
    while steps is None or done < steps:
        started_at = time.perf_counter()
        peer.train_step(done, steps)
        step_seconds = time.perf_counter() - started_at
        seconds, done = seconds + step_seconds, done + 1
        if steps is None and (remaining := timer.remaining_steps(step_seconds)) is not None:
            steps = done + remaining
        if steps is not None and (done == steps or done % -(-steps // DEFAULT_NUM_EVALS) == 0):
            losses.append(peer.evaluate(val))
    return RunFigures(
        steps=done,
        tokens=done * peer.options.batch * peer.options.seq,
        parameters=sum(parameter.numel() for parameter in peer.model.parameters()),
        seconds=seconds,
        nats_per_char=losses[-1],
        best_nats_per_char=min(losses),
    )


def resolve(options: dict[str, Any]) -> dict[str, Any]:
    """Return all options of the peer that are set."""
    return {name: value for name, value in asdict(PeerOptions(**options)).items() if value is not None}


def make_workload(text: dict[str, Any], options: dict[str, Any]) -> Callable[[], int]:
    """Return a function that trains for a step and returns 1, for measurements with all cores."""
    peer, step = Peer(text, PeerOptions(**options), seed=0, threads=None), 0

    def run_step() -> int:
        nonlocal step
        peer.train_step(step, None)
        step += 1
        return 1

    return run_step


def _prepare(text: dict[str, Any], options: PeerOptions) -> Dataset:
    val_file = text.get("val_file")
    return prepare_dataset(
        text["sources"],
        read=ReadOptions(),
        tokenizer=options.tokenizer,
        vocab=options.vocab,
        val_fraction=0.0 if val_file is not None else text.get("val", Hyperparameters.val),
        val_file=val_file,
        cache_dir=cache_dir(),
        on_progress=lambda *_: None,
    )


def _make_model(torch: Any, options: PeerOptions, vocab_size: int) -> Any:
    nn = torch.nn

    class Model(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            layer = nn.LSTM if options.cell == "lstm" else nn.GRU
            between = options.dropout if options.layers > 1 else 0.0
            self.embedding = nn.Embedding(vocab_size, options.embed)
            self.layers = layer(options.embed, options.hidden, options.layers, dropout=between)
            self.embed_dropout, self.dropout = nn.Dropout(options.embed_dropout), nn.Dropout(options.dropout)
            self.projection = nn.Linear(options.hidden, options.embed) if options.tied else nn.Identity()
            self.out = nn.Linear(options.embed if options.tied else options.hidden, vocab_size)
            if options.tied:
                nn.init.normal_(self.embedding.weight, std=0.1)
                self.out.weight = self.embedding.weight
            for name, parameter in self.layers.named_parameters():
                if name.startswith("weight_hh"):
                    for gate in parameter.data.split(options.hidden):
                        nn.init.orthogonal_(gate)

        def forward(self, ids: Any, state: Any) -> Any:
            if state is not None:
                state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
            s, state = self.layers(self.embed_dropout(self.embedding(ids)), state)
            return self.out(self.projection(self.dropout(s))), state

    return Model()
