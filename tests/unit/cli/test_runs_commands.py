"""``kailash-studio runs``: filters, the timeline, and two runs side by side."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.cli.runs import moment
from kailash_studio.errors import ParameterError, WorkflowExecutionError
from kailash_studio.runtime.journal.journal import Journal

Out = pytest.CaptureFixture[str]


def run(name: str = "nightly", price: int = 10, *, fails: bool = False) -> str:
    builder = WorkflowBuilder(name)
    builder.add_node(
        "PythonCodeNode", "rows", code=f"def rows(): return [{{'id': i, 'price': {price}}} for i in range(3)]"
    )
    code = "def worth(x): raise ValueError('no prices')" if fails else "def worth(x): return len(x)"
    builder.add_node("PythonCodeNode", "worth", code=code)
    builder.add_node("PythonCodeNode", "after", code="def after(x): return x")
    builder.add_connection("rows", "result", "worth", "x")
    builder.add_connection("worth", "result", "after", "x")
    if fails:
        builder.configure_retry("worth", max_retries=2, base_delay=0.02, retry_on=["Exception"])
    journal = Journal()
    try:
        return LocalRuntime(journal=journal).execute(builder)[1]
    except WorkflowExecutionError as error:
        return error.run_id
    finally:
        journal.close()


def listed(capsys: Out, *words: str) -> list[dict[str, Any]]:
    assert main(["runs", *words, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_runs_are_listed_by_filters(capsys: Out) -> None:
    ids = {"good": run(), "bad": run(fails=True), "other": run("report")}

    def names(*words: str) -> set[str]:
        found = {row["run_id"] for row in listed(capsys, *words)}
        return {name for name, run_id in ids.items() if run_id in found}

    assert names() == {"good", "bad", "other"}
    assert names("--workflow", "night") == {"good", "bad"}
    assert names("--state", "failed") == {"bad"}
    assert names("--node", "worth", "--state", "succeeded") == {"good", "other"}
    assert names("--error", "NO PRICES") == {"bad"}
    assert names("--error", "no prices", "--node", "rows") == set()
    assert names("--since", "1h") == {"good", "bad", "other"}
    assert names("--until", "1h") == set()
    assert main(["runs", "--limit", "1", "--workflow", "nightly"]) == 0
    said = capsys.readouterr().out
    assert ids["bad"] in said
    assert "1 failed: " in said
    assert "1 of 2 runs; --limit shows more." in said
    assert main(["runs", "--node", "absent"]) == 0
    assert capsys.readouterr().out == "No run fits.\n"


def test_a_time_is_a_date_or_an_age() -> None:
    assert moment("", 5.0) == 0.0
    assert moment("90m", 10_000.0) == 10_000.0 - 5_400
    assert moment("1.5d", 200_000.0) == 200_000.0 - 129_600
    assert moment("2026-11-23T07:00+00:00", 0.0) == 1_795_417_200.0
    assert moment("2026-11-24", 0.0) - moment("2026-11-23", 0.0) == 86_400.0
    for wrong in ("yesterday", "3 weeks", "2026-13-01"):
        with pytest.raises(ParameterError, match="is no time: give a date"):
            moment(wrong, 0.0)


def test_a_timeline_draws_attempts_and_waits(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    run_id = run(fails=True)
    assert main(["runs", run_id, "--timeline"]) == 0
    head, rows, worth, after, legend = capsys.readouterr().out.splitlines()
    assert head.startswith("nightly: failed, ")
    assert rows.startswith("rows ")
    drawn = worth[25:95].strip()
    assert drawn.replace("x", "") == "." * drawn.count(".")
    assert [piece for piece in drawn.replace(".", " ").split(" ") if piece], drawn
    assert drawn.startswith("x")
    assert drawn.endswith("x")
    assert "." in drawn
    assert "skipped" in after
    assert "-" in after
    assert legend.startswith("= attempt   x failed attempt")
    assert main(["runs", run_id, "--timeline", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [bar["node"] for bar in told] == ["rows", "worth", "after"]
    assert [span["kind"] for span in told[1]["spans"]] == ["attempt", "wait", "attempt", "wait", "attempt"]


def test_two_runs_are_compared_and_the_status_says_whether_they_differ(capsys: Out) -> None:
    first, second, third, broken = run(), run(), run(price=12), run(fails=True)
    assert main(["runs", "diff", first, second]) == 0
    assert "They are the same but for their times." in capsys.readouterr().out
    assert main(["runs", "diff", first, third]) == 1
    said = capsys.readouterr().out
    assert "They part at rows." in said
    assert "  parameter code: " in said
    assert "rows.result\n  row 1 price: 10, now 12\n" in said
    assert main(["runs", "diff", first, broken]) == 1
    said = capsys.readouterr().out
    assert "the run succeeded, now failed" in said
    assert "worth  succeeded in " in said
    assert ", 3 attempts" in said
    assert main(["runs", "diff", first, third, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["first"], told["before"], told["after"]) == (False, "rows", first, third)
    assert told["nodes"][0]["outputs"] == ["result"]


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "one", "two"],
        ["runs", "diff", "one"],
        ["runs", "diff", "one", "two"],
        ["runs", "diff", "one", "two", "three"],
        ["runs", "--timeline"],
        ["runs", "--why", "node"],
        ["runs", "--since", "soon"],
    ],
)
def test_wrong_words_end_with_2(words: list[str], capsys: Out) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1
