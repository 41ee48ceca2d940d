"""Micro-kernels: register tiles of matrix products (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053).

C = A B is computed in tiles of MR rows by NR columns, NR being two vectors. The sums of a tile stay in registers during
the loop over k; each step loads two vectors of B and one element per row of A for 2 · MR multiply-adds. That many
independent sums also hide the latency of a multiply-add (four cycles, two started per cycle: at least eight).

B is packed into panels of NR columns, [P, K, NR], the last padded with zeros, so that the two loads are adjacent. Every
tile of rows reads a panel from front to back, and the panel stays in the L2 cache. C has the full width of the panels,
so no store needs a mask; the remaining rows are computed one by one. Every element is the same chain of multiply-adds
over k in any tile: the result of a row does not depend on the other rows.

LLVM's vectorizer does not keep such a tile in registers, so it is emitted as LLVM IR for the vectors of the host.
"""

from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from grucli.kernels.arrays import Float32
from grucli.kernels.jit import helper, intrinsic, kernel


def _features() -> dict[str, bool]:
    # NUMBA_CPU_FEATURES="+avx2,-avx512f" overrides the features of the host.
    override: str | None = numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    if override is None:
        return dict(llvm.get_host_cpu_features())
    return {name[1:]: name.startswith("+") for name in override.split(",")}


_FEATURES = _features()
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
VECTORS = 2
MR = 8 if LANES != 8 else 6  # AVX2 has 16 registers, the others 32
NR = VECTORS * LANES

_FLOAT32_POINTER: Any = types.CPointer(types.float32)  # type: ignore[no-untyped-call]
_INT8_POINTER: Any = types.CPointer(types.int8)  # type: ignore[no-untyped-call]
_UINT8_POINTER: Any = types.CPointer(types.uint8)  # type: ignore[no-untyped-call]
_INT32_POINTER: Any = types.CPointer(types.int32)  # type: ignore[no-untyped-call]
_INT = types.intp

Pointer = Any
"""Pointer to an element of an array, inside kernels; it can be indexed like an array."""


@intrinsic
def element_ptr(typing_context: Any, array: Any, offset: Any) -> Any:
    """Pointer to the element `offset` of a C-contiguous array of float32, int8, uint8 or int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    pointer: Any = types.CPointer
    return pointer(array.dtype)(array, _INT), generate


@intrinsic
def offset_ptr(typing_context: Any, pointer: Any, offset: Any) -> Any:
    """The pointer `offset` elements further on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, _INT), generate


@intrinsic
def row(typing_context: Any, arrays: Any, n: Any) -> Any:
    """Pointer to row n of a C-contiguous array [N, M]; of a tuple of such arrays, the pointers to row n of each."""
    single = isinstance(arrays, types.Array)
    array = arrays if single else arrays.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def one(value: Any) -> Any:
            made = context.make_array(array)(context, builder, value)
            return builder.gep(made.data, [builder.mul(arguments[1], builder.extract_value(made.shape, 1))])

        if single:
            return one(arguments[0])
        return context.make_tuple(builder, signature.return_type, [one(v) for v in _items(builder, arguments[0])])

    pointer_type: Any = types.CPointer
    tuple_type: Any = types.UniTuple
    pointer = pointer_type(array.dtype)
    return (pointer if single else tuple_type(pointer, len(arrays)))(arrays, _INT), generate


def _items(builder: Any, value: Any) -> Any:
    unpack: Any = cgutils.unpack_tuple
    return unpack(builder, value)


def _make_copy(count: int) -> Any:
    """Make a function that copies `count` float32: destination[:count] = source[:count]."""

    @intrinsic
    def copy(typing_context: Any, destination: Any, source: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector_ptr = ir.VectorType(ir.FloatType(), count).as_pointer()
            destination, source = (builder.bitcast(argument, vector_ptr) for argument in arguments)
            builder.store(builder.load(source, align=4), destination, align=4)
            return context.get_dummy_value()

        return types.void(_FLOAT32_POINTER, _FLOAT32_POINTER), generate

    return copy


def _make_microkernel(rows: int) -> Any:
    """Make the kernel c[rows, NR] = a[rows, K] @ b[K, NR], or += if `accumulate` is not 0; K ≥ 1.

    Element (i, k) of a is a[i · a_row + k · a_column], row i of c begins at c[i · c_row]; b is packed.
    """

    @intrinsic
    def microkernel(
        typing_context: Any, a: Any, a_row: Any, a_column: Any, b: Any, c: Any, c_row: Any, K: Any, accumulate: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _emit_k_loop(builder, rows, *arguments)
            return context.get_dummy_value()

        return types.void(_FLOAT32_POINTER, _INT, _INT, _FLOAT32_POINTER, _FLOAT32_POINTER, _INT, _INT, _INT), generate

    return microkernel


_INT8, _INT32, _INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _gep(builder: Any, pointer: Any, *offsets: Any) -> Any:
    for offset in offsets:
        pointer = builder.gep(pointer, [ir.Constant(_INT64, offset) if isinstance(offset, int) else offset])
    return pointer


def _vector_at(builder: Any, pointer: Any, *offsets: Any) -> Any:
    return builder.bitcast(_gep(builder, pointer, *offsets), _VECTOR.as_pointer())


def _mul(builder: Any, value: Any, factor: int) -> Any:
    return builder.mul(value, ir.Constant(_INT64, factor))


def _fma(builder: Any) -> Any:
    function: Any = cgutils.get_or_insert_function
    return function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32")


def _emit_k_loop(
    builder: Any, rows: int, a: Any, a_row: Any, a_column: Any, b: Any, c: Any, c_row: Any, K: Any, accumulate: Any
) -> None:
    fma, tile_indices = _fma(builder), [(i, j) for i in range(rows) for j in range(VECTORS)]
    c_ptrs = {(i, j): _vector_at(builder, c, _mul(builder, c_row, i), j * LANES) for i, j in tile_indices}
    entry_block = builder.block
    load_block, body, done = (builder.append_basic_block(name) for name in ("resume", "k", "done"))
    builder.cbranch(builder.icmp_signed("==", accumulate, ir.Constant(_INT64, 0)), body, load_block)
    builder.position_at_end(load_block)
    loaded = {place: builder.load(c_ptrs[place], align=4) for place in tile_indices}
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(_INT64)
    sums = {place: builder.phi(_VECTOR) for place in tile_indices}
    b_row = _gep(builder, b, _mul(builder, k, NR))
    b_vectors = [builder.load(_vector_at(builder, b_row, j * LANES), align=4) for j in range(VECTORS)]
    new = {}
    for i in range(rows):
        value = builder.load(_gep(builder, a, _mul(builder, a_row, i), builder.mul(k, a_column)), align=4)
        broadcast = _broadcast(builder, value)
        for j in range(VECTORS):
            new[i, j] = builder.call(fma, [broadcast, b_vectors[j], sums[i, j]])
    for place in tile_indices:
        sums[place].add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), entry_block)
        sums[place].add_incoming(loaded[place], load_block)
        sums[place].add_incoming(new[place], body)
    _close_k_loop(builder, k, K, (entry_block, load_block), body, done)
    for place in tile_indices:
        builder.store(new[place], c_ptrs[place], align=4)


def _close_k_loop(builder: Any, k: Any, K: Any, entry_blocks: tuple[Any, ...], body: Any, done: Any) -> None:
    for entry in entry_blocks:
        k.add_incoming(ir.Constant(_INT64, 0), entry)
    next_k = builder.add(k, ir.Constant(_INT64, 1))
    k.add_incoming(next_k, body)
    builder.cbranch(builder.icmp_signed("<", next_k, K), body, done)
    builder.position_at_end(done)


def _make_gemv(panels: int, b_type: Any) -> Any:
    """Make the kernel c[panels · NR] = a[K] @ b for one row and several panels, K ≥ 1; b is float32 or int8.

    One row has two sums per panel, too few to hide the latency of a multiply-add; four panels have eight, and share
    each load of a.
    """

    @intrinsic
    def gemv(typing_context: Any, a: Any, b: Any, panel_stride: Any, c: Any, K: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _emit_gemv(builder, panels, *arguments)
            return context.get_dummy_value()

        return types.void(_FLOAT32_POINTER, b_type, _INT, _FLOAT32_POINTER, _INT), generate

    return gemv


def _emit_gemv(builder: Any, panels: int, a: Any, b: Any, panel_stride: Any, c: Any, K: Any) -> None:
    fma, vector_indices = _fma(builder), [(p, j) for p in range(panels) for j in range(VECTORS)]
    entry_block, body, done = builder.block, builder.append_basic_block("k"), builder.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(_INT64)
    sums = {place: builder.phi(_VECTOR) for place in vector_indices}
    broadcast = _broadcast(builder, builder.load(_gep(builder, a, k), align=4))
    b_row = _gep(builder, b, _mul(builder, k, NR))
    new = {}
    for p, j in vector_indices:
        b_vector = _load_vector(builder, _gep(builder, b_row, _mul(builder, panel_stride, p), j * LANES))
        new[p, j] = builder.call(fma, [broadcast, b_vector, sums[p, j]])
    for place in vector_indices:
        sums[place].add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), entry_block)
        sums[place].add_incoming(new[place], body)
    _close_k_loop(builder, k, K, (entry_block,), body, done)
    for p, j in vector_indices:
        builder.store(new[p, j], _vector_at(builder, c, p * NR + j * LANES), align=4)


def _load_vector(builder: Any, pointer: Any) -> Any:
    if pointer.type.pointee == ir.FloatType():
        return builder.load(_vector_at(builder, pointer), align=4)
    bytes_ = builder.load(builder.bitcast(pointer, ir.VectorType(_INT8, LANES).as_pointer()), align=1)
    return builder.sitofp(builder.sext(bytes_, ir.VectorType(_INT32, LANES)), _VECTOR)


def _make_dot(rows: int, panels: int) -> Any:
    """Make the kernel c[rows, panels · NR] = quantized[rows, K] @ b for uint8 and int8; c is int32.

    A lane holds four adjacent k: a row of `quantized` is [4 · quads], a panel of b [quads, NR, 4]. One instruction of
    AVX-512 VNNI multiplies and adds 64 bytes; converted to floats, 16 would take three. It is inline assembly because
    the types of LLVM's intrinsic differ between versions.
    """

    @intrinsic
    def dot_u8s8(
        typing_context: Any, quantized: Any, row_stride: Any, b: Any, panel_stride: Any, c: Any, c_row: Any, quads: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _emit_dot(builder, rows, panels, *arguments)
            return context.get_dummy_value()

        return types.void(_UINT8_POINTER, _INT, _INT8_POINTER, _INT, _INT32_POINTER, _INT, _INT), generate

    return dot_u8s8


def _emit_dot(
    builder: Any,
    rows: int,
    panels: int,
    quantized: Any,
    row_stride: Any,
    b: Any,
    panel_stride: Any,
    c: Any,
    c_row: Any,
    quads: Any,
) -> None:
    sums_type = ir.VectorType(_INT32, LANES)
    vector_indices = [(i, p, j) for i in range(rows) for p in range(panels) for j in range(VECTORS)]
    entry_block, body, done = builder.block, builder.append_basic_block("quad"), builder.append_basic_block("done")
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(_INT64)
    sums = {place: builder.phi(sums_type) for place in vector_indices}
    k_offset = _mul(builder, k, 4)
    broadcasts = []
    for i in range(rows):
        quad = builder.bitcast(_gep(builder, quantized, _mul(builder, row_stride, i), k_offset), _INT32.as_pointer())
        broadcasts.append(_broadcast(builder, builder.load(quad, align=1)))
    dot_type, new = ir.FunctionType(sums_type, [sums_type] * 3), {}
    for p in range(panels):
        for j in range(VECTORS):
            b_ptr = _gep(builder, b, _mul(builder, panel_stride, p), _mul(builder, k, 4 * NR), 4 * j * LANES)
            b_vector = builder.load(builder.bitcast(b_ptr, sums_type.as_pointer()), align=1)
            for i in range(rows):
                arguments = [broadcasts[i], b_vector, sums[i, p, j]]
                new[i, p, j] = builder.asm(dot_type, "vpdpbusd $2, $1, $0", "=v,v,v,0", arguments, side_effect=False)
    for place in vector_indices:
        sums[place].add_incoming(ir.Constant(sums_type, [0] * LANES), entry_block)
        sums[place].add_incoming(new[place], body)
    _close_k_loop(builder, k, quads, (entry_block,), body, done)
    for i, p, j in vector_indices:
        c_ptr = _gep(builder, c, _mul(builder, c_row, i), p * NR + j * LANES)
        builder.store(new[i, p, j], builder.bitcast(c_ptr, sums_type.as_pointer()), align=4)


def _broadcast(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, mask)


GEMV_PANELS, DOT_MR = 4, 8
HAS_VNNI = LANES == 16 and bool(_FEATURES.get("avx512vnni"))
if HAS_VNNI:
    llvm.initialize_native_asmparser()  # LLVM reads assembly only when asked to
microkernel, tile_of_one = _make_microkernel(MR), _make_microkernel(1)
gemv4, gemv1 = _make_gemv(GEMV_PANELS, _FLOAT32_POINTER), _make_gemv(1, _FLOAT32_POINTER)
dot_u8s8, dot_u8s8_2x4, dot_u8s8_2x1 = _make_dot(DOT_MR, 1), _make_dot(2, GEMV_PANELS), _make_dot(2, 1)
gemv4_i8, gemv1_i8 = _make_gemv(GEMV_PANELS, _INT8_POINTER), _make_gemv(1, _INT8_POINTER)
copy_nr = _make_copy(NR)
copy_mr = _make_copy(MR)


def num_panels(columns: int) -> int:
    """Return the number of panels of a matrix with this number of columns."""
    return -(-columns // NR)


@kernel
def pack(matrix: Float32, start: int, columns: int, panels: Float32) -> None:
    """Pack matrix[:, start : start + columns] ([K, ≥ start + columns]) into panels [P, K, NR]."""
    P, K, _ = panels.shape
    stride = matrix.shape[1]
    for p in range(P):
        left = p * NR
        for k in range(K):
            if left + NR <= columns:
                copy_nr(element_ptr(panels, (p * K + k) * NR), element_ptr(matrix, k * stride + start + left))
                continue
            for j in range(NR):
                panels[p, k, j] = matrix[k, start + left + j] if left + j < columns else np.float32(0)


@kernel
def pack_transposed(matrix: Float32, start: int, columns: int, panels: Float32) -> None:
    """Pack the transpose of matrix[:, start : start + columns] ([N, ...]) into panels [P, columns, NR]."""
    P = panels.shape[0]
    N = matrix.shape[0]
    for p in range(P):
        for j in range(NR):
            n = p * NR + j
            for k in range(columns):
                panels[p, k, j] = matrix[n, start + k] if n < N else np.float32(0)


@helper
def gemm_panels(a: Pointer, stride: int, rows: int, panels: Float32, c: Float32, accumulate: int) -> None:
    """c[:rows, : P·NR] = A @ B, or += if `accumulate` is not 0, for use inside other kernels.

    Row i of A [rows, K] begins at a[i · stride]; B is packed in panels [P, K, NR]; c is [≥ rows, ≥ P·NR]. A product
    over K + K' columns has the same bits when it is computed as two.
    """
    P, K, _ = panels.shape
    c_stride = c.shape[1]
    for p in range(P):
        b = element_ptr(panels, p * K * NR)
        left = p * NR
        i = 0
        while i + MR <= rows:
            c_tile = element_ptr(c, i * c_stride + left)
            microkernel(offset_ptr(a, i * stride), stride, 1, b, c_tile, c_stride, K, accumulate)
            i += MR
        while i < rows:
            c_tile = element_ptr(c, i * c_stride + left)
            tile_of_one(offset_ptr(a, i * stride), 0, 1, b, c_tile, 0, K, accumulate)
            i += 1
