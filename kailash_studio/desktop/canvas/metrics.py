"""Sizes of the drawing in scene units; at 100 % zoom one unit is one pixel."""

from __future__ import annotations

WIDTH = 214.0
HEAD = 52.0
ROW = 22.0
FOOT = 28.0
RADIUS = 10.0
MARGIN = 12.0
"""Room around a card for its shadow, its glow and its ports."""

GRID = 8
DOTS = 24
"""Distance of the dots in the background."""

PORT = 10.0
PORT_REACH = 11.0
"""How far from a port's middle a press still takes the port."""
SNAP = 18.0
"""How far from a port's middle the end of a connection snaps to it."""
LINE_REACH = 6.0
FAILURE_X = 32.0
"""Where on a card's bottom edge its failure port is, from which its fallback is drawn."""

ZOOM_MIN, ZOOM_MAX = 0.05, 2.5
FAR = 0.28
"""Below this zoom, cards and connections are painted in batches, without details."""
SMALL = 0.45
"""Below this zoom, a card shows its title alone, larger."""


def height(rows: int, has_badges: bool) -> float:
    """Height of a card with so many rows of ports."""
    return HEAD + max(rows, 1) * ROW + 6 + (FOOT if has_badges else 4)


def port_y(index: int) -> float:
    """Middle of a row of ports, from the card's top."""
    return HEAD + 4 + index * ROW + ROW / 2


def snapped(value: float) -> float:
    """The nearest line of the grid."""
    return float(round(value / GRID) * GRID)
