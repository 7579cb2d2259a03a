"""``kailash-studio demo``: the main job, on the embedded database and the sample data."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
from typing import Any

from kailash_studio.cli.main import command_name
from kailash_studio.cli.progress import Progress
from kailash_studio.cli.run import exit_status
from kailash_studio.errors import describe
from kailash_studio.folders import resources, user_data
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.workflow.reader import read_file

WORKFLOW = "portfolio_analysis.kailash.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("--no-window", action="store_true", help="do not offer to open the workflow in the window")


def execute(chosen: argparse.Namespace) -> int:
    """Run the shipped workflow, print the metrics, and say where its file is."""
    shipped = resources() / "examples" / WORKFLOW
    folder = user_data() / "demo"
    folder.mkdir(exist_ok=True)
    path = folder / WORKFLOW
    if not path.exists():  # a copy to play with; one that was edited is left alone
        shutil.copyfile(shipped, path)
    workflow = read_file(shipped).workflow
    runtime = AsyncLocalRuntime(on_events=Progress(sys.stderr, workflow.nodes).show, folder=folder)
    outcome, _ = asyncio.run(runtime.run(workflow))
    for node_id, error in outcome.failures.items():
        print(f"{node_id}: {describe(error)}", file=sys.stderr)
    if outcome.state == "succeeded":
        _print_metrics(outcome.results["calculate_metrics"]["result"])
    print(f"\nThe workflow: {path}\nRun it again:  {command_name()} run {path}")
    if outcome.state == "succeeded" and not chosen.no_window and sys.stdin.isatty():
        _offer_window(str(path))
    return exit_status(outcome)


def _print_metrics(metrics: dict[str, Any]) -> None:
    top = metrics["top_portfolio"]
    print(
        f"\nPortfolios:         {metrics['total_portfolios']:,}"
        f"\nTotal AUM:          ${metrics['total_aum']:,.2f}"
        f"\nAverage value:      ${metrics['avg_portfolio_value']:,.2f}"
        f"\nTop portfolio:      {top['client_name']}, ${top['current_value']:,.2f}"
    )


def _offer_window(path: str) -> None:
    import importlib.util

    if importlib.util.find_spec("PySide6") is None:
        return
    from kailash_studio.desktop.preflight import problem

    if problem() is None and input("Open it in the window? [Y/n] ").strip().lower() in {"", "y", "yes"}:
        subprocess.run([sys.executable, "-m", "kailash_studio", path], check=False)
