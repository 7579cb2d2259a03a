"""Every exception that Kailash Studio raises on purpose.

::

    StudioError                   a sentence that names the place and the mend, with a stable code
    ├── SpecError                 a node type is declared wrongly (its author's mistake)
    ├── DocumentError             a workflow file cannot be read, or a workflow is not valid
    │   ├── UnknownNodeTypeError  the workflow names a node type that is not installed
    │   └── ConnectionRefusedByTypeError   two ports do not fit
    ├── ParameterError            a value breaks its parameter's declaration
    ├── NodeError                 a node run failed
    │   ├── NodeTimeoutError      it took longer than its timeout
    │   ├── NodeOutputError       it did not give an output that it declares
    │   ├── TableError            a table does not have the columns or types that a node needs
    │   ├── CircuitOpenError      its circuit breaker is open; it was not called
    │   ├── PythonCodeError       the user's own Python raised
    │   └── NoAnswerError         a capsule has no answer to what it asks
    ├── WorkflowExecutionError    a run ended failed; carries results, run_id and failures
    ├── RunCancelledError         a run was cancelled
    ├── ServiceError              something outside answered with an error or not at all
    │   ├── DatabaseError         a database refused
    │   │   ├── DatabaseUnreachableError   it could not be reached, or the connection was lost
    │   │   ├── DatabaseTimeoutError       it did not finish in time
    │   │   │   └── PoolTimeoutError       no connection of a pool came free in time; names who holds them
    │   │   ├── DatabaseConflictError      transactions stood in each other's way; the whole one can be repeated
    │   │   ├── OutcomeUnknownError        the answer to a COMMIT or a writing statement was lost
    │   │   └── PoolClosedError            a pool is closed or drained
    │   ├── HttpError             a request had no usable answer
    │   │   ├── HttpUnreachableError       the host could not be reached
    │   │   └── HttpTimeoutError           it did not answer in time
    │   ├── EmbeddedServerError   the embedded PostgreSQL could not be started
    │   ├── JournalError          the journal cannot be read or written
    │   └── CredentialError       a named secret is not there
    ├── UntrustedWorkflowError    a file from elsewhere was not approved yet
    └── EngineError               the engine process is gone, or did not understand
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self


class StudioError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        code: Stable code for documentation and scripts, for example ``KS-1203``.
        permanent: Whether trying again cannot help: the same call would fail the same way.
        retry_after: Seconds that whoever refused asks to wait before the next try, or None.
    """

    code = "KS-1000"
    permanent = False
    retry_after: float | None = None

    def at(self, place: str) -> Self:
        """The same error with the place before its sentence."""
        placed = type(self).__new__(type(self))  # its constructor may want more than a message
        placed.__dict__.update(self.__dict__)
        placed.args = (f"{place}: {self}",)
        return placed


class SpecError(StudioError):
    """A node type is declared wrongly."""

    code = "KS-1100"
    permanent = True


class DocumentError(StudioError):
    """A workflow file cannot be read, or a workflow is not valid."""

    code = "KS-1200"
    permanent = True


class UnknownNodeTypeError(DocumentError):
    """The workflow names a node type that is not installed."""

    code = "KS-1201"


class ConnectionRefusedByTypeError(DocumentError):
    """Two ports do not fit together."""

    code = "KS-1202"


class ParameterError(StudioError):
    """A value breaks its parameter's declaration."""

    code = "KS-1203"
    permanent = True


class NodeError(StudioError):
    """A node run failed."""

    code = "KS-1300"


class NodeTimeoutError(NodeError, TimeoutError):
    """A node run took longer than its timeout."""

    code = "KS-1301"


class NodeOutputError(NodeError):
    """A node run did not give an output that it declares."""

    code = "KS-1302"
    permanent = True


class TableError(NodeError):
    """A table does not have the columns or the types that a node needs; the same rows would fail again."""

    code = "KS-1310"
    permanent = True


class CircuitOpenError(NodeError):
    """A node was not called because its circuit breaker is open.

    Attributes:
        key: The breaker.
    """

    code = "KS-1306"

    def __init__(self, message: str, *, key: str, retry_after: float) -> None:
        super().__init__(message)
        self.key = key
        self.retry_after = retry_after


class PythonCodeError(NodeError):
    """The user's own Python raised; the message holds the line and the reason."""

    code = "KS-1303"


class NoAnswerError(NodeError):
    """A run that is played again asks what the recorded one did not; the same question has no answer again."""

    code = "KS-1307"
    permanent = True


class WorkflowExecutionError(StudioError):
    """A run ended failed.

    Attributes:
        results: Outputs of the nodes that succeeded, as ``results[node_id][output]``.
        run_id: The run.
        failures: The exception of each failed node, by node id.
    """

    code = "KS-1304"

    def __init__(
        self, message: str, *, results: Mapping[str, Any], run_id: str, failures: Mapping[str, BaseException]
    ) -> None:
        super().__init__(message)
        self.results = results
        self.run_id = run_id
        self.failures = failures


class RunCancelledError(StudioError):
    """A run was cancelled before it ended."""

    code = "KS-1305"


class ServiceError(StudioError):
    """Something outside answered with an error, or not at all."""

    code = "KS-1400"


class DatabaseError(ServiceError):
    """A database refused a statement.

    Attributes:
        sqlstate: The five-character SQLSTATE, or an empty string where the server gave none.
    """

    code = "KS-1401"

    def __init__(self, message: str, *, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        # data exceptions, broken constraints, failed logins, faults of the statement itself (PostgreSQL, appendix A)
        self.permanent = sqlstate.startswith(("22", "23", "28", "42"))


class DatabaseUnreachableError(DatabaseError, ConnectionError):
    """A database could not be reached, or the connection to it was lost."""


class DatabaseTimeoutError(DatabaseError, TimeoutError):
    """A database did not finish in time."""


class PoolTimeoutError(DatabaseTimeoutError):
    """No connection of a pool came free in time; the sentence names who holds them."""

    code = "KS-1406"


class DatabaseConflictError(DatabaseError):
    """A deadlock or a serialization failure: the transaction was rolled back, and the whole of it can be repeated."""

    code = "KS-1407"


class OutcomeUnknownError(DatabaseError):
    """The connection was lost while a COMMIT or a writing statement was under way: it happened, or it did not.

    Repeating it blindly could do it twice, so it counts as permanent.

    Attributes:
        transaction_id: What ``pg_xact_status`` can be asked about, or an empty string where it is not known.
    """

    code = "KS-1408"

    def __init__(self, message: str, *, sqlstate: str = "", transaction_id: str = "") -> None:
        super().__init__(message, sqlstate=sqlstate)
        self.permanent = True
        self.transaction_id = transaction_id


class PoolClosedError(DatabaseError):
    """A pool is closed or being drained, or a connection of it was already released."""

    code = "KS-1409"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.permanent = True


class HttpError(ServiceError):
    """A request had no usable answer.

    Attributes:
        status: The HTTP status, or 0 when there was no answer.
    """

    code = "KS-1404"

    def __init__(
        self, message: str, *, status: int = 0, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        # 408, 425 and 429 ask for another try (RFC 9110, 8470, 6585)
        self.permanent = permanent or (400 <= status < 500 and status not in {408, 425, 429})
        self.retry_after = retry_after


class HttpUnreachableError(HttpError, ConnectionError):
    """The host of a request could not be reached."""


class HttpTimeoutError(HttpError, TimeoutError):
    """A request was not answered in time."""


class JournalError(ServiceError):
    """The journal cannot be read or written, or does not hold what is asked for."""

    code = "KS-1405"


class EmbeddedServerError(ServiceError):
    """The embedded PostgreSQL could not be started."""

    code = "KS-1402"


class CredentialError(ServiceError):
    """A named secret is not there."""

    code = "KS-1403"
    permanent = True


class UntrustedWorkflowError(StudioError):
    """A workflow file from elsewhere has not been approved on this machine."""

    code = "KS-1500"
    permanent = True


class EngineError(StudioError):
    """The engine process is gone, or did not understand a request."""

    code = "KS-1600"


def describe(error: BaseException) -> str:
    """The sentence that people see of an error: ours as they are, others with their class before them."""
    text = str(error).strip()
    if isinstance(error, StudioError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
