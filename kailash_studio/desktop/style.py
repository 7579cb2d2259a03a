"""The style sheet of the whole application, from tokens. Sizes follow a grid of 4, 8, 12, 16 px; rows are 28 px."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

_TEMPLATE = Template("""
* { outline: 0; }
QWidget { color: $text; font-family: 'Inter'; font-size: 13px; }
QMainWindow, QDialog { background: $window; }
QMessageBox, QFileDialog { background: $panel; }
QMainWindow::separator { background: $canvas; width: 5px; height: 5px; }
QMainWindow::separator:hover { background: $accent; }
QToolTip { background: $raised; color: $text; border: 1px solid $border2; padding: 5px 8px; }

QMenuBar { background: $window; padding: 2px 8px; }
QMenuBar::item { padding: 5px 9px; border-radius: 5px; color: $text2; background: transparent; }
QMenuBar::item:selected { background: $hover; color: $text; }
QMenu { background: $raised; border: 1px solid $border2; padding: 5px; border-radius: 8px; }
QMenu::item { padding: 6px 26px 6px 10px; border-radius: 5px; }
QMenu::item:selected { background: $fill; color: $on_accent; }
QMenu::item:disabled { color: $text3; }
QMenu::icon { padding-left: 8px; }
QMenu::separator { height: 1px; background: $border; margin: 5px 6px; }

QToolBar { background: $window; border: 0; border-bottom: 1px solid $border; padding: 7px 12px; spacing: 4px; }
QToolBar::separator { background: $border; width: 1px; margin: 6px 7px; }
QToolBar QLabel { background: transparent; }
QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 5px; color: $text2; }
QToolButton:hover { background: $hover; color: $text; }
QToolButton:pressed, QToolButton:checked { background: $accent_bg; color: $accent_hi; }
QToolButton:focus, QPushButton:focus { border: 1px solid $accent; }
QPushButton { background: $raised; border: 1px solid $border; border-radius: 6px; padding: 0 12px; min-height: 28px; }
QPushButton:hover { background: $hover; border-color: $border2; }
QPushButton:disabled { color: $text3; }
QPushButton#primary { background: $fill; border-color: $fill; color: $on_accent; font-weight: 600; padding: 0 16px; }
QPushButton#primary:hover { background: $fill_hi; border-color: $fill_hi; }
QPushButton#primary:disabled { background: $accent_bg; border-color: $accent_bg; color: $accent_hi; }
QPushButton#link { background: transparent; border: 0; color: $accent_hi; padding: 0; min-height: 20px;
    font-size: 12px; }
QPushButton#link:hover { color: $text; }
QPushButton#search_button { color: $text3; text-align: left; padding: 0 10px; }
QPushButton#seg { border-radius: 0; padding: 0 8px; color: $text2; min-height: 26px;
    font-size: 12px; }
QLineEdit#node_name { background: transparent; border: 1px solid transparent; padding: 0 4px; min-height: 22px;
    font-weight: 600; margin-left: -7px; }
QLineEdit#node_name:hover { border-color: $border2; }
QLineEdit#node_name:focus { border-color: $accent; background: $raised; }
QPushButton#seg[pos="first"] { border-top-left-radius: 6px; border-bottom-left-radius: 6px; }
QPushButton#seg[pos="last"] { border-top-right-radius: 6px; border-bottom-right-radius: 6px; }
QPushButton#seg[pos="mid"], QPushButton#seg[pos="last"] { margin-left: -1px; }
QPushButton#seg[pos="only"] { border-radius: 6px; }
QPushButton#seg:checked { background: $accent_bg; color: $accent_hi; font-weight: 600; border: 1px solid $accent; }

QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox { background: $raised; border: 1px solid $border; border-radius: 6px;
    padding: 0 9px; min-height: 28px; selection-background-color: $fill; selection-color: $on_accent; }
QLineEdit:hover, QComboBox:hover, QSpinBox:hover, QDoubleSpinBox:hover { border-color: $border2; }
QLineEdit:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus, QTextEdit:focus
    { border: 1px solid $accent; }
QLineEdit[invalid="true"], QSpinBox[invalid="true"], QDoubleSpinBox[invalid="true"], QPlainTextEdit[invalid="true"]
    { border: 1px solid $red; }
QComboBox::drop-down { border: 0; width: 24px; }
QComboBox::down-arrow { image: url($down); width: 12px; height: 12px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url($down); width: 10px; height: 10px; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url($up); width: 10px; height: 10px; }
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button
    { border: 0; width: 18px; background: transparent; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $border2; selection-background-color: $fill;
    selection-color: $on_accent; padding: 4px; }
QCheckBox { spacing: 8px; }
QCheckBox::indicator, QTreeView::indicator { width: 15px; height: 15px; background: $raised; }
QCheckBox::indicator, QTreeView::indicator { border: 1px solid $border2; border-radius: 4px; }
QCheckBox::indicator:checked, QTreeView::indicator:checked { background: $fill; image: url($tick); }
QCheckBox::indicator:checked, QTreeView::indicator:checked { border-color: $fill; }
QCheckBox::indicator:focus { border-color: $accent; }
QPlainTextEdit, QTextEdit { background: $canvas; border: 1px solid $border; border-radius: 6px; padding: 4px;
    selection-background-color: $fill; selection-color: $on_accent; }
QPlainTextEdit { font-family: 'JetBrains Mono'; font-size: 12px; }
QPlainTextEdit[bare="true"] { background: transparent; border: 0; padding: 0; }
QTextBrowser { background: $panel; border: 0; padding: 4px 8px; }

QTreeView, QTableView, QListView, QListWidget { background: $panel; border: 0; alternate-background-color: $panel;
    selection-background-color: $accent_bg; selection-color: $text; gridline-color: $border; }
QTreeView::item { min-height: 28px; border-radius: 5px; padding-left: 2px; }
QTreeView::item:hover, QListView::item:hover { background: $hover; }
QTreeView::item:selected, QListView::item:selected { background: $accent_bg; color: $text; }
QListView::item { min-height: 28px; border-radius: 5px; padding: 0 6px; }
QTreeView::branch { background: transparent; }
QTreeView::branch:has-children:closed { image: url($right); }
QTreeView::branch:has-children:open { image: url($down); }
QTableView::item { border: 0; border-bottom: 1px solid $border; padding: 0 10px; }
QTableView::item:selected { background: $accent_bg; color: $text; }
QHeaderView { background: $panel; border: 0; }
QHeaderView::section { background: $panel; color: $text3; border: 0; border-bottom: 1px solid $border;
    padding: 6px 10px; font-size: 11px; font-weight: 600; }
QHeaderView::section:hover { color: $text; }
QLineEdit#column_filter { min-height: 24px; padding: 0 6px; font-size: 12px; border-radius: 5px; }
QTableCornerButton::section { background: $panel; border: 0; border-bottom: 1px solid $border; }

QTabWidget::pane { border: 0; background: $panel; }
QTabWidget::tab-bar { left: 8px; }
QTabBar { background: transparent; qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: $text3; padding: 8px 9px 7px 8px; border: 0;
    border-bottom: 2px solid transparent; margin: 0 1px; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; font-weight: 600; }
QTabBar::tab:focus { color: $accent_hi; }

QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: $border2; border-radius: 3px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $text3; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page
    { background: none; border: 0; width: 0; height: 0; }
QAbstractScrollArea::corner { background: transparent; }
QScrollArea, QScrollArea > QWidget > QWidget { background: $panel; border: 0; }

QStatusBar { background: $window; border-top: 1px solid $border; color: $text2; min-height: 27px; }
QStatusBar::item { border: 0; }
QStatusBar QLabel { font-size: 12px; color: $text2; padding: 0 8px; background: transparent; }
QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; }
QSplitter::handle { background: $border; }

#panel { background: $panel; }
#h2 { font-size: 13px; font-weight: 600; background: transparent; }
#cap { color: $text3; font-size: 11px; font-weight: 600; background: transparent; }
#figure { font-size: 19px; font-weight: 600; background: transparent; }
#muted { color: $text3; font-size: 12px; background: transparent; }
#error_text { color: $red; font-size: 12px; background: transparent; }
#card { background: $raised; border: 1px solid $border; border-radius: 8px; }
#chip { background: $raised; border: 1px solid $border; border-radius: 10px; padding: 2px 9px; font-size: 11px;
    color: $text2; min-height: 16px; max-height: 16px; }
#line { background: $border; max-height: 1px; min-height: 1px; }
#watermark { color: $amber; background: $raised; border: 1px solid $amber; border-radius: 6px; padding: 5px 14px;
    font-weight: 600; letter-spacing: 2px; }
#notice { background: $raised; border: 0; border-bottom: 1px solid $border2; }
#notice[tone="red"] { border-bottom-color: $red; }
#notice[tone="purple"] { border-bottom-color: $purple; }
#notice[tone="accent"] { border-bottom-color: $accent; }
#notice[tone="amber"] { border-bottom-color: $amber; }
#notice QLabel { background: transparent; }
#past { background: $raised; border: 0; border-bottom: 1px solid $purple; }
#past QLabel { background: transparent; }
#past_title { font-weight: 600; }
#scrubber { background: $window; border: 0; border-top: 1px solid $border; }
#scrubber QLabel { background: transparent; }
QSlider { min-height: 22px; background: transparent; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $border2; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: $accent; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -4px 0; border-radius: 6px; background: $accent_hi; }
QSlider::handle:horizontal:hover, QSlider::handle:horizontal:focus { background: $text; }
#completion { background: $raised; border: 1px solid $border2; border-radius: 8px; padding: 4px; }
#completion::item { min-height: 0; padding: 0; }
#verdict { color: $text2; font-size: 12px; background: transparent; }
#plan_details { color: $text2; font-family: 'JetBrains Mono'; font-size: 11px; background: $raised;
    border-top: 1px solid $border; }
#where[state="red"] { color: $red; }
#where[state="amber"] { color: $amber; }
#where { color: $text3; font-size: 12px; background: transparent; }
#chooser { background: $raised; border: 1px solid $border2; border-radius: 8px; }
#chooser QListWidget { background: $raised; }
#chooser QListWidget::item:disabled { color: $text3; }
#chooser QLineEdit { background: $panel; }
#connections_dialog QListWidget { border: 1px solid $border; border-radius: 6px; padding: 4px; }
#connections_dialog QListWidget::item { padding: 5px 8px; }
QMessageBox, QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
""")


def style_sheet(tokens: Mapping[str, str], files: Mapping[str, str]) -> str:
    """The style sheet for a theme's tokens; ``files`` are the images down, up, right and tick."""
    return _TEMPLATE.substitute(tokens, **files)
