"""Read quantities as Kubernetes spells them: ``"500m"`` of a CPU, ``"8Gi"`` of memory.

The format is that of the API's `resource.Quantity`: a decimal number, perhaps with a plus, then nothing, a decimal or
binary suffix, or an exponent.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from oxmq.errors import ConfigurationError

_QUANTITY = re.compile(r"\+?(?P<number>\d+(\.\d*)?|\.\d+)(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?", re.ASCII)
#: The API counts to no more, of anything.
_LARGEST: Final = 2**63 - 1
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {suffix: 1024**power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}


def read_quantity(value: object, field: str) -> Decimal:
    """Return a quantity as a number: bytes of memory, whole CPUs.

    Args:
        value: the quantity, as text or a plain number.
        field: what errors call it.

    Raises:
        ConfigurationError: it is no quantity above 0, or one that the API cannot hold.
    """
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    found = _QUANTITY.fullmatch(text)
    number = Decimal(found["number"]) * _factor(found["suffix"] or "") if found else Decimal(0)
    if not 0 < number <= _LARGEST:
        raise ConfigurationError(f'{field} must be a quantity such as "500m", 2 or "8Gi", not {value!r:.80}')
    return number


def _factor(suffix: str) -> Decimal:
    if suffix in _BINARY:
        return Decimal(_BINARY[suffix])
    return Decimal(10) ** (_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0))
