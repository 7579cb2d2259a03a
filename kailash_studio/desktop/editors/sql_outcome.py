"""What came of looking at a statement: first rows or why there are none, plan, problems; a tab for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from kailash_studio.desktop.editors.sql_problems import SqlProblems
from kailash_studio.desktop.editors.sql_results import PlanTree, ResultTable
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState, label

_NO_RESULT = "Test run shows the first rows (Ctrl+Enter). It only reads, and nothing that it does stays."
_WAITING = "Waiting for the database. Cancel or Esc stops it."
_NO_PLAN = "Explain shows how the database would find the rows, and what each step costs."
_TABS = (("table-2", "Result"), ("list-tree", "Plan"), ("triangle-alert", "Problems"))


class SqlOutcome(QWidget):
    """The lower part of the SQL editor."""

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self.setObjectName("panel")
        self._captions: dict[QWidget, str] = {}
        self.rows, self.plan = ResultTable(theme, self), PlanTree(theme, self)
        self.problems = SqlProblems(theme, icons, self)
        self.caption = ElidedLabel("muted", self)
        self.failure = label("", "error_text", self)
        self.failure.setWordWrap(True)
        self.failure.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.failure.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.failure.setContentsMargins(12, 8, 12, 8)
        self._empty_result = EmptyState(icons, "table-2", _NO_RESULT, self)
        self._empty_plan = EmptyState(icons, "list-tree", _NO_PLAN, self)
        self.result_page, self.plan_page = QStackedWidget(self), QStackedWidget(self)
        for widget in (self._empty_result, self.rows, self.failure):
            self.result_page.addWidget(widget)
        for other in (self._empty_plan, self.plan):
            self.plan_page.addWidget(other)
        self.details = label("", "plan_details", self)
        self.details.setWordWrap(True)
        self.details.setContentsMargins(12, 6, 12, 8)
        self.plan.details_chosen.connect(self._show_details)
        planned = QWidget(self)
        below = QVBoxLayout(planned)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        below.addWidget(self.plan_page, 1)
        below.addWidget(self.details)
        self.details.hide()
        self._pages: tuple[QWidget, ...] = (self.result_page, planned, self.problems)
        self._lay_out()

    def _lay_out(self) -> None:
        self.tabs, self._stack = QTabBar(self), QStackedWidget(self)
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        for page, (icon, title) in zip(self._pages, _TABS, strict=True):
            self.tabs.addTab(self._icons.icon(icon), title)
            self._stack.addWidget(page)
        self.tabs.currentChanged.connect(self._chosen)
        self.caption.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bar = QHBoxLayout()
        bar.setContentsMargins(8, 0, 12, 0)
        bar.addWidget(self.tabs)
        bar.addWidget(self.caption, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._stack, 1)

    def _chosen(self, index: int) -> None:
        self._stack.setCurrentIndex(index)
        self.caption.setText(self._captions.get(self._pages[index], ""))

    def show_page(self, index: int) -> None:
        """Bring the result (0), the plan (1) or the problems (2) to the front."""
        self.tabs.setCurrentIndex(index)

    def say(self, text: str) -> None:
        """Show a few words about the page in front."""
        self._captions[self._pages[self.tabs.currentIndex()]] = text
        self.caption.setText(text)

    def _show_details(self, lines: object) -> None:
        assert isinstance(lines, list)  # the signal's type says less
        self.details.setText("\n".join(lines))
        self.details.setVisible(bool(lines))

    def show_waiting(self, index: int) -> None:
        """Something is under way for a page; what it showed before is of another statement."""
        empty = (self._empty_result, self._empty_plan)[index]
        empty.say(_WAITING)
        (self.result_page, self.plan_page)[index].setCurrentWidget(empty)
        self.details.hide()
        self.show_page(index)

    def show_nothing(self) -> None:
        """What was under way was called off."""
        self._empty_result.say(_NO_RESULT)
        self._empty_plan.say(_NO_PLAN)

    def show_rows(self, found: Mapping[str, Any]) -> None:
        """Show the first rows, ``sql_try``."""
        rows = len(found["rows"])
        more = f"the first {rows:,} rows" if found["more"] else f"{rows:,} row{'s' * (rows != 1)}"
        self.show_page(0)
        self.say(f"{more} · {found['seconds'] * 1000:,.0f} ms")
        self.rows.show_rows(found)
        self.result_page.setCurrentWidget(self.rows)

    def show_plan(self, found: Mapping[str, Any]) -> None:
        """Show a plan, ``sql_explain``."""
        seconds = found["plan"]["seconds"]
        self.show_page(1)
        if seconds is not None:
            self.say(f"measured: {seconds * 1000:,.2f} ms")
        else:
            self.say("measured: rows alone" if _has_real_rows(found["plan"]) else "estimated")
        self.plan.show_plan(found["plan"])
        self.plan_page.setCurrentWidget(self.plan)

    def show_failure(self, sentence: str) -> None:
        """Say why there is no result."""
        self.failure.setText(sentence)
        self.result_page.setCurrentWidget(self.failure)
        self.show_page(0)
        self.say("")

    def show_findings(self, findings: Sequence[Mapping[str, Any]]) -> None:
        """List findings, their number on the tab."""
        self.problems.show_findings(findings)
        self.tabs.setTabText(2, f"Problems  {len(findings)}" if findings else "Problems")

    def repaint_icons(self) -> None:
        """Take the icons of the present theme."""
        for index, (icon, _) in enumerate(_TABS):
            self.tabs.setTabIcon(index, self._icons.icon(icon))
        self._empty_result.repaint_icon()
        self._empty_plan.repaint_icon()


def _has_real_rows(step: Mapping[str, Any]) -> bool:
    return step["actual_rows"] is not None or any(map(_has_real_rows, step["children"]))
