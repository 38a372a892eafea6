"""A 1 × 1 convolution and the depthwise convolution behind it as one kernel, in NHWC.

    between[y, x, c] = activation(b[c] + Σ_k w[c, k] · input[y, x, k])
    output[i, j, c] = activation(d[c] + Σ_(u, v) t[c, u, v] · between[i·s + u − p, j·s + v − p, c])

Networks widen the channels in front of a depthwise convolution, so what is between is the largest
of the arrays. Here it is never whole: a task computes some of its rows, for a unit of channels,
into a buffer that stays in L2, and the depthwise outputs that read them. Each output is the same
sum in the same order as by the kernels `implicit_gemm` and `depthwise`, so it has the same bits.

Read task.py first, then blocks.py. It is a kernel of plans, whose weights are frozen.
"""
