"""State what is true of a queue's keyspace between any two scripts, and find where it is not.

What a dump cannot tell (the options of the workers, how many jobs were finished) is passed in as `Knowledge`; rules
that need what was not given are left out. Nothing here does any I/O.
"""

from oxmq.invariants.keyspace import (
    NEEDED_FIELDS,
    OWN_KEYS,
    PLACES,
    Dump,
    Fields,
    Items,
    Members,
    Scores,
    Stream,
    Text,
    Value,
)
from oxmq.invariants.rules import RULES, Knowledge, Violation, violations

__all__ = [
    "NEEDED_FIELDS",
    "OWN_KEYS",
    "PLACES",
    "RULES",
    "Dump",
    "Fields",
    "Items",
    "Knowledge",
    "Members",
    "Scores",
    "Stream",
    "Text",
    "Value",
    "Violation",
    "violations",
]
