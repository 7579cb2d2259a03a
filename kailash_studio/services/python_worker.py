"""The process in which full Python runs: it takes jobs on its standard input and answers on its standard output.

A frame is eight bytes of length and that much JSON. The user's own prints travel as frames too, so they cannot disturb
the protocol. The process ends when its standard input does, whatever the user's code is doing: nothing is orphaned.
It imports no more than it needs, so that a fresh one is ready quickly.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, BinaryIO

FILENAME = "<node code>"


def main() -> None:
    """Serve jobs until the standard input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    questions = os.fdopen(os.dup(0), "rb")
    # descriptors 0 and 1 are the user's code's from here on, and those of programs that it starts
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    reader = threading.Thread(target=_read_jobs, args=(questions, jobs), daemon=True)
    reader.start()
    lock = threading.Lock()

    def answer(frame: dict[str, Any]) -> None:
        with lock:
            write_frame(answers, frame)

    while True:
        answer(_result_of(jobs.get(), answer))


def _read_jobs(stream: BinaryIO, jobs: queue.SimpleQueue[dict[str, Any]]) -> None:
    try:
        while (frame := read_frame(stream)) is not None:
            jobs.put(frame)
    except ConnectionError:
        pass  # an answer was still on its way
    except BaseException:  # noqa: BLE001 - without a reader the engine would wait for ever: it is told by the status
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # the engine is gone


def write_frame(stream: BinaryIO, frame: dict[str, Any]) -> None:
    """Write one frame and flush."""
    data = json.dumps(frame, separators=(",", ":")).encode("utf-8")
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def read_frame(stream: BinaryIO) -> dict[str, Any] | None:
    """The next frame, or None at the end of the stream."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "big")
    data = stream.read(size)
    if len(data) < size:
        return None
    frame: dict[str, Any] = json.loads(data)
    return frame


class _Printed(io.TextIOBase):
    """A text stream that sends what is printed as frames."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        if lines:
            self._answer({"printed": "\n".join(lines)})
        return len(text)

    def writable(self) -> bool:
        return True

    def finish(self) -> None:
        if self._line:
            self._answer({"printed": self._line})
            self._line = ""


def _result_of(job: dict[str, Any], answer: Any) -> dict[str, Any]:
    from kailash_studio.spec.values import from_wire, to_wire

    with _limited_memory(job["memory"]):
        printed = _Printed(answer)
        out, error_out = sys.stdout, sys.stderr
        known = set(sys.modules)
        importlib.invalidate_caches()
        sys.stdout = sys.stderr = printed
        try:
            os.chdir(job["folder"])
            sys.path[:0] = [job["folder"]]
            namespace: dict[str, Any] = {"__name__": "node"}
            exec(compile(job["code"], FILENAME, "exec"), namespace)  # noqa: S102 - running the user's code is the job
            value = namespace[job["function"]](**from_wire(job["inputs"]))
            return {"value": to_wire(value)}
        except BaseException as error:  # noqa: BLE001 - anything the user's code raises is its result
            return {"error": describe_error(error)}
        finally:
            printed.finish()
            sys.stdout, sys.stderr = out, error_out
            if sys.path and sys.path[0] == job["folder"]:
                del sys.path[0]
            _forget_modules(known, job["folder"])


def _forget_modules(known: set[str], folder: str) -> None:
    """Let go of modules of the workflow's folder: the next job may have others of the same names, or newer ones."""
    inside = os.path.realpath(folder).rstrip(os.sep) + os.sep
    for name in set(sys.modules) - known:
        file = os.path.realpath(getattr(sys.modules[name], "__file__", None) or "")
        if file.startswith(inside) and "site-packages" not in file:  # packages bear no second import
            del sys.modules[name]


def describe_error(error: BaseException) -> str:
    """``line 4: KeyError: 'data'``, with the last line of the user's own code that was running."""
    if isinstance(error, MemoryError):
        return "MemoryError: the code needs more memory than the node's limit"
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError) and error.filename == FILENAME:
        return f"line {error.lineno}: SyntaxError: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILENAME]
    return f"line {lines[-1]}: {text}" if lines else text


@contextlib.contextmanager
def _limited_memory(mebibytes: int) -> Iterator[None]:
    """The limit of a job; none is left behind, for the next job may be larger than what this one was allowed."""
    try:
        import resource
    except ImportError:  # Windows has no such limit; the job runs without
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_at_most(mebibytes * 2**20, hard), hard))
    try:
        yield
    finally:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)  # the code may have lowered it
        resource.setrlimit(resource.RLIMIT_AS, (_at_most(before, hard), hard))


def _at_most(wanted: int, hard: int) -> int:
    """A limit that may be set below the hard one; below zero means without end, of either."""
    return wanted if hard < 0 else hard if wanted < 0 else min(wanted, hard)


if __name__ == "__main__":
    main()
