"""How a list shares its width among its columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QHeaderView, QToolTip, QTreeWidget

_LEAST = 36  # px that a column keeps
_LOOKED_AT = 20  # rows that tell of the others
_STEP = 8  # px by which a width grows or shrinks: seconds that count on do not make columns tremble


def shared(room: int, wanted: Sequence[int], floors: Sequence[tuple[Sequence[int], int]]) -> list[int]:
    """The widths of the columns beside the one that takes what is left.

    Args:
        room: For all of them, that one included.
        wanted: What each would have.
        floors: How far each shrinks, and what that one is to have; the next holds where one is not enough.
    """
    widths = list(wanted)
    for least, kept in floors:
        lacking = sum(widths) + kept - room
        give = [max(0, width - low) for width, low in zip(widths, least, strict=True)]
        if lacking > 0 and any(give):
            part = min(1.0, lacking / sum(give))
            widths = [width - round(given * part) for width, given in zip(widths, give, strict=True)]
    return widths


class Columns(QObject):
    """Lets one column of a list take the room, and the others fit what they hold; a cut text is its own tooltip.

    Where there is little room the others shrink: first those that say least, then all to their names or to half, then
    further. One that a person drags stays as wide as that.
    """

    def __init__(
        self,
        view: QTreeWidget,
        main: int,
        *,
        kept: int = 120,
        most: int = 200,
        first: Collection[int] = (),
        fixed: Mapping[int, int] | None = None,
    ) -> None:
        """Take the columns of a list over.

        Args:
            view: The list.
            main: The column that takes the room.
            kept: Its least width in px, or less where it holds less, as long as the others can shrink.
            most: The most that another one takes by itself.
            first: Columns that shrink before the others.
            fixed: Columns with a width of their own.
        """
        super().__init__(view)
        self._view, self._main, self._kept, self._most = view, main, kept, most
        self._first = first
        self._own = dict(fixed or {})
        self._setting = False
        header = view.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(28)
        for column in range(view.columnCount()):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(main, QHeaderView.ResizeMode.Stretch)
        header.sectionResized.connect(self._resized)
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.share)
        model = view.model()
        for changed in (model.rowsInserted, model.rowsRemoved, model.modelReset, model.dataChanged):
            changed.connect(self._later.start)
        view.expanded.connect(self._later.start)
        view.viewport().installEventFilter(self)

    def share(self) -> None:
        """Give each column its width for what the list holds."""
        view, header = self._view, self._view.header()
        beside = [c for c in range(view.columnCount()) if c != self._main and not header.isSectionHidden(c)]
        wanted = [self._own.get(column, self._fitting(column)) for column in beside]
        tiny = [min(want, _LEAST) for want in wanted]
        early = [low if c in self._first else want for c, low, want in zip(beside, tiny, wanted, strict=True)]
        halves = [
            w if self._has_widgets(c) else max(w // 2, header.sectionSizeHint(c))
            for c, w in zip(beside, wanted, strict=True)
        ]
        named = [min(pair) for pair in zip(early, halves, strict=True)]
        kept = min(self._kept, self._fitting(self._main))  # no more than it holds, while others lack room
        floors = [(early, kept), (named, kept), (tiny, kept // 2)]
        self._setting = True
        for column, width in zip(beside, shared(view.viewport().width(), wanted, floors), strict=True):
            view.setColumnWidth(column, width)
        self._setting = False

    def _has_widgets(self, column: int) -> bool:
        """Whether something stands in it that is no use when it is cut, such as a choice."""
        view = self._view
        items = (view.topLevelItem(row) for row in range(min(view.topLevelItemCount(), _LOOKED_AT)))
        return any(item is not None and view.itemWidget(item, column) is not None for item in items)

    def _fitting(self, column: int) -> int:
        held = max(self._view.sizeHintForColumn(column), self._view.header().sectionSizeHint(column))
        return min(self._most, -(-held // _STEP) * _STEP)

    def _resized(self, column: int, _before: int, now: int) -> None:
        if not self._setting and column != self._main:
            self._own[column] = now

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Share anew where the list gets wider or narrower; tell what is cut."""
        if event.type() == QEvent.Type.Resize:
            self.share()
        elif event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self._view.indexAt(event.pos())
            seen, told = self._view.visualRect(index), index.data(Qt.ItemDataRole.ToolTipRole)
            text = str(index.data() or "")
            cut = text and self._view.sizeHintForIndex(index).width() > seen.width()
            if cut and text not in (told or ""):
                QToolTip.showText(event.globalPos(), f"{text}\n{told}" if told else text, self._view.viewport(), seen)
                return True
        return super().eventFilter(watched, event)
