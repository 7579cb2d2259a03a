"""The preview of the node that is being edited: the strip, and in the window with a real engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes.stalls import StallMeter
from fakes.waiting import Sit, until
from PySide6.QtCore import Qt

from kailash_studio.desktop.inspector.preview_strip import COLUMNS, PreviewStrip
from kailash_studio.desktop.window import MainWindow

_RIGHT, _LEFT = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft


def page(rows: int, columns: int = 2) -> dict[str, Any]:
    names = [f"c{number}" for number in range(columns)]
    cells = [[str(row), *[None if row % 2 else f"text {row}"] * (columns - 1)] for row in range(rows)]
    types = ["integer", *["text"] * (columns - 1)]
    return {"kind": "table", "columns": names, "types": types, "rows": cells, "total": rows}


def told(rows: int, *, more: bool = False, whole: bool = True, kind: str = "run", columns: int = 2) -> dict[str, Any]:
    outputs = {"data": page(rows, columns)}
    return {"outputs": outputs, "more": ["data"] if more else [], "whole": whole, "kind": kind}


@pytest.fixture
def strip(theme: Any, shown: Any) -> PreviewStrip:
    made: PreviewStrip = shown(PreviewStrip(theme))
    made.resize(900, 220)
    return made


@pytest.mark.parametrize(
    ("answer", "caption"),
    [
        (told(3), "data: 3 rows"),
        (told(1), "data: 1 row"),
        (told(100), "data: first 50 rows of 100"),
        (told(100, more=True), "data: first 50 rows"),
        (told(7, more=True, whole=False), "data: first 7 rows, made of the first rows of its inputs"),
        (told(100, more=True, kind="read"), "In the file: first 50 rows"),
        (told(4, kind="written"), "Would be written: 4 rows"),
        (told(4, columns=1_000), "data: 4 rows, 60 of 1,000 columns"),
    ],
)
def test_the_caption_says_what_is_shown_and_no_more(strip: PreviewStrip, answer: Any, caption: str) -> None:
    strip.show_preview(answer)
    assert strip.caption.whole == caption
    assert strip.table.rowCount() == min(50, answer["outputs"]["data"]["total"])
    assert strip.table.columnCount() <= COLUMNS


def test_nulls_are_dim_and_headers_stand_over_their_cells(strip: PreviewStrip, theme: Any) -> None:
    strip.show_preview(told(3))
    null, text = strip.table.item(1, 1), strip.table.item(0, 1)
    assert null is not None
    assert text is not None
    assert (null.text(), null.foreground().color()) == ("null", theme.colour("text3"))
    assert (text.text(), text.foreground().color() == theme.colour("text3")) == ("text 0", False)
    for column, side in ((0, _RIGHT), (1, _LEFT)):
        head, cell = strip.table.horizontalHeaderItem(column), strip.table.item(0, column)
        assert head is not None
        assert cell is not None
        assert head.textAlignment() & side
        assert cell.textAlignment() & side
    strip.show_preview({"problem": "There is no column 'x'."})
    assert not strip.table.isVisible()
    assert strip.wrong.text() == "There is no column 'x'."
    strip.show_preview(told(2))
    assert not strip.wrong.isVisible()


def test_a_wide_preview_holds_nothing_up(strip: PreviewStrip, run: Any) -> None:
    answer = told(100, columns=3_000)

    async def look() -> None:
        with StallMeter(strip) as meter:
            for _ in range(3):
                strip.show_preview(answer)
                await asyncio.sleep(0)
        assert strip.table.columnCount() == COLUMNS
        assert meter.computed < 0.3

    run(look())


# ---------------------------------------------------------------------- in the window
def test_a_reader_shows_its_file_before_any_run_and_others_say_what_they_wait_for(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n2,\n3,z\n")
    (tmp_path / "b.csv").write_text("other\n7\n")

    async def sitting() -> None:
        session, strip = window.session, window.inspector.preview
        reader = session.add_node("CSVReaderNode", (0, 0))
        window.canvas.select([reader])
        session.set_parameter(reader, "path", str(tmp_path / "a.csv"))
        await until(lambda: strip.caption.whole == "In the file: 3 rows")
        assert strip.isVisible()
        session.set_parameter(reader, "path", str(tmp_path / "b.csv"))
        await until(lambda: strip.caption.whole == "In the file: 1 row")
        session.set_parameter(reader, "path", str(tmp_path / "none.csv"))
        await until(lambda: "There is no file" in strip.wrong.text())
        session.set_parameter(reader, "path", str(tmp_path / "a.csv"))
        kept = session.add_node("FilterRowsNode", (300, 0), {"column": "id", "operator": ">", "value": 1})
        assert not session.connect_ports(reader, "data", kept, "rows")
        writer = session.add_node("FileWriterNode", (600, 0), {"path": str(tmp_path / "out.csv")})
        assert not session.connect_ports(reader, "data", writer, "data")
        window.canvas.select([kept])
        await until(lambda: strip.note.text() == "Run the workflow once to see a preview.")
        window.runs.start()
        await until(lambda: window.runs.current is not None and not window.runs.running)
        await until(lambda: strip.caption.whole == "data: 2 rows")
        session.set_parameter(kept, "value", 2)
        await until(lambda: strip.caption.whole == "data: 1 row")
        (tmp_path / "out.csv").unlink()
        window.canvas.select([writer])
        await until(lambda: strip.caption.whole == "Would be written: 3 rows")
        assert not (tmp_path / "out.csv").exists()
        assert window.rows._shown[0] in {writer, reader}, "the data panel follows the selection"

    sit(sitting)


def test_a_workflow_from_elsewhere_shows_no_file_before_it_may_run(
    sit: Sit, window: MainWindow, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")

    async def sitting() -> None:
        reader = window.session.add_node("CSVReaderNode", (0, 0), {"path": str(tmp_path / "a.csv")})
        window.session.trusted = False
        window.canvas.select([reader])
        strip = window.inspector.preview
        await until(lambda: "once you have let it run" in strip.note.text())
        assert not strip.table.isVisible()

    sit(sitting)


def test_an_engine_that_refuses_is_heard(sit: Sit, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sitting() -> None:
        reader = window.session.add_node("CSVReaderNode", (0, 0), {"path": "a.csv"})
        asked = window.engine.request

        async def unknown(do: str, **words: Any) -> dict[str, Any]:
            return await asked("unheard_of" if do == "preview_reading" else do, **words)

        monkeypatch.setattr(window.engine, "request", unknown)
        window.canvas.select([reader])
        await until(lambda: "unheard_of" in window.inspector.preview.wrong.text())

    sit(sitting)
