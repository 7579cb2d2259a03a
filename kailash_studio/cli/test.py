"""``kailash-studio test``: runs the regression tests that were made of failures, without the outside."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.errors import DocumentError, ParameterError, StudioError, describe
from kailash_studio.runtime.capsule import SUFFIX, Capsule, differences
from kailash_studio.runtime.wording import duration


@dataclass(frozen=True, slots=True)
class Result:
    """How one test went; ``wrong`` holds what differs, ``broken`` why it could not be run."""

    path: Path
    seconds: float
    wrong: list[str] = field(default_factory=list)
    broken: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="tests, or folders of them (default: here)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results there, as JUnit's XML")
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="full Python that a test has no answer for really runs, with all your rights",
    )


def execute(chosen: argparse.Namespace) -> int:
    """Run all; exit 1 when one differs."""
    files = _found(chosen.paths or [Path()])
    if not files:
        raise ParameterError(f"There is no test here: `kailash-studio capsule save` makes one (*{SUFFIX}).")
    results = [_result(path, allow_code=chosen.allow_code) for path in files]
    for result in results:
        word = "broken" if result.broken else "failed" if result.wrong else "passed"
        print(f"{word}  {result.path}  ({duration(result.seconds)})")
        for line in [result.broken] if result.broken else result.wrong:
            print(f"        {line}")
    bad = sum(bool(result.wrong or result.broken) for result in results)
    print(f"{len(results) - bad} passed, {bad} failed.")
    if chosen.junit:
        _write_junit(chosen.junit, results)
    return ExitStatus.FAILED if bad else ExitStatus.SUCCEEDED


def _found(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.rglob(f"*{SUFFIX}"))
        elif path.exists():
            found.append(path)
        else:
            raise ParameterError(f"There is no {path}.")
    return list(dict.fromkeys(found))


def _result(path: Path, *, allow_code: bool) -> Result:
    began = time.perf_counter()
    try:
        capsule = Capsule.read(path)
        if not capsule.expected:
            raise DocumentError(f"{path.name} is no test yet: mend its workflow, and kailash-studio capsule save.")
        answers = capsule.answers_again(allow_code=allow_code)
        wrong = differences(capsule.expected, asyncio.run(capsule.play(answers=answers)))
    except StudioError as error:
        return Result(path, time.perf_counter() - began, broken=str(error))
    except Exception as error:  # noqa: BLE001 - the others must be run, and all be in the report; it says which broke
        return Result(path, time.perf_counter() - began, broken=f"{path.name} cannot be run: {describe(error)}.")
    return Result(path, time.perf_counter() - began, wrong)


def _write_junit(path: Path, results: Sequence[Result]) -> None:
    failed, broken = sum(bool(r.wrong) for r in results), sum(bool(r.broken) for r in results)
    suite = ElementTree.Element(
        "testsuite", name="kailash-studio", tests=str(len(results)), failures=str(failed), errors=str(broken)
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=str(result.path.parent), name=result.path.name, time=f"{result.seconds:.3f}"
        )
        if result.broken:
            ElementTree.SubElement(case, "error", message=result.broken)
        elif result.wrong:
            ElementTree.SubElement(case, "failure", message=result.wrong[0]).text = "\n".join(result.wrong)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise StudioError(f"The results cannot be written to {path}: {error.strerror or error}.") from None
