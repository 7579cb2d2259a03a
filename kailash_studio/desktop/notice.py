"""A strip above the canvas: one sentence that matters now, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme

Offer = tuple[str, Callable[[], object]]


class Notice(QFrame):
    """A sentence with buttons; hidden until there is something to say.

    Attributes:
        buttons: What is offered at present, from left to right.
    """

    def __init__(
        self, theme: Theme, icons: Icons, icon: str, token: str, parent: QWidget, *, can_close: bool = True
    ) -> None:
        """Make it.

        Args:
            theme: Colours.
            icons: Icons.
            icon: The sign before the sentence.
            token: Its colour, and that of the line below.
            parent: Qt parent.
            can_close: Whether it can be put away without following an offer.
        """
        super().__init__(parent)
        self.setObjectName("notice")
        self.setProperty("tone", token)
        self._icons, self._icon, self._token = icons, icon, token
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._mark = QLabel(self)
        self._close = QToolButton(self)
        self._close.setToolTip("Put this away")
        self._close.setAccessibleName("Put this away")
        self._close.clicked.connect(self.hide)
        self._close.setVisible(can_close)
        self.buttons: list[QPushButton] = []
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(12, 6, 12, 6)
        self._layout.addWidget(self._mark)
        self._layout.addWidget(self._text, 1)
        self._layout.addWidget(self._close)
        theme.changed.connect(self._paint)
        self._paint()
        self.hide()

    def _paint(self) -> None:
        self._mark.setPixmap(self._icons.pixmap(self._icon, self._token, 16, self.devicePixelRatioF()))
        self._close.setIcon(self._icons.icon("x"))

    def say(self, sentence: str, offers: Sequence[Offer] = ()) -> None:
        """Show a sentence and what is offered; it takes the place of what was said before."""
        self._text.setText(sentence)
        for button in self.buttons:
            self._layout.removeWidget(button)
            button.hide()
            button.deleteLater()  # not at once: this may be called from its own click
        self.buttons = []
        for text, follow in offers:
            button = QPushButton(text, self)
            button.clicked.connect(lambda _checked=False, call=follow: call())
            self._layout.insertWidget(self._layout.count() - 1, button)
            self.buttons.append(button)
        self.show()

    @property
    def sentence(self) -> str:
        """What it says."""
        return self._text.text()
