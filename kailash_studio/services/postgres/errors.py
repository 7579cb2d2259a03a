"""asyncpg's failures in our own words: told apart by cause, transient or permanent, or with an unknown outcome."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any

from kailash_studio.errors import (
    DatabaseConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnreachableError,
    OutcomeUnknownError,
)
from kailash_studio.services.tls import not_offered, not_trusted

# PostgreSQL, appendix A: connection exceptions, shutdown by the administrator or a crash, no free connection,
# sessions ended by the server's own timeouts.
_GONE = ("08", "57P", "53300", "25P03", "25P04")
_CONFLICT = ("40001", "40P01")
# Besides what DatabaseError knows by itself: not supported, no such database or schema.
_PERMANENT = ("0A", "3D", "3F")
# With these the server itself ended the session before it had committed anything; 57P02 (a crash) and a silent end
# say nothing of that.
_ENDED_IN_ORDER = ("57P01", "57P05", "25P03", "25P04")


# host[:port] (an IPv6 address in brackets), several of them between commas; the name of a database
_HOSTS = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.%]+\])(?::\d{1,5})?(?:,(?:[\w.-]+|\[[0-9A-Fa-f:.%]+\])(?::\d{1,5})?)*")
_DATABASE = re.compile(r"[\w.%+~-]*")
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:\\.|[^'\\])*'|(?:\\.|[^\s'\\])*)(?:\s+|\Z)", re.DOTALL)
_UNTOLD = "the given address"


def place_of(address: str | Mapping[str, Any]) -> str:
    """Where an address leads, for people: host, port and database, and nothing of user, password and options.

    A password may hold anything, so an address is read behind its last @. One that may mean several things is not told
    at all.

    Args:
        address: ``scheme://user:password@host:port/database``, libpq's ``host=... dbname=...``, or the arguments of
            ``asyncpg.connect``: ``dsn``, or host, port, database.
    """
    if not isinstance(address, str):
        if "dsn" in address:
            return place_of(str(address["dsn"]))
        return f"{address.get('host')}:{address.get('port')}/{address.get('database') or ''}"
    scheme, divided, rest = address.strip().partition("://")
    if not divided or not re.fullmatch(r"[\w+.-]+", scheme):
        return _place_by_words(address)
    before, _, behind = rest.rpartition("@")
    bare = re.split(r"[?#]", behind, maxsplit=1)[0]
    if re.search(r"[?#]", before):  # the @ is in an option, or the password has a ? in it
        return _UNTOLD
    return _told(*bare.partition("/")[::2])


def _place_by_words(address: str) -> str:
    """Where ``host=... port=... dbname=...`` leads."""
    found, at = {}, 0
    while pair := _PAIR.match(address, at):
        value = pair[2][1:-1] if pair[2].startswith("'") else pair[2]
        found[pair[1].lower()] = re.sub(r"\\(.)", r"\1", value)
        at = pair.end()
    if at < len(address):
        return _UNTOLD
    port = found.get("port", "")
    return _told(found.get("host", "") + (f":{port}" if port else ""), found.get("dbname", ""))


def _told(hosts: str, database: str) -> str:
    if not (_HOSTS.fullmatch(hosts) and _DATABASE.fullmatch(database)):
        return _UNTOLD
    return f"{hosts}/{database}" if database else hosts


def connecting_failed(error: BaseException, target: Mapping[str, Any], seconds: float) -> DatabaseError:
    """Why no connection could be made.

    Args:
        error: What asyncpg or the system raised.
        target: The arguments of ``asyncpg.connect``.
        seconds: Seconds that connecting was given.
    """
    import asyncpg

    place = place_of(target)
    if isinstance(error, TimeoutError):
        return DatabaseUnreachableError(f"The database at {place} cannot be reached: no answer within {seconds:g} s.")
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error, "", place)
    if isinstance(error, OSError):
        return tls_failed(error, place) or DatabaseUnreachableError(
            f"The database at {place} cannot be reached: {_said(error)}."
        )
    said = str(error).rstrip(".")
    if "dsn" in target:  # words about an address may quote a part of its password
        said = (
            "connection_string should read postgresql://user:password@host:port/database, with %40 for an @ and %2F "
            "for a / in the password"
        )
    wrong = DatabaseError(f"The connection to {place} is not well described: {said}.")
    wrong.permanent = True
    return wrong


def tls_failed(error: BaseException, place: str) -> DatabaseError | None:
    """Why there is no TLS, if that is what an error of connecting says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return not_trusted(place, error)
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):  # asyncpg's words
        return not_offered(place)
    return None


def statement_failed(
    error: BaseException,
    place: str,
    statement: str,
    *,
    closed: bool,
    may_have_written: bool,
    seconds: float,
) -> DatabaseError:
    """Why a statement gave no result.

    Args:
        error: What asyncpg or the system raised.
        place: The address, for people.
        statement: Its text, for the line and column.
        closed: The connection is closed now.
        may_have_written: It was a COMMIT, or a writing statement outside of any transaction.
        seconds: Seconds that it was given.
    """
    import asyncpg

    cause = error
    # asyncpg says 08003 for a connection that ended; what the server said last is behind it
    while isinstance(cause.__cause__, (asyncpg.PostgresError, OSError)):
        cause = cause.__cause__
    state = _sqlstate(cause)
    silent = isinstance(error, TimeoutError) and not isinstance(error, asyncpg.PostgresError)
    lost = silent or closed or state.startswith(_GONE) or (isinstance(error, OSError) and not state)
    if state == "40003" or (lost and may_have_written and state not in _ENDED_IN_ORDER):
        return _unknown(place, f"no answer within {seconds:g} s" if silent else _said(cause), state)
    if silent:
        return DatabaseTimeoutError(f"The database at {place} did not finish within {seconds:g} s.")
    if isinstance(cause, asyncpg.PostgresError) and not state.startswith("08003"):
        return _from_server(cause, statement, place)
    if lost:
        return DatabaseUnreachableError(f"The connection to {place} was lost: {_said(cause)}.", sqlstate=state)
    wrong = DatabaseError(f"The database at {place}: {_said(error)}.")
    wrong.permanent = True  # a live connection complains of the call itself
    return wrong


def _unknown(place: str, said: str, state: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The connection to {place} was lost while a change was being committed ({said}): whether it was is unknown, "
        "look at the data before you run it again.",
        sqlstate=state,
    )


def _from_server(error: Any, statement: str, place: str) -> DatabaseError:
    state = _sqlstate(error)
    sentence = f"The database says: {_said(error)}{_position(error, statement)}."
    hint = getattr(error, "hint", None)
    if hint:
        sentence += f" {hint}"
    if state == "57014":
        # also what a cancel from elsewhere gives; the message is the server's, perhaps in another language
        return (
            DatabaseTimeoutError(sentence, sqlstate=state)
            if "timeout" in str(error)
            else DatabaseError(sentence, sqlstate=state)
        )
    if state == "53300":
        sentence = f"The database at {place} has no connection left: {_said(error)}."
    if state.startswith(_CONFLICT):
        return DatabaseConflictError(sentence, sqlstate=state)
    kind = DatabaseUnreachableError if state.startswith(_GONE) else DatabaseError
    made = kind(sentence, sqlstate=state)
    made.permanent = made.permanent or state.startswith(_PERMANENT)
    return made


def _sqlstate(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


def _said(error: BaseException) -> str:
    said = str(getattr(error, "message", None) or error or type(error).__name__).rstrip(".")
    return "it closed the connection" if "connection_lost" in said else said  # the driver's name for it


def _position(error: Any, statement: str) -> str:
    position = getattr(error, "position", None)
    if not (position and str(position).isdigit() and statement):
        return ""
    before = statement[: int(position) - 1]
    return f" (line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))})"
