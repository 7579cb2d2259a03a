"""``kailash-studio nodes``: the node types that are installed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.errors import ParameterError
from kailash_studio.spec.reference import reference_page, summary
from kailash_studio.spec.registry import Registry, installed_node_types


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("type", nargs="?", metavar="TYPE", help="node type whose reference page is shown")
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="write the reference page of each type there")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(chosen: argparse.Namespace) -> int:
    """Print the list, or one page."""
    registry = installed_node_types()
    for finding in registry.findings:
        print(f"kailash-studio: {finding.sentence}", file=sys.stderr)
    if chosen.pages:
        _write_pages(chosen.pages, registry)
        return ExitStatus.SUCCEEDED
    if chosen.type:
        node_type = registry.get(chosen.type)
        if chosen.json:
            from kailash_studio.spec.schema import parameters_schema

            print(json.dumps(parameters_schema(node_type), indent=2))
        else:
            print(reference_page(node_type), end="")
        return ExitStatus.SUCCEEDED
    if chosen.json:
        listed = [
            {"type": t.type_name(), "title": t.title, "category": t.category, "doc": summary(t)} for t in registry
        ]
        print(json.dumps(listed, indent=2))
        return ExitStatus.SUCCEEDED
    width = max((len(t.type_name()) for t in registry), default=0)
    category = ""
    for node_type in registry:
        if node_type.category != category:
            category = node_type.category
            print(category)
        print(f"  {node_type.type_name():<{width}}  {summary(node_type)}")
    return ExitStatus.SUCCEEDED


def _write_pages(folder: Path, registry: Registry) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for node_type in registry:
            page = folder / f"{node_type.type_name()}.md"
            page.write_text(reference_page(node_type), encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"The pages cannot be written to {folder}: {error.strerror or error}.") from None
