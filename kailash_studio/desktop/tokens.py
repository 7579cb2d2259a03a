"""The design tokens: every colour of the window, for both themes, and what nodes and ports are coloured by.

No other module of the desktop names a colour; a test looks for that, and another computes the contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DARK: Final[Mapping[str, str]] = {
    "canvas": "#0E1116",
    "window": "#12161C",
    "panel": "#161B22",
    "raised": "#1D232C",
    "hover": "#242C37",
    "border": "#262D38",
    "border2": "#3A4553",
    "text": "#E8ECF2",
    "text2": "#A3AEBD",
    "text3": "#8793A3",
    "accent": "#5B8DEF",
    "accent_hi": "#79A4F7",
    "accent_bg": "#1E2B45",
    "fill": "#3A6BD8",
    "fill_hi": "#3263D0",
    "on_accent": "#FFFFFF",
    "node": "#1A2029",
    "node_head": "#1F2630",
    "dot": "#2A323D",
    "green": "#3FBF8A",
    "amber": "#E6AE4B",
    "red": "#EF6B6B",
    "purple": "#A68BFA",
    "teal": "#35C9C2",
    "pink": "#E879B4",
    "blue": "#5B8DEF",
    "shadow": "#000000",
}

LIGHT: Final[Mapping[str, str]] = {
    "canvas": "#F3F5F8",
    "window": "#E9ECF1",
    "panel": "#FFFFFF",
    "raised": "#F6F8FA",
    "hover": "#EDF1F6",
    "border": "#DCE2EA",
    "border2": "#BCC6D3",
    "text": "#17202B",
    "text2": "#4B5867",
    "text3": "#5A6675",
    "accent": "#2F6BE0",
    "accent_hi": "#1F57C4",
    "accent_bg": "#E3EDFF",
    "fill": "#2F6BE0",
    "fill_hi": "#1F57C4",
    "on_accent": "#FFFFFF",
    "node": "#FFFFFF",
    "node_head": "#F8FAFC",
    "dot": "#D3DAE3",
    "green": "#0F7F53",
    "amber": "#945B00",
    "red": "#C73535",
    "purple": "#7049E0",
    "teal": "#0A7B78",
    "pink": "#C23C86",
    "blue": "#2F6BE0",
    "shadow": "#5B6B80",
}

THEMES: Final[Mapping[str, Mapping[str, str]]] = {"dark": DARK, "light": LIGHT}

CATEGORIES: Final[Mapping[str, str]] = {
    "Data": "blue",
    "API": "pink",
    "AI": "purple",
    "Code": "green",
    "Logic": "amber",
    "Tables": "teal",
    "Enterprise": "teal",
    "Security": "teal",
    "Resilience": "red",
}

DATA_TYPES: Final[Mapping[str, str]] = {
    "any": "text2",
    "table": "blue",
    "record": "teal",
    "list": "purple",
    "text": "green",
    "number": "amber",
    "boolean": "pink",
    "bytes": "pink",
    "file": "green",
    "error": "red",
}
