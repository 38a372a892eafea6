"""The rows of interleaving: functions that write the outputs of phases to their places in a row."""

from __future__ import annotations

from glassconv.codegen.ir import Code, Function, Module, Pointer, Value, function


def emit_store_strided(module: Module) -> Function:
    """Emit the function that stores dst[q · step] = src[q] + bias[0] for each q below `count`."""

    @function(module)
    def store_strided(
        code: Code, dst: Pointer, src: Pointer, bias: Pointer, step: Value, count: Value
    ) -> None:
        added, lanes = bias[0], code.lanes
        with code.if_(step.equals(1)):
            vector_stop = count - count % lanes
            with code.loop(0, vector_stop, lanes) as q:
                dst[q] = src.vector(q) + code.broadcast(added)
            with code.loop(vector_stop, count) as q:
                dst[q] = src[q] + added
        with code.else_(), code.loop(0, count) as q:
            dst[q * step] = src[q] + added

    return store_strided


def emit_join(module: Module) -> Function:
    """Emit the function that stores even[0], odd[0], even[1], odd[1], …, plus bias[0]."""

    @function(module)
    def join(
        code: Code, dst: Pointer, even: Pointer, odd: Pointer, bias: Pointer, count: Value
    ) -> None:
        _store_pairs(code, dst, (even, odd), bias, count)

    return join


def emit_insert_zeros(module: Module) -> Function:
    """Emit the function that stores src[0], 0, src[1], 0, …, plus bias[0]."""

    @function(module)
    def insert_zeros(code: Code, dst: Pointer, src: Pointer, bias: Pointer, count: Value) -> None:
        _store_pairs(code, dst, (src,), bias, count)

    return insert_zeros


def _store_pairs(
    code: Code, dst: Pointer, sources: tuple[Pointer, ...], bias: Pointer, count: Value
) -> None:
    """Store the first element of each source plus bias[0], then the second of each, and so on.

    sources: two, or one with zeros for the other.
    """
    lanes, added = code.lanes, code.broadcast(bias[0])
    vector_stop = count - count % lanes

    def halves(pair: list[Value]) -> list[Value]:
        left, right = (each + added for each in (*pair, code.zeros())[:2])
        orders = [
            [lane + lanes * side for lane in range(start, start + lanes // 2) for side in (0, 1)]
            for start in (0, lanes // 2)
        ]
        return [code.shuffle(left, right, order) for order in orders]

    with code.loop(0, vector_stop, lanes) as q:
        for half, vector in enumerate(halves([each.vector(q) for each in sources])):
            dst[q * 2 + half * lanes] = vector
    rest = count - vector_stop
    with code.if_(rest > 0):
        exist = code.first_lanes(rest)
        found = halves([each.masked(exist, vector_stop) for each in sources])
        for half, vector in enumerate(found):
            stored = code.first_lanes(rest * 2 - half * lanes)
            dst.store_masked(stored, vector, vector_stop * 2 + half * lanes)


def emit_transpose_phases(module: Module) -> Function:
    """Emit the function that stores dst[q · step + lane] = source lane [q] + bias[0].

    `count` is a multiple of the vector length.
    """

    @function(module)
    def transpose_phases(
        code: Code, dst: Pointer, sources: Pointer, bias: Pointer, count: Value, step: Value
    ) -> None:
        added = code.broadcast(bias[0])
        with code.loop(0, count, code.lanes) as q:
            vectors = [sources.load_pointer(lane).vector(q) for lane in range(code.lanes)]
            dst_ptr = dst + q * step
            for vector in code.transpose(vectors):
                dst_ptr[0] = vector + added
                dst_ptr = dst_ptr + step

    return transpose_phases


def emit_transpose_groups(module: Module) -> Function:
    """Emit the function that stores dst[q, phase, group] = src[q, group, phase] + bias[group].

    There are at least as many phases and groups as lanes; the last blocks of them overlap others.
    """

    @function(module)
    def transpose_groups(
        code: Code,
        dst: Pointer,
        src: Pointer,
        bias: Pointer,
        phases: Value,
        groups: Value,
        count: Value,
        dst_stride: Value,
        phase_stride: Value,
        src_stride: Value,
        stride_group: Value,
    ) -> None:
        lanes = code.lanes
        with code.loop(0, count) as q, code.loop(0, groups, lanes) as first_group:
            group = first_group.minimum(groups - lanes)
            block = src + (q * src_stride + group * stride_group)
            with code.loop(0, phases, lanes) as first_phase:
                phase = first_phase.minimum(phases - lanes)
                vectors, src_ptr = [], block + phase
                for _ in range(lanes):
                    vectors.append(src_ptr.vector())
                    src_ptr = src_ptr + stride_group
                dst_ptr = dst + (q * dst_stride + phase * phase_stride + group)
                for vector in code.transpose(vectors):
                    dst_ptr[0] = vector + bias.vector(group)
                    dst_ptr = dst_ptr + phase_stride

    return transpose_groups


def emit_fill(module: Module) -> Function:
    """Emit the function that stores one value `count` times."""

    @function(module)
    def fill(code: Code, dst: Pointer, value: Pointer, count: Value) -> None:
        vector_stop, single = count - count % code.lanes, value[0]
        with code.loop(0, vector_stop, code.lanes) as e:
            dst[e] = code.broadcast(single)
        dst.store_masked(code.first_lanes(count - vector_stop), code.broadcast(single), vector_stop)

    return fill


def emit_add(module: Module) -> Function:
    """Emit the function that stores dst = src + bias for `count` runs of `length` channels."""

    @function(module)
    def add(
        code: Code,
        dst: Pointer,
        src: Pointer,
        bias: Pointer,
        length: Value,
        count: Value,
        dst_stride: Value,
        src_stride: Value,
    ) -> None:
        lanes = code.lanes
        with code.loop(0, count) as run:
            to, source = dst + run * dst_stride, src + run * src_stride
            with code.if_(length >= lanes), code.loop(0, length, lanes) as number:
                e = number.minimum(length - lanes)  # the last vector may overlap another
                to[e] = source.vector(e) + bias.vector(e)
            with code.else_(), code.loop(0, length) as e:
                to[e] = source[e] + bias[e]

    return add
