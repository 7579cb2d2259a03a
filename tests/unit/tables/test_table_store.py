"""Large tables in mapped files: the same rows, and nothing left over."""

from __future__ import annotations

import gc
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from kailash_studio.errors import NodeError, TableError
from kailash_studio.tables import store
from kailash_studio.tables.store import TableWriter, kept, mapped
from kailash_studio.tables.table import Table


def batch(**columns: object) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_above_the_cap_it_is_mapped_and_leaves_no_file(user_home: Path) -> None:
    numbers = pa.table({"n": range(300_000)})
    in_use = pa.total_allocated_bytes()
    with TableWriter(cap=100_000) as writer:
        for piece in numbers.to_batches(max_chunksize=50_000):
            writer.write(piece)
        assert len(list((user_home / "tables").iterdir())) == 1
        table = writer.finish()
    assert table.arrow.equals(numbers)
    assert pa.total_allocated_bytes() == in_use, "nothing of it lies in memory"
    assert list((user_home / "tables").iterdir()) == []
    assert table[299_999] == {"n": 299_999}
    part = table[10:20]
    del table
    gc.collect()
    assert part[0] == {"n": 10}, "a slice keeps the mapping"


def test_a_failure_leaves_no_file(user_home: Path) -> None:
    def work() -> None:
        with TableWriter(cap=0) as writer:
            writer.write(batch(a=[1]))
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        work()
    assert list((user_home / "tables").iterdir()) == []


@pytest.mark.parametrize("cap", [0, 2**20])
def test_wider_batches_widen_what_is_there(cap: int) -> None:
    with TableWriter(cap=cap) as writer:
        writer.write(batch(a=[None, None], b=[Decimal("1.5"), None]))
        writer.write(batch(b=[Decimal("22.25")], a=["x"]))
        writer.write(batch(a=["y"], c=[1]))
        table = writer.finish()
    assert table == [
        {"a": None, "b": Decimal("1.5"), "c": None},
        {"a": None, "b": None, "c": None},
        {"a": "x", "b": Decimal("22.25"), "c": None},
        {"a": "y", "b": None, "c": 1},
    ]


def test_types_that_do_not_go_together_are_refused() -> None:
    with TableWriter() as writer:
        writer.write(batch(a=[1]))
        with pytest.raises(TableError, match="same types"):
            writer.write(batch(a=["x"]))


def test_the_cap_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.VARIABLE, "0.5")
    assert store.memory_cap() == 2**19
    monkeypatch.setenv(store.VARIABLE, "much")
    with pytest.raises(NodeError, match="set it to a number of MiB"):
        store.memory_cap()
    monkeypatch.delenv(store.VARIABLE)
    assert store.memory_cap() == store.DEFAULT_MEBIBYTES * 2**20


def test_a_folder_that_cannot_be_written_says_what_to_do(user_home: Path) -> None:
    (user_home / "tables").write_text("in the way")
    with (
        TableWriter(cap=0) as writer,
        pytest.raises(NodeError, match=r"large table cannot be put into .*tables: .*make"),
    ):
        writer.write(batch(a=[1]))


def test_no_batch_and_no_rows() -> None:
    with TableWriter(pa.schema([("a", pa.int64())])) as writer:
        assert writer.finish().column_names == ["a"]
    with TableWriter() as writer:
        assert writer.finish() == []
    empty = mapped(pa.table({"a": pa.array([], pa.int64())}), lambda piece: piece.rename_columns(["b"]))
    assert (empty.column_names, len(empty)) == (["b"], 0)
    assert kept(pa.table({"a": [1]})) == Table.of([{"a": 1}])


def test_what_a_crashed_process_left_is_swept(user_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user_home / "tables").mkdir()
    (user_home / "tables" / "old.arrow").write_bytes(b"")
    monkeypatch.setattr(store, "_STALE_SECONDS", -1.0)
    with TableWriter(cap=0) as writer:
        writer.write(batch(a=[1]))
        assert not (user_home / "tables" / "old.arrow").exists()
        assert writer.finish() == [{"a": 1}]
