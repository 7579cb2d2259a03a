"""JSONReaderNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kailash_studio.nodes.named_files import file_of
from kailash_studio.services.table_files.first_rows import first_of_json
from kailash_studio.services.table_files.json_rows import read_json
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Output, Table


class JSONReaderNode(Node):
    """Read rows from a JSON file.

    The file holds a list of records, at its top or somewhere inside, or a record on each line (``.jsonl``,
    ``.ndjson``). Keys that a record lacks are null. Dates in JSON are text: a cast makes dates of them.
    FileWriterNode writes JSON.

    Example: path ``answer.json``, inside ``result.items``.

    Errors: a file that is not there or is not JSON (the sentence has the line), no list where it should be, a column
    with values of several types, unless these become text.
    """

    category = "Data"
    icon = "braces"
    effect = "reads"
    keywords = ("file", "import", "load", "jsonl", "ndjson", "records")
    execution = "thread"

    path: str = Parameter(doc="File to read.", editor="file", placeholder="answer.json", port=True)
    inside: str = Parameter(
        "", doc="Where the list is in the document; empty means at its top.", placeholder="data.items"
    )
    if_mixed: Literal["fail", "text"] = Parameter("fail", doc="What happens to a column with values of several types.")

    data = Output(Table, "One row for each record.")

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Reads a file."""
        return [f"reads {file_of(parameters.get('path'))}"]

    def run(self, context: RunContext) -> Outputs:
        """The rows of the file."""
        return {"data": read_json(context.path(self.path), self.inside, mixed_as_text=self.if_mixed == "text")}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows of the file."""
        as_text = self.if_mixed == "text"
        return {"data": first_of_json(context.path(self.path), self.inside, most, mixed_as_text=as_text)}
