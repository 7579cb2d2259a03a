"""Keeping secrets out of what leaves a run: each value that the run has resolved becomes ``***name***``.

A value is found in the forms in which it travels: as it is, percent-encoded in an address, escaped in JSON or in what
Python prints, in hexadecimal, inside base64 (so in a Basic authorization too), as the password inside an address, each
long line of a key by itself, and cut off at the end of a text. What code does to a value by itself (reversed, hashed,
encrypted) cannot be found; values shorter than six characters are left, since they are in ordinary words.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from kailash_studio.errors import NodeError, describe

SHORTEST = 6
_CUT = 8  # characters of a secret at the end of a text that are taken for one that was cut off
_LONG_LINE = 16
_ENDS = "….'\"`)]}> \n"  # what may stand behind a text that was cut
_MOST_DEPTH = 200  # deeper values are not written down anywhere
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)[^\s/?#'\"<>]*@")
_LIBRARIES = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "asyncio",
    "asyncpg",
)


class Redactor:
    """The secrets of one run; it costs nothing until the first is resolved. Any thread may call it."""

    __slots__ = ("_ask", "_forms", "_known")

    def __init__(self, ask: Callable[[str], str] | None = None) -> None:
        """Stand between a run and its secrets.

        Args:
            ask: Gives the value of a name.
        """
        self._ask = ask
        self._known: dict[str, set[str]] = {}
        self._forms: tuple[tuple[str, str], ...] = ()  # replaced whole, so that another thread sees all or none

    @property
    def active(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._forms)

    def secret(self, name: str) -> str:
        """The value of a name, which is hidden from here on.

        Raises:
            CredentialError: There is none.
        """
        if self._ask is None:
            raise KeyError(name)  # a redactor that was made without a source resolves nothing: a bug
        value = self._ask(name)
        self.hide(name, value)
        return value

    def hide(self, name: str, value: str) -> None:
        """Hide a value under a name."""
        values = self._known.setdefault(name, set())
        if value in values or len(value) < SHORTEST:
            return
        values.add(value)
        found = dict(self._forms)
        for form in _forms(value):
            found.setdefault(form, f"***{name}***")
        # the longest first: a whole address before the password inside it
        self._forms = tuple(sorted(found.items(), key=lambda pair: -len(pair[0])))

    # ------------------------------------------------------------------ hiding
    def occurs(self, text: str) -> bool:
        """Whether a secret is in a text."""
        return any(form in text for form, _ in self._forms)

    def occurs_in(self, data: Any) -> bool:
        """Whether a secret is in bytes, or in what has a buffer of them."""
        held = bytes(data)
        return any(form.encode("utf-8", "surrogatepass") in held for form, _ in self._forms)

    def text(self, text: str) -> str:
        """A text without the secrets."""
        forms = self._forms
        for form, mask in forms:
            if form in text:
                text = text.replace(form, mask)
        return _without_cut_end(text, forms) if forms else text

    def value(self, value: Any, depth: int = 0) -> Any:
        """A value without the secrets in it; the same object where there are none. Objects of a program are left."""
        if not self._forms or value is None or isinstance(value, bool) or depth > _MOST_DEPTH:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float | Decimal | PurePath):
            written = str(value)
            return self.text(written) if self.occurs(written) else value
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value), value)
        if isinstance(value, Mapping):
            pairs = [(self.value(key, depth + 1), self.value(item, depth + 1)) for key, item in value.items()]
            same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
            return value if same else dict(pairs)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.value(item, depth + 1) for item in value]
            if all(a is b for a, b in zip(items, value, strict=True)):
                return value
            kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
            return kind(items)
        return value

    def error(self, error: BaseException) -> BaseException:
        """The error with its sentence, notes and causes without secrets.

        It is changed in place, so that its class stays; one that makes its sentence of parts that cannot be changed is
        replaced by a ``NodeError`` with a clean sentence.
        """
        if not self._forms or self._hidden(error, {id(error)}):
            return error
        return NodeError(self.text(describe(error)))

    def _hidden(self, error: BaseException, seen: set[int]) -> bool:
        """Hide what is in an error and in its causes; False when its own sentence cannot be changed."""
        for link in ("__cause__", "__context__"):
            inner = getattr(error, link)
            if inner is not None and id(inner) not in seen:
                seen.add(id(inner))
                if not self._hidden(inner, seen):
                    setattr(error, link, None)
        whole = True
        if isinstance(error, BaseExceptionGroup):
            kept = [one for one in error.exceptions if not self._hidden(one, seen)]  # all of them, not up to the first
            whole = not kept
        return self._clean(error) and whole

    def _clean(self, error: BaseException) -> bool:
        """Hide what is in an error's parts; whether its sentence is clean now."""
        if self.occurs(repr(error.args)) or self.occurs(str(error)):
            error.args = tuple(self.value(part) for part in error.args)
            for name in ("filename", "filename2", "strerror", "msg", "text", "object", "doc", "name"):
                part = getattr(error, name, None)
                if isinstance(part, str | bytes) and self.value(part) is not part:
                    try:
                        setattr(error, name, self.value(part))
                    except (AttributeError, TypeError):
                        continue  # it is made of something else; the sentence is looked at below
        for name, part in list(vars(error).items()):
            if isinstance(part, str):
                vars(error)[name] = self.text(part)
        notes = getattr(error, "__notes__", None)
        if notes:
            error.__notes__ = [self.text(str(note)) for note in notes]
        return self.text(str(error)) == str(error)

    def _bytes(self, data: bytes, value: Any) -> Any:
        hidden = data
        for form, mask in self._forms:
            hidden = hidden.replace(form.encode("utf-8", "surrogatepass"), mask.encode("utf-8"))
        return value if hidden == data else hidden


def _without_cut_end(text: str, forms: tuple[tuple[str, str], ...]) -> str:
    """A text whose end is not the beginning of a secret that was cut: messages are shortened."""
    core = text.rstrip(_ENDS)
    for form, mask in forms:
        if "://" in form:
            continue  # how addresses begin is no secret; the password in it is a form of its own
        at = core.rfind(form[:_CUT], max(0, len(core) - len(form)))
        if at >= 0 and form.startswith(core[at:]):
            return core[:at] + mask + text[len(core) :]
    return text


def without_userinfo(text: str) -> str:
    """A text in which addresses are without the user and the password that may stand before the host."""
    return _USERINFO.sub(r"\1***@", text) if "://" in text else text


# ---------------------------------------------------------------------------------------------- forms
def _forms(value: str) -> set[str]:
    """What a value may look like."""
    found = set()
    for part in _parts(value):
        found |= {form for form in _written(part) if len(form) >= SHORTEST}
    return found


def _parts(value: str) -> Iterator[str]:
    yield value
    stripped = value.strip()
    if stripped != value and len(stripped) >= SHORTEST:
        yield stripped
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:  # a key is printed line by line; its first and last lines are the same in all keys
        yield from (line for line in lines if len(line) >= _LONG_LINE and not line.startswith("-----"))
    password = _password_of(value)
    if len(password) >= SHORTEST:
        yield password
        if len(unquote(password)) >= SHORTEST:
            yield unquote(password)


def _password_of(value: str) -> str:
    """The password inside an address, or empty."""
    if "://" not in value:
        return ""
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""  # not an address after all


def _written(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield repr(repr(value))[2:-2]
    data = value.encode("utf-8", "surrogatepass")
    for safe in ("", "/"):
        quoted = quote(data, safe=safe)
        yield quoted
        yield _small_escapes(quoted)
    yield quote_plus(data)
    yield data.hex()
    yield data.hex().upper()
    yield data.hex(" ")
    for before in range(3):  # base64 of something that has the value at any position
        whole = base64.b64encode(b"\0" * before + data).decode("ascii")
        core = whole[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield core
        yield core.replace("+", "-").replace("/", "_")


def _small_escapes(quoted: str) -> str:
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


# ---------------------------------------------------------------------------------------------- logs of libraries
class LibraryLogs(logging.Filter):
    """While entered, log records of libraries that a run uses are without its secrets (httpx logs whole addresses)."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def __enter__(self) -> None:
        for name in _LIBRARIES:
            logging.getLogger(name).addFilter(self)

    def __exit__(self, *exception: object) -> None:
        for name in _LIBRARIES:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide, and let every record pass."""
        redactor = self._redactor
        if redactor.active:
            said = record.getMessage()
            hidden = redactor.text(said)
            if hidden != said:
                record.msg, record.args = hidden, None
            if record.exc_info and record.exc_info[1] is not None:
                redactor.error(record.exc_info[1])
        return True
