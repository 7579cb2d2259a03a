"""The look: contrasts are computed, colours are named in one module, icons exist, and both themes dress everything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QFontDatabase, QIcon, QImage
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from kailash_studio.desktop import style
from kailash_studio.desktop.actions import ACTIONS
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import MONO_FAMILY, UI_FAMILY, Theme
from kailash_studio.desktop.tokens import CATEGORIES, DARK, DATA_TYPES, LIGHT, THEMES
from kailash_studio.folders import resources
from kailash_studio.spec.registry import Registry

_DESKTOP = Path(style.__file__).parent
GROUNDS = ("canvas", "window", "panel", "raised", "hover", "node", "node_head")


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_the_one_of_wcag() -> None:
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


PAIRS = [
    *((text, ground, 4.5) for text in ("text", "text2", "text3") for ground in GROUNDS),
    *(("on_accent", ground, 4.5) for ground in ("fill", "fill_hi")),
    *((text, "accent_bg", 4.5) for text in ("text", "accent_hi")),
    # the log, code and sentences of problems are written in these
    *((text, ground, 4.5) for text in ("red", "amber", "green", "accent_hi") for ground in ("panel", "canvas")),
    *(("red", ground, 4.5) for ground in ("node", "raised")),
    # dots beside a word in the status line: graphics
    *((dot, "window", 3.0) for dot in ("red", "amber", "green", "accent")),
    # icons, ports, borders of state: graphics
    *((t, ground, 3.0) for t in {*CATEGORIES.values(), *DATA_TYPES.values()} for ground in ("node", "panel", "canvas")),
    *(("accent", ground, 3.0) for ground in ("panel", "raised", "canvas", "window")),
]


@pytest.mark.parametrize("name", THEMES)
def test_everything_written_can_be_read(name: str) -> None:
    tokens = THEMES[name]
    found = {(t, g): round(contrast(tokens[t], tokens[g]), 2) for t, g, _ in PAIRS}
    poor = [f"{t} on {g}: {found[t, g]} < {least}" for t, g, least in PAIRS if found[t, g] < least]
    assert poor == []


@pytest.mark.parametrize("name", THEMES)
def test_rules_that_name_text_and_ground_can_be_read(name: str) -> None:
    """Taken from the style sheet itself, so that a new rule is measured without a new line here."""
    tokens = THEMES[name]
    rules = re.findall(r"([^{}]+)\{([^}]*)\}", style._TEMPLATE.template)
    measured = {}
    for selector, body in rules:
        text = re.search(r"(?<![\w-])color: \$(\w+)", body)
        ground = re.search(r"background: \$(\w+)", body)
        if text and ground:
            measured[selector.strip()] = contrast(tokens[text[1]], tokens[ground[1]])
    assert len(measured) >= 6
    assert {selector: ratio for selector, ratio in measured.items() if ratio < 4.5} == {}


def test_both_themes_have_the_same_tokens_and_say_what_they_are() -> None:
    assert DARK.keys() == LIGHT.keys()
    assert all(re.fullmatch(r"#[0-9A-F]{6}", value) for theme in THEMES.values() for value in theme.values())
    assert {*CATEGORIES.values(), *DATA_TYPES.values()} <= DARK.keys()
    assert _luminance(DARK["canvas"]) < 0.1 < 0.8 < _luminance(LIGHT["canvas"])


# ---------------------------------------------------------------------- no colour elsewhere
_NAMED = {name for name in QColor.colorNames() if name != "transparent"}


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts of a module without its docstrings."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


_HEX = r"#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?(?:[0-9a-fA-F]{2})?\b"
_FUNCTION = r"\b(?:rgba?|hsla?)\(\s*\d"
_STYLE = r"(?:color|background|border)[\w-]*:((?:[^;}]*))"


def _is_colour(text: str) -> bool:
    names = {word for value in re.findall(_STYLE, text) for word in re.findall(r"(?<![$\w])[a-z]+", value)} & _NAMED
    return bool(re.search(_HEX, text) or re.search(_FUNCTION, text) or names)


def _makes_colour(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        inner = node.value
        return isinstance(inner, ast.Attribute) and inner.attr == "GlobalColor" and node.attr != "transparent"
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"QColor", "qRgb"}
    return named and isinstance(node, ast.Call) and any(isinstance(part, ast.Constant) for part in node.args)


def colours_in(source: str) -> list[str]:
    """Literal colours in a module: hex, CSS functions and names, Qt's named colours, QColor of numbers."""
    tree = ast.parse(source)
    found = [f"{line}: {text}" for line, text in _texts(tree) if _is_colour(text)]
    return found + [ast.unparse(node) for node in ast.walk(tree) if _makes_colour(node)]


@pytest.mark.parametrize(
    "source",
    ['x = "#1E2B45"', 'x = "color: red"', 'x = "rgb(1, 2, 3)"', "x = QColor(1, 2, 3)", "x = Qt.GlobalColor.white"],
)
def test_the_search_for_colours_finds_them(source: str) -> None:
    assert colours_in(source)


def test_no_module_but_the_tokens_names_a_colour() -> None:
    modules = [path for path in _DESKTOP.rglob("*.py") if path.name != "tokens.py"]
    assert len(modules) > 40
    found = {path.name: colours_in(path.read_text(encoding="utf-8")) for path in modules}
    assert {name: colours for name, colours in found.items() if colours} == {}


def test_icons_take_their_colour_from_the_theme() -> None:
    files = list((resources() / "icons").glob("*.svg"))
    assert len(files) > 40
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "currentColor" in text, file.name
        assert not re.search(r"#[0-9a-fA-F]{6}", text), file.name


# ---------------------------------------------------------------------- icons, fonts
def test_every_icon_that_is_named_exists(registry: Registry) -> None:
    named = {action.icon for action in ACTIONS} | {node_type.icon for node_type in registry}
    for path in _DESKTOP.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        named |= set(re.findall(r"\bicons?\.(?:icon|pixmap)\(\s*\"([a-z0-9-]+)\"", source))
    missing = {name for name in named if name and not (resources() / "icons" / f"{name}.svg").is_file()}
    assert missing == set()


def test_icons_are_drawn_in_the_colour_of_the_theme(theme: Theme, icons: Icons) -> None:
    def colours() -> set[str]:
        image: QImage = icons.pixmap("play", "accent", 24, 2.0).toImage()
        pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        return {pixel.name() for pixel in pixels if pixel.alpha() == 255}

    assert colours() == {DARK["accent"].lower()}
    theme.set_name("light")
    assert colours() == {LIGHT["accent"].lower()}
    assert not icons.icon("no-such-icon").isNull()
    assert icons.icon("play").pixmap(16, QIcon.Mode.Disabled).toImage() != icons.icon("play").pixmap(16).toImage()


def test_the_fonts_are_ours(qapp: QApplication) -> None:
    families = QFontDatabase.families()
    assert UI_FAMILY in families
    assert any(family.startswith(MONO_FAMILY) for family in families)


def test_an_applied_theme_dresses_widgets_and_changes(
    qapp: QApplication, theme: Theme, icons: Icons, shown: object
) -> None:
    own = Theme("light")
    before = qapp.palette(), qapp.styleSheet()
    try:
        own.apply(qapp)
        button = QPushButton("Run")
        button.setObjectName("primary")
        button.resize(120, 30)
        label = QLabel("text")
        seen = {}
        for name in ("light", "dark"):
            own.set_name(name)
            image = button.grab().toImage()
            seen[name] = image.pixelColor(10, image.height() // 2).name().upper()
            assert label.palette().windowText().color().name().upper() in {THEMES[name]["text"]}
        assert seen == {name: THEMES[name]["fill"] for name in seen}
    finally:
        qapp.setPalette(before[0])
        qapp.setStyleSheet(before[1])


def test_an_unknown_theme_is_the_dark_one() -> None:
    theme = Theme("sepia")
    assert theme.name == "dark"
    theme.set_name("none")
    assert theme.name == "dark"
