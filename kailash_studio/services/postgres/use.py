"""How many connections of a pool runs used at once, remembered between processes, so that they are opened early.

A record is a hint and nothing more: one that cannot be read or written is left alone, and said in the log.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kailash_studio.errors import StudioError
from kailash_studio.folders import user_data
from kailash_studio.services.private_file import locked, write_private

_KEPT = 8  # peaks of a pool; the largest of them counts, so a quiet week lets go of a busy day
_MOST = 500  # pools
_LOG = logging.getLogger("kailash_studio.pool")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One pool of a workflow at an address; no secret is in it.

    Attributes:
        workflow: Its name.
        pool: The pool's name.
        place: Host, port and database.
    """

    workflow: str
    pool: str
    place: str

    @property
    def key(self) -> str:
        """What it is written down under: no name of a server or a workflow can be read from it."""
        return hashlib.sha256("\0".join((self.workflow, self.pool, self.place)).encode()).hexdigest()[:32]


def used(use: PoolUse) -> int:
    """The most connections that were used at once in the last runs; 0 where nothing is known."""
    return max(_read(_file()).get(use.key, ()), default=0)


def remember(peaks: Mapping[PoolUse, int]) -> None:
    """Write down the peaks of a run; other processes may do so at the same time."""
    path = _file()
    try:
        with locked(path):
            known = _read(path)
            for use, peak in peaks.items():
                known[use.key] = [*known.pop(use.key, ()), peak][-_KEPT:]
            newest = dict(list(known.items())[-_MOST:])
            write_private(path, json.dumps(newest).encode("ascii"))
    except StudioError as error:
        _LOG.warning("What pools used is not remembered: %s", error)


def _file() -> Path:
    return user_data() / "pool_use.json"


def _read(path: Path) -> dict[str, list[int]]:
    try:
        read = json.loads(path.read_bytes())
        if not isinstance(read, dict):
            raise ValueError("it is no object")
        return {str(key): [int(peak) for peak in peaks] for key, peaks in read.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        _LOG.warning("What pools used before cannot be read from %s (%s): it is begun anew.", path.name, error)
        return {}
