"""Lists of dead letters: pages, groups, and what a search costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes.journal_events import succeeded

from kailash_studio.resilience.dead_letter import DeadLetter, FailedAttempt
from kailash_studio.runtime.journal.journal import Journal


def letter(number: int, error: str = "down", node: str = "n") -> DeadLetter:
    return DeadLetter.of(
        run_id="r", workflow="w", document_hash="", node=node, node_type="T", timestamp=float(number), error=error,
        error_class="ConnectionError", code="", attempts=(FailedAttempt(1, 1.0, 0.5, error, None),), inputs={},
    )  # fmt: skip


def test_letters_that_failed_alike_stand_together(journal: Journal) -> None:
    letters = [letter(100 + number, f"host {number} is down") for number in range(5)]
    letters += [letter(90, "no such table", "m"), letter(203, "no such table", "m")]
    journal.take("r", [succeeded("r", 0)], lambda node: {}, letters).wait(10)
    found = journal.dead_letter_groups()
    assert [(g.count, g.node, g.error, g.first, g.last) for g in found] == [
        (5, "n", "host 4 is down", 100.0, 104.0),
        (2, "m", "no such table", 90.0, 203.0),
    ]
    assert [g.node for g in journal.dead_letter_groups(text="TABLE")] == ["m"]
    assert journal.dead_letter_groups(state="resolved") == []
    assert journal.dead_letter_rate(100.0, 2.0) == [(100.0, 2), (102.0, 2), (104.0, 1), (202.0, 1)]


def test_a_group_tells_of_which_workflows_it_is(journal: Journal) -> None:
    of = [("sql", 1, "down"), ("prev", 2, "down"), ("sql", 3, "no such table"), ("sql", 4, "no such table")]
    letters = [replace(letter(when, error), workflow=workflow) for workflow, when, error in of]
    journal.take("r", [succeeded("r", 0)], lambda node: {}, letters).wait(10)
    found = {g.error: (g.workflow, g.workflows) for g in journal.dead_letter_groups()}
    assert found == {"down": ("prev", 2), "no such table": ("sql", 1)}


def test_pages_of_letters_of_one_moment_neither_repeat_nor_miss_one(journal: Journal) -> None:
    letters = [replace(letter(5), id=f"{number:032x}") for number in range(50)]
    journal.take("r", [succeeded("r", 0)], lambda node: {}, letters).wait(10)
    paged = [one.id for offset in range(0, 50, 7) for one in journal.dead_letters(limit=7, offset=offset)]
    assert paged == sorted(one.id for one in letters)


def test_a_search_among_letters_reads_the_index_alone(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[Any, ...]]] = []
    read = journal._read
    monkeypatch.setattr(journal, "_read", lambda text, *values: asked.append((text, values)) or read(text, *values))
    journal.dead_letters(text="x", offset=100)
    journal.count_dead_letters(text="x", workflow="w", node="n")
    journal.dead_letter_groups(text="x")
    for text, values in asked[:1] + [(a, b) for a, b in asked[1:] if "count" in a]:
        plan = [row[3] for row in read(f"EXPLAIN QUERY PLAN {text}", *values)]
        looked = [step for step in plan if "dead_letters" in step]
        assert any("COVERING INDEX letters_by_state" in step for step in looked), plan
        others = [step for step in looked if "COVERING INDEX letters_by_state" not in step]
        assert all("PRIMARY KEY (id=?)" in step for step in others), plan
