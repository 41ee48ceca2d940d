"""The register tile: the one place that knows about vectors, and the inner loop of every recurrent product.

A processor multiplies fastest when the numbers it adds to never leave its registers. So C = A B is cut into tiles of
`ROWS` rows by `WIDTH` columns, `WIDTH` being two vectors: the tile's sums stay in registers while k walks down A and
B, and each step loads two vectors of B and one number a row of A for 2 · ROWS multiply-adds. That many independent
sums also hide the latency of a multiply-add (four cycles, two of them started in each, ask for at least eight).

For the two loads to be neighbours, B is *packed* once: into panels of `WIDTH` columns, [P, K, WIDTH], the last filled
up with zeros. A panel is read from front to back by every tile of rows, and lies in the second-level cache meanwhile.
C has the panels' whole width, so no store needs a mask; rows left over go through a tile of one row. Every element is
the same chain of multiply-adds over k whatever tile it falls in: a row's result does not depend on the rows beside it.

Numba's own vectoriser does not keep such a tile in registers, so it is written as LLVM IR; LLVM picks the instructions
of the host.
"""

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import exactly, intrinsic, kernel

_FEATURES = llvm.get_host_cpu_features()
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
VECTORS = 2
ROWS = 8 if LANES != 8 else 6  # AVX2 has 16 registers, the others 32
WIDTH = VECTORS * LANES

_POINTER: Any = types.CPointer(types.float32)  # type: ignore[no-untyped-call]
_INT = types.intp


@intrinsic
def address(typing_context: Any, array: Any, offset: Any) -> Any:
    """Pointer to the element `offset` of a C-contiguous float32 array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    return _POINTER(array, _INT), generate


def _make_move(count: int) -> Any:
    """to[:count] = source[:count], as one piece."""

    @intrinsic
    def move(typing_context: Any, to: Any, source: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            piece = ir.VectorType(ir.FloatType(), count).as_pointer()
            to, source = (builder.bitcast(argument, piece) for argument in arguments)
            builder.store(builder.load(source, align=4), to, align=4)
            return context.get_dummy_value()

        return types.void(_POINTER, _POINTER), generate

    return move


def _make_tile(rows: int) -> Any:
    """c[rows, WIDTH] = a[rows, K] @ b[K, WIDTH], or += where `more` is not 0; K ≥ 1.

    Element (i, k) of a stands at a[i · a_row + k · a_column], row i of c at c[i · c_row]; b is packed.
    """

    @intrinsic
    def tile(
        typing_context: Any, a: Any, a_row: Any, a_column: Any, b: Any, c: Any, c_row: Any, K: Any, more: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _walk_down_k(builder, rows, *arguments)
            return context.get_dummy_value()

        return types.void(_POINTER, _INT, _INT, _POINTER, _POINTER, _INT, _INT, _INT), generate

    return tile


def _walk_down_k(
    builder: Any, rows: int, a: Any, a_row: Any, a_column: Any, b: Any, c: Any, c_row: Any, K: Any, more: Any
) -> None:
    vector = ir.VectorType(ir.FloatType(), LANES)
    int64 = ir.IntType(64)
    function: Any = cgutils.get_or_insert_function
    multiply_add = function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32")

    def at(pointer: Any, *terms: Any) -> Any:
        for term in terms:
            pointer = builder.gep(pointer, [term])
        return pointer

    def row_of(stride: Any, i: int) -> Any:
        return builder.mul(stride, ir.Constant(int64, i))

    def lanes(pointer: Any, j: int) -> Any:
        return builder.bitcast(at(pointer, ir.Constant(int64, j * LANES)), vector.as_pointer())

    cells = [[lanes(at(c, row_of(c_row, i)), j) for j in range(VECTORS)] for i in range(rows)]
    before = builder.block
    resume, body, done = (builder.append_basic_block(name) for name in ("resume", "k", "done"))
    builder.cbranch(builder.icmp_signed("==", more, ir.Constant(int64, 0)), body, resume)
    builder.position_at_end(resume)
    loaded = [[builder.load(cell, align=4) for cell in row] for row in cells]
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(int64)
    k.add_incoming(ir.Constant(int64, 0), before)
    k.add_incoming(ir.Constant(int64, 0), resume)
    sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(rows)]
    b_row = at(b, builder.mul(k, ir.Constant(int64, WIDTH)))
    b_vectors = [builder.load(lanes(b_row, j), align=4) for j in range(VECTORS)]
    new_sums = []
    for i in range(rows):
        number = builder.load(at(a, row_of(a_row, i), builder.mul(k, a_column)), align=4)
        spread = _broadcast(builder, number, vector)
        new_sums.append([builder.call(multiply_add, [spread, b_vectors[j], sums[i][j]]) for j in range(VECTORS)])
    for i in range(rows):
        for j in range(VECTORS):
            sums[i][j].add_incoming(ir.Constant(vector, [0.0] * LANES), before)
            sums[i][j].add_incoming(loaded[i][j], resume)
            sums[i][j].add_incoming(new_sums[i][j], body)
    following = builder.add(k, ir.Constant(int64, 1))
    k.add_incoming(following, body)
    builder.cbranch(builder.icmp_signed("<", following, K), body, done)
    builder.position_at_end(done)
    for i in range(rows):
        for j in range(VECTORS):
            builder.store(new_sums[i][j], cells[i][j], align=4)


def _broadcast(builder: Any, number: Any, vector: Any) -> Any:
    int32 = ir.IntType(32)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(int32, 0))
    mask = ir.Constant(ir.VectorType(int32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


tile = _make_tile(ROWS)
_tile_of_one = _make_tile(1)
move_row = _make_move(WIDTH)
move_column = _make_move(ROWS)


def panels_for(columns: int) -> int:
    """How many panels hold a matrix of so many columns."""
    return -(-columns // WIDTH)


@kernel
def pack(matrix: Float32, start: int, columns: int, panels: Float32) -> None:
    """Pack matrix[:, start : start + columns] ([K, ≥ start + columns]) into panels [P, K, WIDTH]."""
    P, K, _ = panels.shape
    stride = matrix.shape[1]
    for p in range(P):
        left = p * WIDTH
        for k in range(K):
            if left + WIDTH <= columns:
                move_row(address(panels, (p * K + k) * WIDTH), address(matrix, k * stride + start + left))
                continue
            for j in range(WIDTH):
                panels[p, k, j] = matrix[k, start + left + j] if left + j < columns else np.float32(0)


@kernel
def pack_transposed(matrix: Float32, start: int, columns: int, panels: Float32) -> None:
    """Pack the transpose of matrix[:, start : start + columns] ([N, ...]) into panels [P, columns, WIDTH]."""
    P = panels.shape[0]
    N = matrix.shape[0]
    for p in range(P):
        for j in range(WIDTH):
            n = p * WIDTH + j
            for k in range(columns):
                panels[p, k, j] = matrix[n, start + k] if n < N else np.float32(0)


@exactly
def product(a: Float32, start: int, stride: int, rows: int, panels: Float32, c: Float32, column: int) -> None:
    """c[:rows, column : column + P·WIDTH] = A @ B, for use inside other kernels.

    A [rows, K] begins at element `start` of `a`, its rows `stride` elements apart; B is packed in panels [P, K, WIDTH];
    c is [≥ rows, ≥ column + P·WIDTH].
    """
    P, K, _ = panels.shape
    c_stride = c.shape[1]
    for p in range(P):
        b = address(panels, p * K * WIDTH)
        left = column + p * WIDTH
        i = 0
        while i + ROWS <= rows:
            tile(address(a, start + i * stride), stride, 1, b, address(c, i * c_stride + left), c_stride, K, 0)
            i += ROWS
        while i < rows:
            _tile_of_one(address(a, start + i * stride), stride, 1, b, address(c, i * c_stride + left), c_stride, K, 0)
            i += 1
