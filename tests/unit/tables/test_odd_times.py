"""Times that Python has no value for, or pandas alone: they are shown, profiled, filtered, and cost nobody else."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from kailash_studio.errors import TableError
from kailash_studio.runtime.pages import page_of
from kailash_studio.tables.evaluation import condition
from kailash_studio.tables.expression import parse
from kailash_studio.tables.order import Look, rows_in_order
from kailash_studio.tables.profile import profile_of
from kailash_studio.tables.records import cells_of
from kailash_studio.tables.table import Table

ENDLESS = 2**63 - 1
_WITHOUT_PANDAS = """
import json, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ImportError(name)

sys.meta_path.insert(0, Hidden())
import pyarrow as pa
from kailash_studio.runtime.pages import page_of
from kailash_studio.tables.profile import profile_of
from kailash_studio.tables.table import Table

whole = pa.array([1_500, 86_399_999_999_999, None], pa.int64())
table = pa.table({"time": whole.view(pa.time64("ns")), "moment": whole.view(pa.timestamp("ns")), "id": [1, 2, 3]})
told = {p["name"]: [p["min"], p["max"], p["top"]] for p in profile_of(table)}
print(json.dumps({"rows": page_of(Table(table), 0, 9)["rows"], "told": told}))
"""


def moments(*microseconds: int | None, zone: str | None = None) -> Any:
    return pa.array(microseconds, pa.int64()).view(pa.timestamp("us", zone))


def test_an_endless_time_is_a_text_and_the_other_cells_stay_times() -> None:
    endless = [ENDLESS, -ENDLESS, 0, None]
    assert cells_of(moments(*endless)) == ["infinity", "-infinity", dt.datetime(1970, 1, 1), None]
    zoned = cells_of(moments(*endless, 2**60, zone="UTC"))
    assert zoned == ["infinity", "-infinity", dt.datetime(1970, 1, 1, tzinfo=dt.UTC), None, zoned[4]]
    assert "1152921504606846976" in zoned[4]
    days = pa.array([2**31 - 1, 10_000_000, 0], pa.int32()).view(pa.date32())
    assert cells_of(days) == ["infinity", "29349-01-26", dt.date(1970, 1, 1)]
    nested = pa.StructArray.from_arrays([moments(ENDLESS, 0)], names=["until"])
    assert cells_of(nested) == [{"until": "infinity"}, {"until": dt.datetime(1970, 1, 1)}]
    listed = pa.ListArray.from_arrays([0, 1, 2], moments(ENDLESS, 0))
    assert cells_of(listed) == [["infinity"], [dt.datetime(1970, 1, 1)]]


def test_a_page_and_a_profile_hold_an_endless_time() -> None:
    table = pa.table({"until": moments(ENDLESS, 0, None), "id": [1, 2, 3]})
    page = page_of(Table(table), 0, 9)
    assert page["rows"] == [["infinity", "1"], ["1970-01-01 00:00:00", "2"], [None, "3"]]
    until, number = profile_of(table)
    assert (until["min"], until["max"], until["nulls"]) == ("1970-01-01 00:00:00", "infinity", 1)
    assert number["max"] == "3"


def test_nanoseconds_need_no_pandas() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_PANDAS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"][0] == ["00:00:00.000001", "1970-01-01 00:00:00.000001", "1"]
    assert told["rows"][2] == [None, None, "3"]
    assert told["told"]["moment"][:2] == ["1970-01-01 00:00:00.000001", "1970-01-01 23:59:59.999999"]
    assert told["told"]["id"][:2] == ["1", "3"]


def test_a_column_that_fails_says_so_and_the_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from kailash_studio.tables import profile

    def failing(column: Any) -> Any:
        if pa.types.is_string(column.type):
            raise OverflowError("value out of range")
        return real(column)

    real = profile._range
    monkeypatch.setattr(profile, "_range", failing)
    odd, number = profile_of(pa.table({"odd": ["a", "b"], "id": [1, 2]}))
    assert odd["trouble"] == "This column cannot be looked through: value out of range."
    assert (number["trouble"], number["max"]) == ("", "2")


NOONS = [dt.datetime(2023, 11, day, 12) for day in (13, 14, 15)]


@pytest.mark.parametrize(
    ("column", "operator", "values", "kept"),
    [
        ("zoned", "greater", ["2023-11-14"], [1, 2]),
        ("zoned", "between", ["2023-11-14", "2023-11-15 00:00"], [1]),
        ("zoned", "at_most", ["2023-11-14T13:00+01:00"], [0, 1]),
        ("zoned", "equals", ["2023-11-14 12:00"], [1]),
        ("plain", "less", ["2023-11-14T00:00Z"], [0]),
        ("day", "greater", ["2023-11-14 08:00"], [2]),
    ],
)
def test_a_filter_reads_a_time_as_a_node_does(column: str, operator: str, values: list[str], kept: list[int]) -> None:
    table = pa.table(
        {
            "zoned": pa.array(NOONS, pa.timestamp("us")).cast(pa.timestamp("us", "Europe/Berlin")),
            "plain": pa.array(NOONS),
            "day": [noon.date() for noon in NOONS],
        }
    )
    assert rows_in_order(table, Look.from_plain([], [[column, operator, values]])).to_pylist() == kept


def test_a_filter_that_is_no_time_names_the_form() -> None:
    table = pa.table({"at": moments(0, zone="UTC"), "t": [dt.time(8)]})
    with pytest.raises(TableError, match="at: 'soon' is no date: write it as '2024-05-31'"):
        rows_in_order(table, Look.from_plain([], [["at", "less", ["soon"]]]))
    with pytest.raises(TableError, match="t: 'soon' is no time: write it as '08:30'"):
        rows_in_order(table, Look.from_plain([], [["t", "less", ["soon"]]]))


@pytest.mark.parametrize(
    "text",
    [
        "at > time('2023-11-14')",
        "time('2023-11-14') < at",
        "at > date('2023-11-14')",
        "at >= '2023-11-14' and at == ns",
    ],
)
def test_a_time_with_a_zone_is_compared_with_one_without(text: str) -> None:
    noons = pa.array(NOONS, pa.timestamp("us"))
    zoned, fine = noons.cast(pa.timestamp("us", "Europe/Berlin")), noons.cast(pa.timestamp("ns", "UTC"))
    batch = pa.record_batch({"at": zoned, "ns": fine})
    assert condition(parse(text), batch).to_pylist() == [False, True, True]
