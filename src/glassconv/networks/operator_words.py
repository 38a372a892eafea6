"""Arguments of operators that must be words of PyTorch's: element types, memory formats, devices.

PyTorch takes a whole number in their place and does not look at its value: a number that names
nothing ends the process. So files are checked before an operator is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

WORDS = {
    "ScalarType": torch.dtype,
    "MemoryFormat": torch.memory_format,
    "Layout": torch.layout,
    "Device": torch.device,
}


def wrong_word(overload: Any, arguments: Mapping[str, Any]) -> str:
    """Return which argument of an operator is no word where it must be one, empty if none is.

    >>> wrong_word(torch.ops.aten.softmax.int, {"dtype": -1})
    'its dtype is no ScalarType'
    """
    for each in overload._schema.arguments:
        for word, kind in WORDS.items():
            given = arguments.get(each.name)
            if word in str(each.real_type) and not isinstance(given, kind | type(None)):
                return f"its {each.name} is no {word}"
    return ""
