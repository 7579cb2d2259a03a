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
    │   └── PythonCodeError       the user's own Python raised
    ├── WorkflowExecutionError    a run ended failed; carries results, run_id and failures
    ├── RunCancelledError         a run was cancelled
    ├── ServiceError              something outside answered with an error or not at all
    │   ├── DatabaseError         a database refused, or could not be reached
    │   ├── EmbeddedServerError   the embedded PostgreSQL could not be started
    │   └── CredentialError       a named secret is not there
    ├── UntrustedWorkflowError    a file from elsewhere was not approved yet
    └── EngineError               the engine process is gone, or did not understand
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StudioError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        code: Stable code for documentation and scripts, for example ``KS-1203``.
        transient: Whether trying again later can help.
    """

    code = "KS-1000"
    transient = False


class SpecError(StudioError):
    """A node type is declared wrongly."""

    code = "KS-1100"


class DocumentError(StudioError):
    """A workflow file cannot be read, or a workflow is not valid."""

    code = "KS-1200"


class UnknownNodeTypeError(DocumentError):
    """The workflow names a node type that is not installed."""

    code = "KS-1201"


class ConnectionRefusedByTypeError(DocumentError):
    """Two ports do not fit together."""

    code = "KS-1202"


class ParameterError(StudioError):
    """A value breaks its parameter's declaration."""

    code = "KS-1203"


class NodeError(StudioError):
    """A node run failed."""

    code = "KS-1300"


class NodeTimeoutError(NodeError, TimeoutError):
    """A node run took longer than its timeout."""

    code = "KS-1301"
    transient = True


class NodeOutputError(NodeError):
    """A node run did not give an output that it declares."""

    code = "KS-1302"


class PythonCodeError(NodeError):
    """The user's own Python raised; the message holds the line and the reason."""

    code = "KS-1303"


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
    """A database refused a statement, or could not be reached.

    Attributes:
        sqlstate: The five-character SQLSTATE, or an empty string where the server gave none.
    """

    code = "KS-1401"

    def __init__(self, message: str, *, sqlstate: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.transient = transient


class EmbeddedServerError(ServiceError):
    """The embedded PostgreSQL could not be started."""

    code = "KS-1402"


class CredentialError(ServiceError):
    """A named secret is not there."""

    code = "KS-1403"


class UntrustedWorkflowError(StudioError):
    """A workflow file from elsewhere has not been approved on this machine."""

    code = "KS-1500"


class EngineError(StudioError):
    """The engine process is gone, or did not understand a request."""

    code = "KS-1600"
