"""Compare glassconv's functions with PyTorch's on random calls: `python -m support.differential`.

    python -m support.differential 1234          one call, with all that differs
    python -m support.differential 0:20000       many, and what differs, grouped by cause

A call is run by `torch.nn.functional` and by glassconv, each with tensors of its own. Both must
raise, ours a subclass of theirs, or both return arrays of one shape, element type and strides, for
the output and for each gradient. Numbers are not compared with PyTorch's. They must be within the
bound of `differential_truth`'s sums. Calls run in a process that may crash: a signal is one more
thing that can differ.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import glassconv
from glassconv.errors import ConvError
from support.differential_calls import ORDER, OTHERS, Call, draw
from support.differential_judge import judge
from support.differential_operands import COMPLEX, INTEGER, Operand
from support.torch_faults import fault_of

MOST_SECONDS, MOST_BYTES = 60, 10 * 2**30  # of one call, of the process that runs them
EXAMPLES = 6  # of a cause
WORKER = (sys.executable, "-m", "support.differential")
TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a function did: it raised, or returned arrays by name."""

    error: BaseException | None
    arrays: dict[str, Tensor]
    operands: dict[str, Any]

    def __str__(self) -> str:
        """Return the error's class and first words, or what was returned."""
        if self.error is not None:
            cause = self.error.cause if isinstance(self.error, ConvError) else str(self.error)
            words = " ".join(cause.split())
            return f"{type(self.error).__name__}: {words[:300]}"
        return ", ".join(f"{name} {_form(array)}" for name, array in self.arrays.items())


def run(call: Call, function: Callable[..., Any]) -> Outcome:
    """Run a call; compute the gradients that it asks for."""
    operands = {name: operand.make() for name, operand in call.operands.items()}
    order = ORDER[call.kind]
    leading = [operands[name] for name in ("input", "weight") if name in operands]
    values = {"bias": operands.get("bias"), **call.arguments}
    positional = call.positional if "weight" in operands or call.kind in OTHERS else 0
    leading += [values[name] for name in order[:positional]]
    named = {name: value for name, value in values.items() if name not in order[:positional]}
    if "bias" not in call.operands:
        named.pop("bias", None)
    arrays: dict[str, Tensor] = {}
    try:
        with warnings.catch_warnings(), torch.set_grad_enabled(not call.no_grad):
            warnings.simplefilter("ignore")
            output = function(*leading, **named)
            arrays["output"] = output
            if call.gradient and not call.no_grad:
                sources = {n: o for n, o in operands.items() if call.operands[n].requires_grad}
                gradient = output_gradient(call, output).make()
                found = torch.autograd.grad(output, [*sources.values()], gradient)
                arrays |= {
                    f"{name} gradient": each for name, each in zip(sources, found, strict=True)
                }
    except Exception as error:
        return Outcome(error, arrays, operands)
    return Outcome(None, arrays, operands)


def output_gradient(call: Call, output: Tensor) -> Operand:
    """Return the operand that is propagated backward from an output."""
    operand = call.operands["input"]
    numbers = "whole" if operand.numbers == "whole" else "normal"
    name = str(output.dtype).removeprefix("torch.")
    return Operand(tuple(output.shape), name, numbers, call.gradient, seed=operand.seed ^ 1)


def differences(call: Call, *, torch_crashes: bool = False) -> list[str]:
    """Return what differs between PyTorch and glassconv in a call, empty for nothing."""
    _at(call, "glassconv")
    ours_function: Callable[..., Any] | None = getattr(glassconv, call.function, None)
    if ours_function is None:
        return [f"glassconv has no {call.function}"]
    theirs = None
    if not torch_crashes:
        _at(call, "torch")
        theirs = run(call, getattr(F, call.function))
    fault = fault_of(call, theirs)
    _at(call, "glassconv")
    ours = run(call, ours_function)
    found = []
    if fault is not None:
        found += fault.differences(ours)
    elif theirs is None:
        found.append("torch crashes, and support.torch_faults does not know it")
    else:
        found += _compare(ours, theirs)
    if call.geometry is not None and ours.error is None and not call.mistake:
        wrong = judge(call, ours)
        theirs_too = judge(call, theirs) if wrong and theirs and theirs.error is None else {}
        for name, text in wrong.items():
            found.append(
                f"{name} is wrong{', so is torch`s' if name in theirs_too else ''}: {text}"
            )
    return found


def _compare(ours: Outcome, theirs: Outcome) -> list[str]:
    if theirs.error is not None:
        stage = " in the backward pass" if theirs.arrays else ""
        if ours.error is None:
            return [f"torch raises{stage} {theirs}, glassconv does not"]
        if not isinstance(ours.error, type(theirs.error)):
            return [f"torch raises{stage} {theirs}; glassconv raises {ours}"]
        return []
    if ours.error is not None:
        return [f"glassconv raises {ours}; torch does not"]
    found = []
    for name, array in theirs.arrays.items():
        own, is_gradient = ours.arrays[name], name.endswith("gradient")
        if _form(own, is_gradient) != _form(array, is_gradient):
            found.append(f"{name}: torch {_form(array)}, glassconv {_form(own)}")
    return found


def _form(array: object, is_gradient: bool = False) -> str:
    """Return what is compared of an array beside its numbers.

    Of gradients, not the strides along axes of one entry, which place no element.
    """
    if not isinstance(array, Tensor):
        return type(array).__name__
    kind = "" if type(array) is Tensor else type(array).__name__ + " "
    place = "" if array.device.type == "cpu" else f" {array.device.type}"
    strides = ""
    if array.layout == torch.strided:
        placing = [
            stride if size > 1 or not is_gradient else 0
            for size, stride in zip(array.shape, array.stride(), strict=True)
        ]
        strides = f" strides {placing}"
    grad = " requires_grad" if array.requires_grad else ""
    dtype = str(array.dtype).removeprefix("torch.")
    return f"{kind}{list(array.shape)} {dtype}{strides}{place}{grad}"


def cause_of(call: Call, text: str) -> str:
    """Return a difference without its sizes, for counting."""
    words = re.sub(r"\[[^\]]*\]|\([\d, ]*\)|-?\d+(\.\d+)?(e[-+]\d+)?", "#", text)
    if "strides" in text and ": torch [" in text:
        form = re.compile(
            r"torch (\[.*?\]) (\w+) strides (\[.*?\]).*glassconv (\[.*?\]) (\w+) strides"
        )
        match = form.search(text)
        same = match is not None and match[1] == match[4] and match[2] == match[5]
        words = text.split(":", maxsplit=1)[0] + (
            " strides differ" if same else " shape or dtype differs"
        )
    words = re.sub(r"'(Byte|Char|Short|Int|Long|Bool|UInt|Float)[^']*'", "a type", words)
    words = re.sub(r"\b(complex|uint|int|bfloat|float)#", r"\1", words)
    words = re.sub(
        r"no algorithm here computes in .*(; torch does not)?$", r"no algorithm here …\1", words
    )
    dtype = call.operands["input"].dtype
    kinds = {**dict.fromkeys(COMPLEX, "complex"), **dict.fromkeys(INTEGER, "integers")}
    what = f"mistake {call.mistake}" if call.mistake else kinds.get(dtype, "floating")
    if "strides differ" in words:
        what = "gradients" if call.gradient else "no gradients"
    return f"{what}: {words[:170]}"


# -- processes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mismatch:
    """One thing that differs, and the call where it does."""

    index: int
    text: str

    def __str__(self) -> str:
        """Return it with the line that repeats it."""
        return (
            f"call {self.index}: {self.text}\n    {draw(self.index)}\n"
            f"    PYTHONPATH=src:tests python -m support.differential {self.index}"
        )


def search(start: int, stop: int) -> list[Mismatch]:
    """Compare the calls start … stop − 1 in processes of their own."""
    found: list[Mismatch] = []
    index, without = start, False
    while index < stop:
        child = subprocess.run(
            [*WORKER, f"{index}:{stop}", "--worker", *(["--without-torch"] if without else [])],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        side = ""
        for line in child.stdout.splitlines():
            if line.startswith("{"):
                found.append(Mismatch(index, json.loads(line)["text"]))
            elif line.startswith("at "):
                _, number, side = line.split()
                index = int(number)
        if child.returncode == 0:
            return found
        if child.returncode > 0 or not side:
            raise RuntimeError(f"the process of call {index} failed: see above")
        if side == "torch":
            without = True  # this call again, and only by glassconv
        else:
            name = signal.Signals(-child.returncode).name
            found.append(Mismatch(index, f"glassconv crashes: {name}"))
            index, without = index + 1, False
    return found


_worker = False


def _at(call: Call, side: str) -> None:
    """Tell the parent process what is about to run."""
    if _worker:
        print(f"at {call.index} {side}", flush=True)  # noqa: T201


def _work(start: int, stop: int, without_torch: bool) -> None:
    global _worker  # noqa: PLW0603
    _worker = True
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for index in range(start, stop):
        signal.alarm(MOST_SECONDS)
        torch.set_num_threads(2 if index % 8 == 0 else 1)  # threads that wait cost most of the time
        call = draw(index)
        for text in differences(call, torch_crashes=without_torch and index == start):
            print(json.dumps({"text": text}), flush=True)  # noqa: T201


def _report(found: list[Mismatch], calls: int) -> Iterator[str]:
    groups: dict[str, list[Mismatch]] = defaultdict(list)
    for each in found:
        groups[cause_of(draw(each.index), each.text)].append(each)
    wrong = len({each.index for each in found})
    yield f"{wrong:,} of {calls:,} calls differ, for {len(groups)} causes"
    for cause, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        yield f"\n{len(members)} × {cause}"
        yield "   calls " + " ".join(str(each.index) for each in members[:EXAMPLES])
        yield f"   {members[0].text[:700]}\n   {draw(members[0].index)}"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare glassconv with PyTorch on random calls.")
    parser.add_argument("calls", help="a number, or start:stop")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--without-torch", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    start, _, stop = given.calls.partition(":")
    calls = range(int(start), int(stop or int(start) + 1))
    if given.worker:
        _work(calls.start, calls.stop, given.without_torch)
        return
    found = search(calls.start, calls.stop)
    if len(calls) == 1:
        print(draw(calls.start))  # noqa: T201
        print(*[each.text for each in found] or ["nothing differs"], sep="\n")  # noqa: T201
        return
    print(*_report(found, len(calls)), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
