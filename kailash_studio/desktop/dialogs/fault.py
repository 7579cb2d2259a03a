"""What a test run puts into one node: failures, latency, exhausted pools, an open breaker."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.errors import ParameterError
from kailash_studio.resilience.faults import Fault

_NOTHING = "nothing"
_ERRORS = ("ConnectionError", "TimeoutError", "OSError", "DatabaseError", "HttpError", _NOTHING)


class FaultDialog(QDialog):
    """Asks what is to go wrong."""

    def __init__(
        self,
        node_id: str,
        fault: Fault | None,
        then: Callable[[Fault | None], object],
        parent: QWidget,
        *,
        has_breaker: bool,
    ) -> None:
        """Make it.

        Args:
            node_id: The node.
            fault: What it has already.
            then: Takes what was decided; None takes the fault away.
            parent: Qt parent.
            has_breaker: Whether there is a circuit breaker to force.
        """
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("fault_dialog")
        self.setWindowTitle(f"Fault of {node_id}")
        self._then = then
        shown = fault or Fault()
        self.error = QComboBox(self)
        self.error.setEditable(True)
        self.error.addItems(list(_ERRORS))
        self.error.setCurrentText(shown.error or _NOTHING)
        self.error.setToolTip("The error that calls fail with: a class of Python or of this program")
        self.times = QSpinBox(self, minimum=0, maximum=100_000, value=shown.times)
        self.times.setSpecialValueText("each call")
        self.times.setToolTip("How many calls it meets; further ones are real")
        self.percent = QDoubleSpinBox(self, minimum=0, maximum=100, value=shown.percent, suffix=" %", decimals=1)
        self.percent.setToolTip("How many of a hundred of these calls fail, drawn from the scenario's seed")
        self.delay = QDoubleSpinBox(self, minimum=0, maximum=3600, value=shown.delay, suffix=" s", decimals=2)
        self.delay.setToolTip("Latency before anything else happens")
        self.pools = QCheckBox("All connections of the run's pools are taken meanwhile", self)
        self.pools.setChecked(shown.exhaust_pool)
        self.breaker = QCheckBox("Its circuit breaker is forced open", self)
        self.breaker.setChecked(bool(shown.breaker) and has_breaker)
        self.breaker.setEnabled(has_breaker)
        if not has_breaker:
            self.breaker.setToolTip("The node has no circuit breaker")
        self.said = QLabel(self)
        self.said.setWordWrap(True)
        self.remove = QPushButton("Take it away", self)
        self.remove.setEnabled(fault is not None)
        self.cancel = QPushButton("Cancel", self)
        self.ok = QPushButton("Put it in", self)
        self.ok.setObjectName("primary")
        self.ok.setDefault(True)
        self._lay_out()
        for changed in (self.error.editTextChanged, self.times.valueChanged, self.percent.valueChanged,
                        self.delay.valueChanged, self.pools.toggled, self.breaker.toggled):  # fmt: skip
            changed.connect(lambda _: self._tell())
        self.remove.clicked.connect(lambda: self._end(None))
        self.cancel.clicked.connect(self.reject)
        self.ok.clicked.connect(lambda: self._end(self.fault()))
        self._tell()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Fail with", self.error)
        form.addRow("Calls", self.times)
        form.addRow("Of these", self.percent)
        form.addRow("Latency", self.delay)
        form.addRow(self.pools)
        form.addRow(self.breaker)
        buttons = QHBoxLayout()
        buttons.addWidget(self.remove)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.ok)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.addLayout(form)
        layout.addWidget(self.said)
        layout.addLayout(buttons)
        self.setMinimumWidth(420)

    def fault(self) -> Fault:
        """What is asked for."""
        error = self.error.currentText().strip()
        return Fault(
            error="" if error == _NOTHING else error,
            delay=self.delay.value(),
            times=self.times.value(),
            percent=self.percent.value(),
            exhaust_pool=self.pools.isChecked(),
            breaker="open" if self.breaker.isChecked() else "",
        )

    def _tell(self) -> None:
        fault = self.fault()
        try:
            fault.make()
        except ParameterError as error:
            self.said.setText(str(error))
            self.said.setObjectName("error_text")
            self.ok.setEnabled(False)
        else:
            sentence = fault.sentence()
            self.said.setText(f"In a test run, {sentence}. Real runs are not touched.")
            self.said.setObjectName("muted")
            self.ok.setEnabled(True)
        self.said.style().polish(self.said)

    def _end(self, fault: Fault | None) -> None:
        self.accept()
        self._then(fault)
