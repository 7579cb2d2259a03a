"""``kailash-studio schema``: the JSON Schema of workflow files, with the node types that are installed."""

from __future__ import annotations

import argparse
import json

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.schema import workflow_schema


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command: there are none."""


def execute(chosen: argparse.Namespace) -> int:
    """Print it."""
    print(json.dumps(workflow_schema(installed_node_types()), indent=2))
    return ExitStatus.SUCCEEDED
