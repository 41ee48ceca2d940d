"""No kernel reads or writes outside its arrays: each operand lies against a page that may not be touched.

The register tile works on bare pointers, which no bounds check of Numba sees. So the kernels run in a process of their
own, over ragged shapes, with every array directly before an unreadable page, and then directly behind one: a step too
far ends the process.
"""

import os
import subprocess
import sys

import pytest

PROGRAM = r"""
import ctypes, mmap, sys
import numpy as np

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
kept, BEFORE = [], sys.argv[1] == "before"


def guarded(array):
    array = np.ascontiguousarray(array)
    room = -(-max(array.nbytes, 1) // PAGE) * PAGE
    memory = mmap.mmap(-1, room + PAGE)
    kept.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fence = start if BEFORE else start + room
    assert libc.mprotect(fence, PAGE, 0) == 0
    offset = PAGE if BEFORE else room - array.nbytes
    placed = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    placed[...] = array
    return placed


from grucli.kernels import adamw, arrays, bloom, dropout, loss, quantized
from grucli.kernels.sampling import REPEAT_WINDOW, DecodeState, SamplingParams, TokenAutomaton
from grucli.engine import decoder, matmul, recurrent_layer
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig

for module in (recurrent_layer, decoder, matmul, quantized):
    for name in ("empty", "zeros"):
        if hasattr(module, name):
            plain = getattr(arrays, name)
            setattr(module, name, lambda *shape, plain=plain: guarded(plain(*shape)))
plain_pack_weights = quantized.pack_weights


def pack_weights(*arguments, **options):
    made = plain_pack_weights(*arguments, **options)
    return type(made)(*(guarded(part) if isinstance(part, np.ndarray) else part for part in made))


decoder.pack_weights = pack_weights


def random(*shape):
    return guarded(rng.standard_normal(shape).astype(np.float32))


def ids(high, *shape):
    return guarded(rng.integers(0, high, shape).astype(np.int32))


for seed, (T, B, E, H, V, L) in enumerate(
    [(1, 1, 1, 1, 4, 1), (3, 5, 3, 7, 11, 2), (2, 9, 16, 33, 65, 2), (2, 17, 5, 64, 32, 1), (1, 8, 31, 49, 97, 3)]
):
    rng = np.random.default_rng(seed)
    N = T * B
    x, table, dtable = random(N, E), random(V, E), random(V, E)
    rows, targets = ids(V, N), ids(V, N)
    loss.gather(0, N, rows, table, x)
    loss.scatter_add(0, E, rows, x, dtable)
    loss.column_sums(0, E, x, 0, random(E))
    logits, bias = random(N, V), random(V)
    loss.cross_entropy(logits, bias, targets, random(N))
    loss.cross_entropy_gradient(logits, bias, targets, np.float32(1))
    dropout.apply_dropout(0, N * E, x.reshape(-1), guarded(np.array([seed], np.uint32)), 0.5)
    flat = [random(N * E) for _ in range(4)]
    adamw.adamw(0, N * E, *flat, *(np.float32(0.5) for _ in range(7)))
    adamw.sum_of_squares(0, N * E, flat[0])
    backend = matmul.TileBackend(matmul.ThreadPool(2))
    a, b, c = random(N, H), random(H, V), random(N, V)
    backend.matmul(a, backend.pack(b), random(N, V))
    backend.matmul(c, backend.pack_transposed(b), random(N, H))
    backend.matmul_tn(a, c, random(H, V))
    backend.matmul_tn(a, c, random(H, V), slice(V // 2, V), -(V // 2))
    hash_state = bloom.RollingHash(*(guarded(array) for array in bloom.new_rolling_hash()))
    pieces, starts = guarded(np.frombuffer(b"x" * (V - 3), np.uint8)), guarded(np.arange(-3, V - 2).clip(0))
    bits = guarded(np.zeros(8 * H, np.uint64))
    bloom.bloom_add_tokens(guarded(rng.integers(0, V, 500).astype(np.int32)), pieces, starts, hash_state, bits, 6)
    bloom.bloom_add_tokens(guarded(np.full(99, V - 1, np.int32)), pieces, starts, hash_state, bits, 6)
    assert bloom.longest_match(guarded(np.frombuffer(b"x" * 99, np.uint8)), hash_state, bits, 6) == 99
    bloom.longest_match(guarded(rng.integers(0, 256, 999).astype(np.uint8)), hash_state, bits, 6)
    resets = guarded(rng.random((T, B)) < 0.3)
    for cell in CELLS.values():
        width = cell.width(H)
        layers = [
            {name: random(*shape) for name, shape in cell.shapes(E if layer == 0 else H, H).items()}
            for layer in range(L)
        ]
        layer = recurrent_layer.RecurrentLayer(cell, T, B, H)
        layer.pack(layers[0]["W"])
        layer.pack_transposed(layers[0]["W"])
        layer.gates[...] = 0.1
        state = random(B, width)
        for low, high in ((0, B // 2), (B // 2, B)):
            layer.forward(low, high, layers[0], state, resets)
        for low, high in ((0, B // 2), (B // 2, B)):
            layer.backward(low, high, layers[0], random(T, B, H), resets)
        parameters = {"embedding": table, "out.W": random(H, V), "out.b": random(V)}
        for index, arrays_by_name in enumerate(layers):
            parameters |= {f"layers.{index}.{name}": array for name, array in arrays_by_name.items()}
        config = ModelConfig(cell.name, V, E, H, L)
        for quantized_weights in (False, True):
            model = decoder.CpuDecoder(config, parameters, quantized=quantized_weights)
            model.prefill(ids(V, 5, 1), random(L, 1, width))
            model.prefill(ids(V, 3, B), random(L, B, width), random(3, B, H))
            decode_state = DecodeState(
                guarded(np.arange(B).astype(np.uint64)), ids(V, B), guarded(np.zeros(B, np.int32)),
                guarded(np.zeros(B, np.int64)), guarded(np.zeros(B, np.int64)), guarded(np.zeros(B)),
                guarded(np.full((B, REPEAT_WINDOW), -1, np.int32)), guarded(np.full(B, 3.0)), ids(2, B),
            )
            usual = rng.integers(0, 2, (3, V)).astype(np.int32)
            usual[:2, [V - 1, V - 2]] = [1, -1]
            automaton = TokenAutomaton(
                guarded(usual), guarded(np.array([[0, 0, 0, 1], [1, 1, 1, 2]], np.int32)),
                guarded(np.array([[V - 1, 0], [3, 1]], np.int32)),
            )
            params = SamplingParams(
                0.8, 3, 0.9, 0.01, 1.1, 2.0, 0.3 if B % 2 == 0 else 0.0, 1, 50, guarded(np.ones(V, np.int16)),
                True, automaton,
            )
            model.decode(0, B, params, decode_state, random(L, B, width), guarded(np.zeros((B, 6), np.int32)))
print("inside")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are protected by Linux' mprotect")
@pytest.mark.parametrize("fence", ["before", "behind"])
def test_no_kernel_leaves_its_arrays(fence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, fence], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert (done.returncode, done.stdout) == (0, "inside\n"), done.stderr[-2000:]
