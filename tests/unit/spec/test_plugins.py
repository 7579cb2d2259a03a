"""A node type is added by dropping one file into a package, or by an entry point; everything else follows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DROPPED = '''
from kailash_studio import Input, Node, Output, Parameter
from kailash_studio.nodes.base import Outputs, RunContext
from kailash_studio.spec.port import Table


class SampleRowsNode(Node):
    """Keep some of the rows.

    Takes each n-th row, from the first on.
    """

    category = "Data"
    icon = "filter"

    step: int = Parameter(2, ge=1, le=1000, unit="rows", doc="Keep one row of so many.")

    rows = Input(Table, "Rows to choose from.")
    kept = Output(Table, "The rows that were kept.")

    def run(self, context: RunContext) -> Outputs:
        """Keep them."""
        return {"kept": list(context.inputs["rows"])[:: self.step]}
'''

BY_ENTRY_POINT = '''
from kailash_studio import node


@node(category="Finance", icon="sigma")
def moving_average(prices: list[dict], window: int = 3) -> list[dict]:
    """Add the moving average of the prices to each row."""
    return [{**row, "average": sum(r["price"] for r in prices[max(0, i - window + 1) : i + 1]) / min(window, i + 1)}
            for i, row in enumerate(prices)]
'''

LOOK = """
import json, sys
from kailash_studio.spec.form import form_rows
from kailash_studio.spec.reference import reference_page
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.schema import workflow_schema
name = sys.argv[1]
registry = installed_node_types()
found = registry.get(name)
from PySide6.QtWidgets import QApplication
app = QApplication([])
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.panels.palette import Palette
from kailash_studio.desktop.editing import palette_entries
from kailash_studio.desktop.inspector.form import Form
theme = Theme("dark"); icons = Icons(theme)
palette = Palette(theme, icons)
palette.set_types(palette_entries(registry), [])
item = palette.item_of(name)
form = Form(theme, icons)
form.show_rows(1, tuple(form_rows(found)), {}, {})
schema = workflow_schema(registry)
print(json.dumps({
    "palette": item.text(0) if item else None,
    "category": item.parent().text(0) if item else None,
    "form": [row.name for row in form_rows(found)],
    "titles": [form.row(row.name).title.text() for row in form_rows(found)],
    "schema": sorted(schema["$defs"][name]["properties"]),
    "page": reference_page(found),
    "findings": [finding.sentence for finding in registry.findings],
}))
form.deleteLater(); palette.deleteLater(); app.processEvents()
"""


def python(*words: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=path,
        env=os.environ | {"PYTHONPATH": str(path), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    """A checkout of the package with one file more in ``nodes/data``."""
    package = Path(__file__).resolve().parents[3] / "kailash_studio"
    copy = tmp_path / "checkout" / "kailash_studio"
    copy.mkdir(parents=True)
    for entry in package.iterdir():
        if entry.name not in {"nodes", "__pycache__"}:
            (copy / entry.name).symlink_to(entry)
    (copy / "nodes").mkdir()
    for entry in (package / "nodes").iterdir():
        if entry.name not in {"data", "__pycache__"}:
            (copy / "nodes" / entry.name).symlink_to(entry)
    (copy / "nodes" / "data").mkdir()
    for entry in (package / "nodes" / "data").glob("*.py"):
        (copy / "nodes" / "data" / entry.name).symlink_to(entry)
    (copy.parent / "resources").symlink_to(package.parent / "resources")
    (copy / "nodes" / "data" / "sample_rows.py").write_text(DROPPED, encoding="utf-8")
    return copy.parent


@pytest.fixture
def plugged(tmp_path: Path) -> Path:
    """A folder with an installed distribution that names two modules in the entry point group, one of them broken."""
    folder = tmp_path / "site"
    info = folder / "quant_nodes-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "quant_nodes.py").write_text(BY_ENTRY_POINT, encoding="utf-8")
    (folder / "broken_nodes.py").write_text("raise RuntimeError('half installed')\n", encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quant-nodes\nVersion: 1.0\n", encoding="utf-8")
    points = "[kailash_studio.nodes]\nquant = quant_nodes\nbroken = broken_nodes\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    return folder


def look(name: str, path: Path) -> dict[str, object]:
    done = python("-c", LOOK, name, path=path)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_one_file_dropped_into_a_package(dropped: Path) -> None:
    found = look("SampleRowsNode", dropped)
    assert found["palette"] == "Sample Rows"
    assert str(found["category"]).startswith("Data")
    assert found["form"] == found["schema"] == ["step"]
    assert "Takes each n-th row" in str(found["page"])
    listed = python("-m", "kailash_studio", "nodes", "SampleRowsNode", path=dropped)
    assert "Keep one row of so many." in listed.stdout
    assert "SampleRowsNode" in python("-m", "kailash_studio", "schema", path=dropped).stdout
    pages = python("-m", "kailash_studio", "nodes", "--pages", str(dropped / "pages"), path=dropped)
    assert pages.returncode == 0
    assert (dropped / "pages" / "SampleRowsNode.md").exists()


def test_one_entry_point_and_a_broken_one_beside_it(plugged: Path, tmp_path: Path) -> None:
    listed = python("-m", "kailash_studio", "nodes", path=plugged)
    (name,) = [
        word for line in listed.stdout.splitlines() for word in line.split() if word.lower().startswith("moving")
    ][:1]
    found = look(name, plugged)
    assert str(found["category"]).startswith("Finance")
    assert found["palette"]
    assert found["form"] == found["schema"] == ["window"]
    assert "moving average" in str(found["page"])
    assert "half installed" in str(found["findings"])
    (tmp_path / "prices.csv").write_text("price\n1\n2\n6\n", encoding="utf-8")
    code = (
        "from kailash_studio import LocalRuntime, WorkflowBuilder\n"
        "b = WorkflowBuilder()\n"
        f"b.add_node('CSVReaderNode', 'read', path={str(tmp_path / 'prices.csv')!r})\n"
        f"b.add_node('{name}', 'average', window=2)\n"
        "b.add_connection('read', 'average')\n"
        "print(LocalRuntime().execute(b)[0]['average']['result'])\n"
    )
    done = python("-c", code, path=plugged)
    assert "'average': 4.0" in done.stdout, done.stderr
