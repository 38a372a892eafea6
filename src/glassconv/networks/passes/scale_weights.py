"""Scale the weights of a 1 × 1 convolution in each call, instead of its input.

Squeeze-and-excitation multiplies each channel by a number that the network computes:
Σ_c w[f, c] · (s[c] · x[c, p]) = Σ_c (w[f, c] · s[c]) · x[c, p]. Where there are more positions p
than filters f, the weights are the fewer numbers.

Source: J. Hu, L. Shen, G. Sun, Squeeze-and-excitation networks, 2018.
"""

from __future__ import annotations

from math import prod

from glassconv.networks.convolutions import FORWARD, read
from glassconv.networks.graph import Operation, Value
from glassconv.networks.passes.fuse_elementwise import FUNCTION
from glassconv.networks.passes.network import Network, rewritten_by, with_arguments
from glassconv.networks.passes.sums import refusal
from glassconv.operations.elementwise import ARRAYS, Array, Binary

NAME = "scale_weights"
PRODUCTS = (
    Binary("mul", Array(ARRAYS[0]), Array(ARRAYS[1])),
    Binary("mul", Array(ARRAYS[1]), Array(ARRAYS[0])),
)


def run(network: Network) -> Network:
    """Return the network with factors that 1 × 1 convolutions apply to their weights."""
    return rewritten_by(_scaled, network)


def _scaled(network: Network, convolution: Operation) -> Network:
    if convolution.function not in FORWARD or refusal(network, convolution) is not None:
        return network
    arguments = convolution.arguments
    product = network.producers.get(arguments["input"].number)
    if product is None or product.function != FUNCTION:
        return network
    if not network.feeds_only(product.outputs[0], convolution):
        return network
    operands = [product.arguments[name] for name in ARRAYS if name in product.arguments]
    if product.arguments["expression"] not in PRODUCTS or len(operands) != 2:
        return network
    input, scale = sorted(operands, key=lambda each: -prod(each.shape))
    both = with_arguments(convolution, input=input, scale=scale)
    filters, positions = arguments["weight"].shape[0], prod(convolution.outputs[0].shape[2:])
    if positions <= filters or not takes_scale(both):
        return network
    return network.merged(product, convolution, both)


def takes_scale(convolution: Operation) -> bool:
    """Return whether a convolution's scale has a factor for each channel that its filters read.

    It must be of 1 × 1 kernels, without padding and groups, and of a single image.
    """
    arguments = convolution.arguments
    input, scale, weight = (arguments[name] for name in ("input", "scale", "weight"))
    if convolution.function not in FORWARD or not isinstance(scale, Value):
        return False
    shape = (1, input.shape[1], *(1 for _ in input.shape[2:]))
    of_channels = input.shape[0] == 1 and scale.shape == shape and scale.number != input.number
    is_pointwise = prod(weight.shape[2:]) == 1 and arguments["groups"] == 1
    return of_channels and is_pointwise and not any(map(any, read(convolution).problem.padding))
