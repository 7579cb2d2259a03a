"""Records that hold tables are kept as tables: whole, without records being made, and with secrets hidden."""

from __future__ import annotations

import pytest

from kailash_studio.runtime.journal import contents
from kailash_studio.services.credentials.redaction import Redactor
from kailash_studio.tables.table import Table


def table(rows: int) -> Table:
    return Table.of([{"i": i, "name": f"n{i}"} for i in range(rows)])


def test_a_record_with_tables_comes_back_equal_with_its_keys_in_order() -> None:
    value = {"data": table(3), "row_count": 3, "other": table(1), "columns": ["i", "name"]}
    data = contents.encode(value)
    assert data is not None
    back = contents.decode(data)
    assert back == value
    assert list(back) == list(value)
    assert isinstance(back["data"], Table)


def test_a_table_that_a_node_gives_twice_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = contents.ipc.to_bytes
    monkeypatch.setattr(contents.ipc, "to_bytes", lambda *words, **named: (calls.append(1), real(*words, **named))[1])
    given, known = table(3), dict[int, tuple[Table, bytes | None]]()
    first = contents.encode({"data": given}, None, known)
    second = contents.encode(given, None, known)
    assert len(calls) == 1
    assert first is not None
    assert second is not None
    assert contents.decode(first)["data"] == contents.decode(second) == given


def test_a_secret_in_a_table_of_a_record_is_hidden_and_the_record_is_marked() -> None:
    redactor = Redactor(lambda name: "n2-secret")
    redactor.secret("password")
    value = {"data": Table.of([{"name": "n1"}, {"name": "n2-secret"}]), "row_count": 2}
    data = contents.encode(value, redactor)
    assert data is not None
    assert b"n2-secret" not in data
    assert "n2-secret" not in str(contents.decode(data))
    with pytest.raises(contents.MaskedError):
        contents.decode(data, masked=False)


@pytest.mark.parametrize("cut", [1, 9, 30, -1, -9])
def test_damaged_bytes_are_told(cut: int) -> None:
    data = contents.encode({"data": table(3), "n": 1})
    assert data is not None
    with pytest.raises((ValueError, contents.zlib.error)):
        contents.decode(data[: len(b"PARTS\n") + cut] if cut > 0 else data[:cut])


def test_a_record_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES", 2000)
    assert contents.encode({"data": table(1000)}) is None
