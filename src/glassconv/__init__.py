"""glassconv: convolution you can see through.

>>> import glassconv
>>> problem = glassconv.parse("3x32x32 4@5x5 s1 p0")
>>> problem.output_shape
(1, 4, 28, 28)
>>> glassconv.verify(problem, "im2col").verdict.ok
True
"""

from glassconv import nn as nn  # not in __all__: a star must not replace torch's nn
from glassconv.codegen.openmp import survive_fork
from glassconv.columns import fold, unfold
from glassconv.dispatch.machine_store import machine
from glassconv.dispatch.select import choose
from glassconv.display import DISPLAY
from glassconv.errors import (
    ArgumentError,
    ArgumentRangeError,
    ArgumentTypeError,
    AxesError,
    ConvError,
    DataError,
    DeviceError,
    DtypeError,
    MalformedAlgorithmError,
    MissingExtraError,
    NetworkError,
    ShapeError,
    ShorthandError,
    StorageError,
    UnknownNameError,
    UnsupportedDtypeError,
    UnsupportedError,
)
from glassconv.explanation.explain import Report, explain
from glassconv.explanation.gradients import explain_gradients
from glassconv.explore.show import show
from glassconv.figures import figure
from glassconv.functional import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from glassconv.networks.optimize import optimize
from glassconv.problem import ConvProblem
from glassconv.problem.arguments import problem_of
from glassconv.problem.operands import Operands, random_operands
from glassconv.problem.shorthand import parse
from glassconv.problem.transposed import TransposedProblem, parse_transposed
from glassconv.reports.shown import Shown
from glassconv.tiling.tile import plan_tiles, tile
from glassconv.tracing.backward import backward
from glassconv.tracing.forward import trace
from glassconv.verification.compare_unfold import same
from glassconv.verification.gradients import verify_gradients
from glassconv.verification.verify import compare, judge, verify

__version__ = "0.1.0"
Shown.display = DISPLAY  # reports import no views
survive_fork()
__all__ = [
    "ArgumentError",
    "ArgumentRangeError",
    "ArgumentTypeError",
    "AxesError",
    "ConvError",
    "ConvProblem",
    "DataError",
    "DeviceError",
    "DtypeError",
    "MalformedAlgorithmError",
    "MissingExtraError",
    "NetworkError",
    "Operands",
    "Report",
    "ShapeError",
    "ShorthandError",
    "StorageError",
    "TransposedProblem",
    "UnknownNameError",
    "UnsupportedDtypeError",
    "UnsupportedError",
    "backward",
    "choose",
    "compare",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "explain",
    "explain_gradients",
    "figure",
    "fold",
    "judge",
    "machine",
    "optimize",
    "parse",
    "parse_transposed",
    "plan_tiles",
    "problem_of",
    "random_operands",
    "same",
    "show",
    "tile",
    "trace",
    "unfold",
    "verify",
    "verify_gradients",
]
