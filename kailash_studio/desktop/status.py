"""The strips around the canvas: title and run bar above, the status line below."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStatusBar,
    QToolBar,
    QToolButton,
    QWidget,
)

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme

_RUN, _RUNNING, _CONTINUE = "Run", "Running…", "Continue"


class RunBar(QToolBar):
    """The toolbar: what is open, Run and Stop, undo and redo, the search field, the theme.

    Signals:
        search_asked: The search field was clicked.
    """

    search_asked = Signal()

    def __init__(self, theme: Theme, icons: Icons, actions: dict[str, QAction], parent: QWidget) -> None:
        super().__init__("Main", parent)
        self.setObjectName("run_bar")
        self.setMovable(False)
        self.setIconSize(QSize(17, 17))
        self.toggleViewAction().setEnabled(False)
        self._theme, self._icons = theme, icons
        self._logo = QLabel(self)
        self.addWidget(self._logo)
        self._title, self._edited = QLabel(self), QLabel(self)
        self._title.setObjectName("workflow_title")
        for part in (self._title, self._edited):
            part.setTextFormat(Qt.TextFormat.RichText)
        self.addWidget(self._with_mark())
        self.run_button = QPushButton("Run", self)
        self.run_button.setObjectName("primary")
        self.run_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # disabled after a click, it would hand the focus on
        self.run_button.setToolTip(actions["run"].toolTip())
        self.run_button.clicked.connect(actions["run"].trigger)
        self.addWidget(self.run_button)
        self._gap(4)
        for name in ("pause", "step", "stop", "", "undo", "redo", "arrange"):
            if name:
                self.addAction(actions[name])
            else:
                self.addSeparator()
        stretch = QWidget(self)
        stretch.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(stretch)
        self._search = QPushButton("Search nodes, commands…      Ctrl K", self)
        self._search.setObjectName("search_button")
        self._search.setToolTip(actions["commands"].toolTip())
        self._search.setMinimumWidth(260)
        self._search.clicked.connect(self.search_asked)
        self.addWidget(self._search)
        self._gap(8)
        self.addAction(actions["save"])
        self.addAction(actions["theme"])
        for button in self.findChildren(QToolButton):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        theme.changed.connect(self._paint_icons)
        self._paint_icons()

    def _with_mark(self) -> QWidget:
        """The title with the mark of what is not saved; its room is kept, so that the buttons stay where they are."""
        policy = self._edited.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._edited.setSizePolicy(policy)
        both = QWidget(self)
        layout = QHBoxLayout(both)
        layout.setContentsMargins(0, 0, 8, 0)
        layout.setSpacing(8)
        layout.addWidget(self._title)
        layout.addWidget(self._edited)
        return both

    def _gap(self, width: int) -> None:
        gap = QWidget(self)
        gap.setFixedWidth(width)
        self.addWidget(gap)

    def _paint_icons(self) -> None:
        ratio = self.devicePixelRatioF()
        self._logo.setPixmap(self._icons.pixmap("workflow", "accent", 20, ratio))
        self.run_button.setIcon(self._icons.icon("play", "on_accent"))
        self._search.setIcon(self._icons.icon("search", "text3"))

    def show_title(self, folder: str, name: str, edited: bool) -> None:
        """Say which workflow is open, and whether it has unsaved changes."""
        theme = self._theme
        text2, text, amber = (theme.colour(token).name() for token in ("text2", "text", "amber"))
        before = f'<span style="color:{text2}">{_escaped(folder)} / </span>' if folder else ""
        self._title.setText(f'&nbsp;{before}<b style="color:{text}">{_escaped(name)}</b>')
        self._edited.setText(f'<span style="color:{amber}">● edited</span>')
        self._edited.setVisible(edited)

    def show_running(self, running: bool, *, waits: bool = False) -> None:
        """Say whether a run is under way, or waits for somebody to let it go on."""
        self.run_button.setEnabled(not running or waits)
        self.run_button.setText(_CONTINUE if waits else _RUNNING if running else _RUN)

    def showEvent(self, event: QShowEvent) -> None:
        """As wide as for the widest of its words, Run leaves the buttons behind it where they are."""
        super().showEvent(event)
        said, widest = self.run_button.text(), 0
        for word in (_RUN, _RUNNING, _CONTINUE):
            self.run_button.setText(word)
            widest = max(widest, self.run_button.sizeHint().width())
        self.run_button.setText(said)
        self.run_button.setMinimumWidth(widest)


class StatusLine(QStatusBar):
    """The line at the bottom: engine, run, counts."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self._theme = theme
        self._dots = {name: QLabel(self) for name in ("engine", "run", "problems")}
        self._plain = {name: QLabel(self) for name in ("worst", "counts", "zoom", "version")}
        for label in self._dots.values():
            label.setTextFormat(Qt.TextFormat.RichText)
            self.addWidget(label)
        for label in self._plain.values():
            self.addPermanentWidget(label)
        self._told: set[str] = set()
        self.messageChanged.connect(self._make_room)

    def show_dot(self, name: str, token: str, text: str) -> None:
        """Show one of engine, run and problems, with a coloured dot; an empty text hides it."""
        label = self._dots[name]
        (self._told.add if text else self._told.discard)(name)
        self._make_room(self.currentMessage())
        label.setText(f'<span style="color:{self._theme.colour(token).name()}">●</span>&nbsp; {_escaped(text)}')

    def _make_room(self, message: str) -> None:
        """A message has the line for itself: what is shown in the meantime would lie over it."""
        for name, label in self._dots.items():
            label.setVisible(name in self._told and not message)

    def show_plain(self, name: str, text: str) -> None:
        """Show one of worst, counts, zoom and version."""
        self._plain[name].setText(text)

    def set_tip(self, name: str, text: str) -> None:
        """Say more about one of them."""
        self._plain[name].setToolTip(text)

    def plain(self, name: str) -> str:
        """What one of them shows."""
        return self._plain[name].text()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
