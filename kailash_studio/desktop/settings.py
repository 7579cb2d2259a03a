"""What the window remembers between starts: theme, recent files, geometry. A small versioned JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from kailash_studio.folders import user_data, write_whole

VERSION = 1
MOST_RECENT = 10


@dataclass(slots=True)
class Settings:
    """The settings; unknown or unreadable ones fall back to their defaults.

    Attributes:
        theme: "dark" or "light".
        recent: Paths of workflow files, the newest first.
        geometry: Qt's window geometry, base64.
        docks: Qt's state of the docks, base64.
        last_folder: Where the file dialogs start.
        breakpoints: Of the workflows by their paths.
    """

    theme: str = "dark"
    recent: list[str] = field(default_factory=list)
    geometry: str = ""
    docks: str = ""
    last_folder: str = ""
    breakpoints: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Settings:
        """The settings of this user."""
        settings = cls()
        try:
            read = json.loads(_file().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return settings  # the first start, or a broken file: defaults harm nobody
        if isinstance(read, dict) and read.get("version") == VERSION:
            for item in fields(cls):
                value = read.get(item.name)
                if type(value) is type(getattr(settings, item.name)):
                    setattr(settings, item.name, value)
        settings.recent = [path for path in settings.recent if isinstance(path, str)]
        return settings

    def save(self) -> None:
        """Write them."""
        text: dict[str, Any] = {"version": VERSION, **asdict(self)}
        write_whole(_file(), (json.dumps(text, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))

    def add_recent(self, path: Path) -> None:
        """Put a file at the top of the recent ones."""
        name = str(path)
        self.recent = [name, *(other for other in self.recent if other != name)][:MOST_RECENT]
        self.last_folder = str(path.parent)
        self.save()


def _file() -> Path:
    return user_data() / "settings.json"
