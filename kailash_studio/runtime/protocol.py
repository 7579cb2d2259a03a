"""What the window and its engine process say to each other: one JSON object a line, version 1; see docs/protocol.md.

Requests have an ``id`` and a ``do``; each is answered by an object with the same ``id`` and either ``ok`` or ``error``
(``code``, ``sentence``). Between answers the engine sends ``update`` objects, at most 30 a second, in which the newest
state of each node wins; log lines are never dropped.

==========  =========================================================  ==============================================
do          with                                                       ok
==========  =========================================================  ==============================================
hello       --                                                         ``version``, ``program``, ``pid``
run         ``workflow`` (text of the file), ``folder``, ``values``;   ``run_id``, at once; updates follow
            ``run_to``: a node to stop before, once
cancel      ``run_id``                                                 ``cancelled``: whether it was under way
as_test     ``capsule``, ``out``: files; ``workflow``: mended;         ``state``: how the played run ended;
            ``allow_code``                                             ``left_out``: nodes that only write
forget      ``run_id``                                                 --
shutdown    --                                                         --, then runs are cancelled and the process ends;
                                                                       one whose input ends without it has lost its
                                                                       window, and leaves its runs as interrupted
==========  =========================================================  ==============================================
"""

from __future__ import annotations

import json
from typing import Any

VERSION = 1
UPDATES_PER_SECOND = 15


def encode(message: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object of a line.

    Raises:
        ValueError: It is not an object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message should be an object")
    return message


def not_for(do: Any) -> str:
    """The sentence that refuses a request of a window that is attached."""
    return f"{do!r} is not for this window: it is attached to look on, or to debug."
