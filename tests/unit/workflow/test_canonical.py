"""The file: canonical text, edits that undo exactly, layout apart from the rest."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from kailash_studio.errors import DocumentError
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow import commands
from kailash_studio.workflow.commands import Edit
from kailash_studio.workflow.history import History
from kailash_studio.workflow.reader import read, read_file
from kailash_studio.workflow.workflow import Connection, Workflow
from kailash_studio.workflow.writer import write

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "resources" / "examples").glob("*.kailash.json"))
TYPES = [node_type.type_name() for node_type in installed_node_types()]


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_opened_and_saved_an_example_is_the_same_bytes(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    read_file(path).workflow.save(copy)
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_order_of_building_does_not_show(path: Path) -> None:
    workflow = read_file(path).workflow
    text = write(workflow)
    shuffled = Workflow(
        name=workflow.name,
        description=workflow.description,
        parameters=workflow.parameters,
        nodes=dict(reversed(workflow.nodes.items())),
        connections=dict(reversed(workflow.connections.items())),
        positions=dict(reversed(workflow.positions.items())),
        notes=workflow.notes,
        frames=workflow.frames,
        extra=workflow.extra,
    )
    assert write(shuffled) == text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_moving_a_node_changes_only_the_layout_and_only_its_line(path: Path) -> None:
    workflow = read_file(path).workflow
    before = write(workflow)
    node_id = next(iter(workflow.nodes))
    commands.apply(workflow, commands.move_nodes(workflow, {node_id: (1234.567, -5.0)}))
    after = write(workflow)
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    first, second = json.loads(before), json.loads(after)
    first.pop("layout"), second.pop("layout")
    assert first == second
    assert json.loads(after)["layout"]["nodes"][node_id] == [1234.57, -5]


def random_edit(workflow: Workflow, rng: random.Random) -> Edit | None:
    """One of all commands, on what is there."""
    nodes, connections = list(workflow.nodes), list(workflow.connections)
    some = rng.sample(nodes, min(len(nodes), rng.randint(1, 3)))
    try:
        match rng.choice(
            ["add", "add", "add", "connect", "connect", "set", "set", "reset", "policy", "fallback", "move", "move",
             "remove", "disconnect", "rename", "rename", "paste", "name", "parameter"]
        ):  # fmt: skip
            case "add":
                return commands.add_node(workflow, rng.choice(TYPES), (rng.uniform(-900, 900), rng.uniform(-900, 900)))[
                    1
                ]
            case "connect":
                a, b = rng.choice(nodes), rng.choice(nodes)
                return commands.connect(workflow, Connection(a, rng.choice(["data", "result"]), b, rng.choice("xyz")))
            case "set":
                value = rng.choice(
                    [1, -2.5, None, True, "text", "two\nlines\n", [1, {"a": 2}], {"$parameter": "p"}, "ä\u2028"]
                )
                return commands.set_parameter(workflow, rng.choice(nodes), rng.choice(["a", "b", "code"]), value)
            case "reset":
                return commands.reset_parameter(workflow, rng.choice(nodes), rng.choice(["a", "b", "code"]))
            case "policy":
                value = rng.choice([None, {"max_retries": rng.randint(0, 5)}, {}])
                return commands.set_resilience(workflow, rng.choice(nodes), "retry", value)
            case "fallback":
                return commands.set_resilience(workflow, rng.choice(nodes), "fallback", rng.choice([*nodes, None]))
            case "move":
                return commands.move_nodes(workflow, {node: (rng.uniform(-9, 9), rng.uniform(-9, 9)) for node in some})
            case "remove":
                return commands.remove_nodes(workflow, some)
            case "disconnect":
                return commands.disconnect(workflow, [rng.choice(connections)])
            case "rename":
                return commands.rename_node(workflow, rng.choice(nodes), f"renamed_{rng.randint(0, 40)}")
            case "paste":
                piece = commands.fragment(workflow, some)
                return commands.paste(workflow, piece, (rng.uniform(-50, 50), 30))[1]
            case "name":
                return commands.set_information(workflow, rng.choice(["name", "description"]), str(rng.random()))
            case _:
                declaration = rng.choice([None, {"type": "number", "default": rng.randint(0, 9)}])
                return commands.declare_parameter(workflow, rng.choice("pq"), declaration)
    except (IndexError, DocumentError):
        return None  # there was nothing to choose from, or the id is taken


@pytest.mark.parametrize("seed", range(6))
def test_a_random_walk_of_500_edits_undone_gives_the_first_bytes_and_redone_the_last(seed: int) -> None:
    rng = random.Random(seed)
    workflow = read_file(EXAMPLES[0]).workflow
    first = write(workflow)
    history = History(workflow)
    made = 0
    while made < 500:
        edit = random_edit(workflow, rng)
        if edit is None:
            continue
        history.do(edit)
        made += 1
        if rng.random() < 0.05:
            history.close_step()
        if rng.random() < 0.1:
            present = write(workflow)
            steps = rng.randint(1, 4)
            done = 0
            while done < steps and history.undo_label:
                history.undo()
                done += 1
            for _ in range(done):
                history.redo()
            assert write(workflow) == present
        if made % 50 == 0:
            text = write(workflow)
            assert write(read(text).workflow) == text, "any state is written and read alike"
            # a node that is gone is named by no fallback that a command could have mended
    last = write(workflow)
    assert last != first
    while history.undo_label:
        history.undo()
    assert write(workflow) == first
    assert not history.dirty
    while history.redo_label:
        history.redo()
    assert write(workflow) == last


def test_a_fallback_follows_its_node_when_it_is_renamed_removed_and_pasted() -> None:
    workflow = Workflow()
    for node_id in ("main", "spare"):
        commands.apply(workflow, commands.add_node(workflow, "PythonCodeNode", (0, 0), node_id=node_id)[1])
    commands.apply(workflow, commands.set_resilience(workflow, "main", "fallback", "spare"))
    history = History(workflow)
    history.do(commands.rename_node(workflow, "spare", "plan_b"))
    assert workflow.nodes["main"].resilience == {"fallback": "plan_b"}
    made, edit = commands.paste(workflow, commands.fragment(workflow, ["main", "plan_b"]), (10, 10))
    history.do(edit)
    assert workflow.nodes[made[0]].resilience == {"fallback": made[1]}
    alone, edit = commands.paste(workflow, commands.fragment(workflow, ["main"]), (20, 20))
    history.do(edit)
    assert workflow.nodes[alone[0]].resilience == {}, "a copy without its fallback does not take the original's"
    history.do(commands.remove_nodes(workflow, ["plan_b"]))
    assert workflow.nodes["main"].resilience == {}
    history.undo()
    assert workflow.nodes["main"].resilience == {"fallback": "plan_b"}


def test_what_is_saved_is_told_from_what_is_not() -> None:
    workflow = Workflow()
    history = History(workflow)
    history.do(commands.set_information(workflow, "name", "a"))
    assert history.dirty
    history.mark_saved()
    history.do(commands.set_information(workflow, "name", "b"))
    history.undo()
    assert not history.dirty
    history.undo()
    assert history.dirty
    history.do(commands.set_information(workflow, "name", "c"))
    history.undo()
    assert history.dirty, "what was saved can no longer be reached"
