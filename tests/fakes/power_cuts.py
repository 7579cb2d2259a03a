"""A disk whose power can be cut: every write and every flush is logged, and images of what a cut leaves are built.

After a cut everything that was flushed is there; of what was written since, any part may be, torn at 512 bytes.
"""

from __future__ import annotations

import collections
from pathlib import Path
from random import Random
from typing import Any

import apsw

SECTOR = 512
Log = list[tuple[Any, ...]]


class LoggedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], log: Log) -> None:
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        self._log = log
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._log.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._log.append(("truncate", self._name, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._log.append(("flush", self._name))
        super().xSync(flags)


class LoggedDisk(apsw.VFS):
    """Give its name to ``connect``; ``log`` holds what happened, with the test's own marks among it."""

    def __init__(self, name: str = "logged") -> None:
        self.log: Log = []
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        return LoggedFile(name, flags, self.log)

    def xDelete(self, filename: str, sync: bool) -> None:
        self.log.append(("delete", Path(filename).name))
        super().xDelete(filename, sync)


def image(log: Log, cut: int, rng: Random) -> tuple[dict[str, bytes], Any]:
    """The files after a cut before entry ``cut``, and the last mark that was set before it."""
    files: dict[str, bytearray] = {}
    pending: dict[str, Log] = collections.defaultdict(list)
    mark: Any = None

    def apply(name: str, entry: tuple[Any, ...]) -> None:
        content = files.setdefault(name, bytearray())
        if entry[0] == "truncate":
            del content[entry[2] :]
            return
        offset, data = entry[2], entry[3]
        if len(content) < offset + len(data):
            content.extend(b"\0" * (offset + len(data) - len(content)))
        content[offset : offset + len(data)] = data

    for entry in log[:cut]:
        match entry[0]:
            case "mark":
                mark = entry[1]
            case "flush":
                for waiting in pending.pop(entry[1], []):
                    apply(entry[1], waiting)
            case "delete":
                files.pop(entry[1], None)
                pending.pop(entry[1], None)
            case _:
                pending[entry[1]].append(entry)
    for name, entries in pending.items():
        if rng.random() < 0.2:
            continue  # nothing of the cache reached the disk
        for entry in entries:
            if rng.random() < 0.5:
                continue
            torn = entry[0] == "write" and rng.random() < 0.3
            kept = rng.randrange(0, len(entry[3]) // SECTOR + 1) * SECTOR if torn else 0
            apply(name, (*entry[:3], entry[3][:kept]) if torn else entry)
    return {name: bytes(content) for name, content in files.items()}, mark
