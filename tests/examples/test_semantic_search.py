"""The shipped example of semantic search, as shipped, on the embedded database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.folders import resources
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.reader import read_file

EXAMPLE = resources() / "examples" / "semantic_search.kailash.json"
QUESTIONS = [
    ("What may a junior trader buy without approval?", "Trading limits and approvals"),
    ("Can I buy shares for myself?", "Personal account dealing"),
    ("How liquid must a fund be when investors redeem?", "Liquidity risk of funds"),
    ("a broker invited me to dinner", "Gifts and entertainment"),
    ("headquarters on fire: where do we work?", "Disaster recovery and working from the second site"),
    ("gold price in a crisis", "Gold as insurance"),
    ("What happens when securities are not delivered?", "Settlement failures and how to mend them"),
    ("How is the performance fee computed?", "Fees and how they are charged"),
    ("My father died and we had a joint account", "Letter to clients: inheritance and joint accounts"),
    ("hedging the yen and the euro", "Currency hedging"),
    ("suspicious money of a new client", "Anti-money laundering checks of new clients"),
    ("When is the net asset value published?", "Calculation of net asset value"),
]


def asked(*parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The search's outputs for each set of parameters, in one runtime."""

    async def work() -> list[dict[str, Any]]:
        workflow = read_file(EXAMPLE).workflow
        runtime = AsyncLocalRuntime()
        outcomes = [(await runtime.run(workflow, given))[0] for given in parameters]
        assert [outcome.state for outcome in outcomes] == ["succeeded"] * len(parameters)
        return [outcome.results["search"] for outcome in outcomes]

    return asyncio.run(work())


def test_it_finds_the_right_documents(with_database: Path) -> None:
    found = asked(*({"question": question} for question, _ in QUESTIONS))
    titles = [[match["metadata"]["title"] for match in one["matches"]] for one in found]
    assert [len(one) for one in titles] == [5] * len(QUESTIONS)
    right = [title for _, title in QUESTIONS]
    assert all(title in one for title, one in zip(right, titles, strict=True))
    not_first = [title for title, one in zip(right, titles, strict=True) if one[0] != title]
    assert not_first == ["Gifts and entertainment"]  # "invited" and "invitations" share too little for hashed words


def test_the_default_question_and_a_filter(with_database: Path) -> None:
    plain, filtered, few = asked(
        {},
        {"question": "liquidity of funds", "which": "metadata->>'category' = 'research'"},
        {"which": "metadata->>'category' = 'client letter' AND metadata->>'published_on' >= '2009-05-01'"},
    )
    assert plain["matches"][0]["metadata"]["title"] == "Trading limits and approvals"
    assert plain["matches"][0]["content"].startswith("A trader may place orders")
    assert {match["metadata"]["category"] for match in filtered["matches"]} == {"research"}
    assert few["result"]["note"] == "Only 1 of the 5 rows that were asked for match the filter."


@pytest.mark.parametrize("node_id", sorted(read_file(EXAMPLE).workflow.nodes))
def test_it_touches_the_embedded_database_and_nothing_else(node_id: str) -> None:
    node = read_file(EXAMPLE).workflow.nodes[node_id]
    effects = installed_node_types().get(node.type).effects_of(node.parameters)
    assert all("embedded database" in effect for effect in effects)
