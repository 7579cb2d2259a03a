"""The inspector panel: header, form, ports, help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.editors.sql import SqlEditor
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.field import CommittedLine
from kailash_studio.desktop.inspector.fields import CodeField
from kailash_studio.desktop.inspector.form import Form
from kailash_studio.desktop.inspector.preview_strip import PreviewStrip
from kailash_studio.desktop.inspector.row import NO_DRAFTS
from kailash_studio.desktop.inspector.schedule_plot import SchedulePlot
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, EmptyState, label, panel_header
from kailash_studio.resilience.schedule import Schedule
from kailash_studio.services.sql_catalogue import Catalogue
from kailash_studio.spec.form import FormRow


@dataclass(frozen=True, slots=True)
class InspectedPort:
    """A port as the inspector shows it."""

    name: str
    data_type: str
    doc: str
    is_output: bool
    connected: str = ""


@dataclass(frozen=True, slots=True)
class InspectedNode:
    """What the inspector shows of a node.

    Attributes:
        node_id: Its id.
        type_name: Name of its type.
        type_title: Title of its type.
        icon: Icon of its type.
        category: Category of its type.
        rows: The form.
        given: Parameter values that the document holds.
        problems: Sentence by parameter.
        policy_rows: The form of its policies.
        policies: Policy values that the document holds.
        ports: Inputs, then outputs.
        help: Reference page, Markdown.
        notice: A sentence about the node as a whole; empty when there is none.
        schedule: What the policies mean in time; None when they cannot be read.
        nothing: What to say in place of a form that has no rows: of the parameters, and of the policies.
        drafts: What is typed and is no value yet: of the parameters, and of the policies.
        live: Whether a pause in typing commits parameters; not where half a name would take connections away.
    """

    node_id: str
    type_name: str
    type_title: str
    icon: str
    category: str
    rows: tuple[FormRow, ...]
    given: Mapping[str, Any]
    problems: Mapping[str, str]
    policy_rows: tuple[FormRow, ...]
    policies: Mapping[str, Any]
    ports: tuple[InspectedPort, ...]
    help: str
    notice: str = ""
    schedule: Schedule | None = None
    nothing: tuple[str, str] = ("", "")
    drafts: tuple[Mapping[str, str], Mapping[str, str]] = (NO_DRAFTS, NO_DRAFTS)
    live: bool = False


class Inspector(QWidget):
    """Shows a node and says what the person changes.

    Signals:
        parameter_changed: Node id, parameter, new value.
        parameter_reset: Node id, parameter.
        policy_changed: Node id, policy, new value or None.
        renamed: Node id, wanted id.
        named: The node's id is entered: the person goes back to the node.
        large_asked: Node id, parameter to edit in a window of its own.
        noted: Node id, place in it, and the text there that is no value yet, or None: something typed has changed.
    """

    parameter_changed = Signal(str, str, object)
    parameter_reset = Signal(str, str)
    policy_changed = Signal(str, str, object)
    renamed = Signal(str, str)
    named = Signal()
    large_asked = Signal(str, str)
    noted = Signal(str, str, object)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._view: InspectedNode | None = None
        self._columns_of = ""
        self._columns: Mapping[str, Sequence[str]] = {}
        self._tile = QLabel(self)
        self.name = CommittedLine(self._is_other_name, self)
        self.name.setObjectName("node_name")
        self.name.setAccessibleName("Node id")
        self.name.setToolTip("Id of the node; Enter renames it.")
        self.name.returnPressed.connect(self._entered)
        self.name.editingFinished.connect(self._rename)
        self.name.textChanged.connect(lambda _: self._note("", None))
        self._type = ElidedLabel("muted", self)
        self._state = QLabel(self)
        self._state.setObjectName("chip")
        self._notice = label("", "error_text", self)
        self._notice.setWordWrap(True)
        self._make_forms()
        self.plot, self._plot_text = SchedulePlot(theme, self), label("", "muted", self)
        self.plot.hide()
        self._plot_text.hide()
        self._plotted: QWidget | None = None
        self._ports = QTextBrowser(self)
        self._help = QTextBrowser(self)
        self.happened = label("", "muted", self)
        self.happened.setWordWrap(True)
        self.happened.setTextFormat(Qt.TextFormat.RichText)
        self.happened.hide()
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.configure_tab = self._with_preview()
        for widget, title in (
            (self.configure_tab, "Configure"),
            (self.policies, "Resilience"),
            (self._ports, "Ports"),
            (self._help, "Help"),
        ):
            self.tabs.addTab(widget, title)
        self._empty = EmptyState(icons, "mouse-pointer-2", "Select a node to see and change it.", self)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._node_page())
        self._stack.addWidget(self._empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(panel_header("Inspector", self))
        layout.addWidget(self._stack, 1)
        theme.changed.connect(self._repaint)
        self.show_nothing()

    def _make_forms(self) -> None:
        self.form = Form(self._theme, self._icons, self)
        self.form.changed.connect(self._changed)
        self.form.reset.connect(self._reset)
        self.form.large_asked.connect(self._ask_large)
        self.form.noted.connect(lambda name: self._note(f"parameters/{name}", self.form.draft(name)))
        self.policies = Form(self._theme, self._icons, self)
        self.policies.changed.connect(self._policy_changed)
        self.policies.reset.connect(lambda name: self._policy_changed(name, None))
        self.policies.noted.connect(lambda name: self._note(f"resilience/{name}", self.policies.draft(name)))

    def _with_preview(self) -> QWidget:
        configure, self.preview = QWidget(self), PreviewStrip(self._theme, self)
        column = QVBoxLayout(configure)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.form, 1)
        column.addWidget(self.preview)
        return configure

    def _node_page(self) -> QWidget:
        self.tabs.currentChanged.connect(lambda _: self._tab_changed())
        page = QWidget(self)
        names = QVBoxLayout()
        names.setSpacing(1)
        names.addWidget(self.name)
        names.addWidget(self._type)
        head = QHBoxLayout()
        head.setContentsMargins(12, 4, 12, 8)
        head.setSpacing(10)
        head.addWidget(self._tile)
        head.addLayout(names, 1)
        head.addWidget(self._state, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self.tabs, 1)
        said = QVBoxLayout()  # below: what comes while somebody aims at a field must not move that
        said.setContentsMargins(12, 4, 12, 8)
        said.addWidget(self._notice)
        said.addWidget(self.happened)
        layout.addLayout(said)
        return page

    # ------------------------------------------------------------------ what is shown
    def show_node(self, view: InspectedNode) -> None:
        """Show a node; shown again, what the person is typing is left alone."""
        before, self._view = self._view, view
        if not self.name.hasFocus() or before is None or before.node_id != view.node_id:
            self.name.setText(view.node_id)
            self.name.setCursorPosition(0)  # its beginning is what tells it from others
        self._type.setText(view.type_name)
        self.show_notice(view.notice)
        key = (view.node_id, view.type_name)
        said, drafts = view.nothing[0], view.drafts[0]
        self.form.show_rows(key, view.rows, view.given, view.problems, nothing=said, drafts=drafts, live=view.live)
        self.form.offer_columns(self._columns if self._columns_of == view.node_id else {})
        if self.tabs.currentWidget() is self.policies:
            self._show_policies()
        self._paint_tile()
        if before is None or before.ports != view.ports:
            self._ports.setHtml(self._ports_html(view))
        if before is None or before.help != view.help:
            self._help.setMarkdown(view.help)
        self._stack.setCurrentIndex(0)

    def _show_policies(self) -> None:
        """Build the form of the policies when somebody looks: it takes as long as all the rest."""
        view = self._view
        if view is not None:
            key, said = (view.node_id, view.type_name), view.nothing[1]
            self.policies.show_rows(
                key, view.policy_rows, view.policies, view.problems, nothing=said, drafts=view.drafts[1], live=True
            )
            self._show_schedule(view.schedule)

    def _tab_changed(self) -> None:
        if self.tabs.currentWidget() is self.policies:
            self._show_policies()

    def _show_schedule(self, schedule: Schedule | None) -> None:
        if not self.policies.has_group("retry"):
            return
        group = self.policies.group("retry")
        if group is not self._plotted:  # the form was built anew, and the plot went with the old one
            self._plotted = group
            self.plot, self._plot_text = SchedulePlot(self._theme), label("", "muted")
            self._plot_text.setWordWrap(True)
            group.add_below(self.plot)
            group.add_below(self._plot_text)
        self.plot.show_schedule(schedule)
        self._plot_text.setText(self.plot.sentence())

    def show_happened(self, configured: str, happened: str, differences: Sequence[str]) -> None:
        """Show what the last run did beside what is configured, differences in red; empty texts hide it."""
        theme = self._theme
        text3, red = theme.colour("text3").name(), theme.colour("red").name()
        lines = [f'<span style="color:{text3}">Configured</span> {escape(configured)}']
        lines.append(f'<span style="color:{text3}">Happened</span> {escape(happened)}')
        lines += [f'<span style="color:{red}">{escape(difference)}</span>' for difference in differences]
        self.happened.setText("<br>".join(lines))
        self.happened.setVisible(bool(happened))

    def show_notice(self, sentence: str) -> None:
        """Show what is wrong with the node, or was in the last run; an empty text hides it."""
        self._notice.setText(sentence)
        self._notice.setVisible(bool(sentence))

    def show_state(self, text: str, token: str, tip: str = "") -> None:
        """Show the node's state in the last run; an empty text hides it."""
        self._state.setVisible(bool(text))
        self._state.setToolTip(tip)
        self._state.setText(f'<span style="color:{self._theme.colour(token).name()}">●</span>&nbsp; {text}')

    def show_nothing(self) -> None:
        """No node is selected."""
        self._forget()
        self._empty.say("Select a node to see and change it.")
        self._stack.setCurrentIndex(1)

    def show_many(self, count: int) -> None:
        """Several nodes are selected."""
        self._forget()
        self._empty.say(f"{count} nodes are selected.")
        self._stack.setCurrentIndex(1)

    def _forget(self) -> None:
        self._view = None
        for form in (self.form, self.policies):
            form.forget()

    # ------------------------------------------------------------------ what is typed
    def take_over(self) -> None:
        """Hand over what is typed: the name, and each field; what is no value stays where it is."""
        if self._view is not None:
            self.form.take_over()
            self.policies.take_over()
            self._rename()

    def has_more(self) -> bool:
        """Whether something typed is not handed over; what is no value is a draft."""
        view = self._view
        return view is not None and (self.form.has_more() or self.policies.has_more() or self._is_other_name())

    def _is_other_name(self) -> bool:
        return self._view is not None and self.name.text().strip() != self._view.node_id

    def _note(self, place: str, draft: str | None) -> None:
        if self._view is not None:
            self.noted.emit(self._view.node_id, place, draft)

    def focus_field(self, name: str) -> None:
        """Go to the field of a parameter or a policy."""
        if self.form.focus_field(name):
            self.tabs.setCurrentWidget(self.configure_tab)
            return
        self._show_policies()
        if self.policies.focus_field(name):
            self.tabs.setCurrentWidget(self.policies)

    def focus_name(self) -> None:
        """Go to the node's id, to change it."""
        self.name.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.name.selectAll()

    def show_help(self) -> None:
        """Go to the reference page."""
        self.tabs.setCurrentWidget(self._help)

    # ------------------------------------------------------------------ what the person does
    def _changed(self, name: str, value: object) -> None:
        if self._view is not None:
            self.parameter_changed.emit(self._view.node_id, name, value)

    def _reset(self, name: str) -> None:
        if self._view is not None:
            self.parameter_reset.emit(self._view.node_id, name)

    def _ask_large(self, name: str) -> None:
        if self._view is not None:
            self.large_asked.emit(self._view.node_id, name)

    def set_catalogue(self, node_id: str, name: str, catalogue: Catalogue) -> None:
        """Complete from a catalogue in the SQL field of a node, while that is the one that is shown."""
        if self._view is not None and self._view.node_id == node_id:
            field = self.form.row(name).field
            if isinstance(field, CodeField) and isinstance(field.edit, SqlEditor):
                field.edit.set_catalogue(catalogue)

    def set_columns(self, node_id: str, columns: Mapping[str, Sequence[str]]) -> None:
        """Offer the names of the columns that a node gets at each input, while it is the one that is shown."""
        self._columns_of, self._columns = node_id, columns
        if self._view is not None and self._view.node_id == node_id:
            self.form.offer_columns(columns)

    def _policy_changed(self, name: str, value: object) -> None:
        if self._view is not None:
            self.policy_changed.emit(self._view.node_id, name, value)

    def _entered(self) -> None:
        """Enter: back to the node, unless it could not be renamed."""
        before, other = self._view, self._is_other_name()
        self._rename()
        view = self._view
        if view is not None and before is not None and (view.node_id != before.node_id or not other):
            self.named.emit()

    def _rename(self) -> None:
        wanted = self.name.text().strip()
        if self._view is not None and wanted != self._view.node_id:
            self.renamed.emit(self._view.node_id, wanted)
            if self._view is not None:
                self.name.setText(self._view.node_id)  # the old one again if it could not be

    # ------------------------------------------------------------------ looks
    def _repaint(self) -> None:
        self._empty.repaint_icon()
        view = self._view
        if view is not None:
            self._paint_tile()
            self._ports.setHtml(self._ports_html(view))

    def _paint_tile(self) -> None:
        if self._view is None:
            return
        ratio = self.devicePixelRatioF()
        token = self._theme.category_colour(self._view.category)
        tile = QPixmap(round(34 * ratio), round(34 * ratio))
        tile.setDevicePixelRatio(ratio)
        tile.fill(Qt.GlobalColor.transparent)
        painter = QPainter(tile)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.colour(token, 40))
        painter.drawRoundedRect(0, 0, 34, 34, 8, 8)
        painter.drawPixmap(8, 8, self._icons.pixmap(self._view.icon, token, 18, ratio))
        painter.end()
        self._tile.setPixmap(tile)

    def _ports_html(self, view: InspectedNode) -> str:
        text3 = self._theme.colour("text3").name()
        parts = []
        for title, is_output in (("Inputs", False), ("Outputs", True)):
            ports = [port for port in view.ports if port.is_output == is_output]
            if ports:
                parts.append(f'<p style="color:{text3}"><b>{title}</b></p>')
            for port in ports:
                colour = self._theme.colour(self._theme.type_colour(port.data_type)).name()
                linked = f'<br><span style="color:{text3}">{port.connected}</span>' if port.connected else ""
                parts.append(
                    f'<p><span style="color:{colour}">●</span>&nbsp; <b>{port.name}</b> '
                    f'<span style="color:{text3}">{port.data_type}</span><br>{port.doc}{linked}</p>'
                )
        return "".join(parts) or f'<p style="color:{text3}">This node has no ports.</p>'
