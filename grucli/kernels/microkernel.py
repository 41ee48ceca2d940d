"""The register tile: the one place that knows about vectors, and the inner loop of every recurrent product.

A processor multiplies fastest when the numbers it adds to never leave its registers. So C = A B is cut into tiles of
`ROWS` rows by `WIDTH` columns, `WIDTH` being two vectors: the tile's sums stay in registers while k walks down A and
B, and each step loads two vectors of B and one number a row of A for 2 · ROWS multiply-adds. That many independent
sums also hide the latency of a multiply-add (four cycles, two of them started in each, ask for at least eight).

For the two loads to be neighbours, B is *packed* once: into panels of `WIDTH` columns, [P, K, WIDTH], the last filled
up with zeros. A panel is read from front to back by every tile of rows, and lies in the second-level cache meanwhile.
C has the panels' whole width, so no store needs a mask; rows left over go one by one. Every element is
the same chain of multiply-adds over k whatever tile it falls in: a row's result does not depend on the rows beside it.

Numba's own vectoriser does not keep such a tile in registers, so it is written as LLVM IR; LLVM picks the instructions
of the host.
"""

from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import exactly, intrinsic, kernel


def _features() -> dict[str, bool]:
    """What the processor has, or what Numba was told to make do with: NUMBA_CPU_FEATURES="+avx2,-avx512f"."""
    told: str | None = numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    if told is None:
        return dict(llvm.get_host_cpu_features())
    return {name[1:]: name.startswith("+") for name in told.split(",")}


_FEATURES = _features()
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
VECTORS = 2
ROWS = 8 if LANES != 8 else 6  # AVX2 has 16 registers, the others 32
WIDTH = VECTORS * LANES

_POINTER: Any = types.CPointer(types.float32)  # type: ignore[no-untyped-call]
_BYTE_POINTER: Any = types.CPointer(types.int8)  # type: ignore[no-untyped-call]
_DIGIT_POINTER: Any = types.CPointer(types.uint8)  # type: ignore[no-untyped-call]
_SUM_POINTER: Any = types.CPointer(types.int32)  # type: ignore[no-untyped-call]
_INT = types.intp

Pointer = Any
"""To an element of an array, inside kernels; it can be read like an array."""


@intrinsic
def address(typing_context: Any, array: Any, offset: Any) -> Any:
    """Pointer to the element `offset` of a C-contiguous array of float32, or of whole numbers of 8 or 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    pointer: Any = types.CPointer
    return pointer(array.dtype)(array, _INT), generate


@intrinsic
def shifted(typing_context: Any, pointer: Any, offset: Any) -> Any:
    """The pointer `offset` elements further on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, _INT), generate


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


_INT8, _INT32, _INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _at(builder: Any, pointer: Any, *offsets: Any) -> Any:
    for offset in offsets:
        pointer = builder.gep(pointer, [ir.Constant(_INT64, offset) if isinstance(offset, int) else offset])
    return pointer


def _vector_at(builder: Any, pointer: Any, *offsets: Any) -> Any:
    return builder.bitcast(_at(builder, pointer, *offsets), _VECTOR.as_pointer())


def _times(builder: Any, value: Any, factor: int) -> Any:
    return builder.mul(value, ir.Constant(_INT64, factor))


def _multiply_add(builder: Any) -> Any:
    function: Any = cgutils.get_or_insert_function
    return function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32")


def _walk_down_k(
    builder: Any, rows: int, a: Any, a_row: Any, a_column: Any, b: Any, c: Any, c_row: Any, K: Any, more: Any
) -> None:
    """The loop of a tile of `rows` rows and one panel."""
    multiply_add, places = _multiply_add(builder), [(i, j) for i in range(rows) for j in range(VECTORS)]
    cells = {(i, j): _vector_at(builder, c, _times(builder, c_row, i), j * LANES) for i, j in places}
    before = builder.block
    resume, body, done = (builder.append_basic_block(name) for name in ("resume", "k", "done"))
    builder.cbranch(builder.icmp_signed("==", more, ir.Constant(_INT64, 0)), body, resume)
    builder.position_at_end(resume)
    loaded = {place: builder.load(cells[place], align=4) for place in places}
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(_INT64)
    sums = {place: builder.phi(_VECTOR) for place in places}
    b_row = _at(builder, b, _times(builder, k, WIDTH))
    columns = [builder.load(_vector_at(builder, b_row, j * LANES), align=4) for j in range(VECTORS)]
    new = {}
    for i in range(rows):
        number = builder.load(_at(builder, a, _times(builder, a_row, i), builder.mul(k, a_column)), align=4)
        spread = _broadcast(builder, number)
        for j in range(VECTORS):
            new[i, j] = builder.call(multiply_add, [spread, columns[j], sums[i, j]])
    for place in places:
        sums[place].add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), before)
        sums[place].add_incoming(loaded[place], resume)
        sums[place].add_incoming(new[place], body)
    _next_k(builder, k, K, (before, resume), body, done)
    for place in places:
        builder.store(new[place], cells[place], align=4)


def _next_k(builder: Any, k: Any, K: Any, entries: tuple[Any, ...], body: Any, done: Any) -> None:
    """End the loop's body: k goes from 0 up to K."""
    for entry in entries:
        k.add_incoming(ir.Constant(_INT64, 0), entry)
    following = builder.add(k, ir.Constant(_INT64, 1))
    k.add_incoming(following, body)
    builder.cbranch(builder.icmp_signed("<", following, K), body, done)
    builder.position_at_end(done)


def _make_stripe(panels: int, numbers: Any) -> Any:
    """c[panels · WIDTH] = a[K] @ b, for one row and several panels side by side, K ≥ 1.

    b holds float32, or whole numbers in int8: then the sums are those of the numbers. One row makes two sums a panel,
    too few to hide the latency of a multiply-add; four panels make eight, and share each number of a.
    """

    @intrinsic
    def stripe(typing_context: Any, a: Any, b: Any, panel: Any, c: Any, K: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _walk_stripe(builder, panels, *arguments)
            return context.get_dummy_value()

        return types.void(_POINTER, numbers, _INT, _POINTER, _INT), generate

    return stripe


def _walk_stripe(builder: Any, panels: int, a: Any, b: Any, panel: Any, c: Any, K: Any) -> None:
    """The loop of a stripe; `panel` is the distance from one panel to the next."""
    multiply_add, places = _multiply_add(builder), [(p, j) for p in range(panels) for j in range(VECTORS)]
    before, body, done = builder.block, builder.append_basic_block("k"), builder.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(_INT64)
    sums = {place: builder.phi(_VECTOR) for place in places}
    spread = _broadcast(builder, builder.load(_at(builder, a, k), align=4))
    row = _at(builder, b, _times(builder, k, WIDTH))
    new = {}
    for p, j in places:
        numbers = _load_numbers(builder, _at(builder, row, _times(builder, panel, p), j * LANES))
        new[p, j] = builder.call(multiply_add, [spread, numbers, sums[p, j]])
    for place in places:
        sums[place].add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), before)
        sums[place].add_incoming(new[place], body)
    _next_k(builder, k, K, (before,), body, done)
    for p, j in places:
        builder.store(new[p, j], _vector_at(builder, c, p * WIDTH + j * LANES), align=4)


def _load_numbers(builder: Any, pointer: Any) -> Any:
    """A vector of float32, from float32 or from int8."""
    if pointer.type.pointee == ir.FloatType():
        return builder.load(_vector_at(builder, pointer), align=4)
    bytes_ = builder.load(builder.bitcast(pointer, ir.VectorType(_INT8, LANES).as_pointer()), align=1)
    return builder.sitofp(builder.sext(bytes_, ir.VectorType(_INT32, LANES)), _VECTOR)


def _make_dot(rows: int, panels: int) -> Any:
    """c[rows, panels · WIDTH] = digits[rows, K] @ b for whole numbers of one byte, digits unsigned and b signed.

    Four neighbouring k lie in one lane: digits[row] is [quads · 4], a panel of b [quads, WIDTH, 4], c int32. One
    instruction of AVX-512 VNNI multiplies and adds 64 such bytes, where converted floats take three for 16. It is
    written as assembly, since LLVM's own name for it takes other types in each version.
    """

    @intrinsic
    def dot(typing_context: Any, digits: Any, row: Any, b: Any, panel: Any, c: Any, c_row: Any, quads: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _walk_quads(builder, rows, panels, *arguments)
            return context.get_dummy_value()

        return types.void(_DIGIT_POINTER, _INT, _BYTE_POINTER, _INT, _SUM_POINTER, _INT, _INT), generate

    return dot


def _walk_quads(
    builder: Any, rows: int, panels: int, digits: Any, row: Any, b: Any, panel: Any, c: Any, c_row: Any, quads: Any
) -> None:
    """The loop of a dot; `row`, `panel` and `c_row` are the distances from one to the next."""
    sums_type = ir.VectorType(_INT32, LANES)
    places = [(i, p, j) for i in range(rows) for p in range(panels) for j in range(VECTORS)]
    before, body, done = builder.block, builder.append_basic_block("quad"), builder.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(_INT64)
    sums = {place: builder.phi(sums_type) for place in places}
    four = _times(builder, k, 4)
    spread = []
    for i in range(rows):
        quad = builder.bitcast(_at(builder, digits, _times(builder, row, i), four), _INT32.as_pointer())
        spread.append(_broadcast(builder, builder.load(quad, align=1)))
    step, new = ir.FunctionType(sums_type, [sums_type] * 3), {}
    for p in range(panels):
        for j in range(VECTORS):
            source = _at(builder, b, _times(builder, panel, p), _times(builder, k, 4 * WIDTH), 4 * j * LANES)
            numbers = builder.load(builder.bitcast(source, sums_type.as_pointer()), align=1)
            for i in range(rows):
                arguments = [spread[i], numbers, sums[i, p, j]]
                new[i, p, j] = builder.asm(step, "vpdpbusd $2, $1, $0", "=v,v,v,0", arguments, side_effect=False)
    for place in places:
        sums[place].add_incoming(ir.Constant(sums_type, [0] * LANES), before)
        sums[place].add_incoming(new[place], body)
    _next_k(builder, k, quads, (before,), body, done)
    for i, p, j in places:
        target = _at(builder, c, _times(builder, c_row, i), p * WIDTH + j * LANES)
        builder.store(new[i, p, j], builder.bitcast(target, sums_type.as_pointer()), align=4)


def _broadcast(builder: Any, number: Any) -> Any:
    """A vector whose every lane is `number`, of 32 bits."""
    vector = ir.VectorType(number.type, LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, mask)


STRIPE, DOT_ROWS = 4, 8
HAS_DOT = LANES == 16 and bool(_FEATURES.get("avx512vnni"))
if HAS_DOT:
    llvm.initialize_native_asmparser()  # LLVM reads assembly only when asked to
tile = _make_tile(ROWS)
stripe, stripe_of_one = _make_stripe(STRIPE, _POINTER), _make_stripe(1, _POINTER)
dot, dot_stripe, dot_of_one = _make_dot(DOT_ROWS, 1), _make_dot(2, STRIPE), _make_dot(2, 1)
byte_stripe, byte_stripe_of_one = _make_stripe(STRIPE, _BYTE_POINTER), _make_stripe(1, _BYTE_POINTER)
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
            stripe_of_one(address(a, start + i * stride), b, 0, address(c, i * c_stride + left), K)
            i += 1
