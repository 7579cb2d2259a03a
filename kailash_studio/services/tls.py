"""TLS on the way to a database server: how much of it a connection asks for, and what is said where there is none.

==========  ===========================================  ==============  ===============
mode        meaning                                      PostgreSQL's    MySQL's
                                                         ``sslmode``     ``ssl-mode``
==========  ===========================================  ==============  ===============
preferred   where the server offers it                   prefer          PREFERRED
off         never                                        disable         DISABLED
required    always; whose certificate it is is not       require         REQUIRED
            looked at
verified    always; the certificate is the server's, by  verify-full     VERIFY_IDENTITY
            name, and of an authority that is trusted
==========  ===========================================  ==============  ===============
"""

from __future__ import annotations

import ssl
from typing import Literal, get_args

from kailash_studio.errors import DatabaseError

TlsMode = Literal["preferred", "off", "required", "verified"]
MODES: tuple[TlsMode, ...] = get_args(TlsMode)


def context_of(mode: TlsMode) -> ssl.SSLContext | None:
    """What a driver is given that takes a context; None for ``off``.

    The authorities of ``verified`` are those that this machine trusts, or those in ``SSL_CERT_FILE``.
    """
    if mode == "off":
        return None
    if mode == "verified":
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def not_offered(place: str) -> DatabaseError:
    """A server has no TLS, and its connection asks for it."""
    return _permanent(f"The server at {place} offers no TLS, which its connection asks for.")


def not_trusted(place: str, error: ssl.SSLCertVerificationError) -> DatabaseError:
    """A server's certificate was looked at and refused."""
    return _permanent(f"The certificate of {place} is not trusted: {error.verify_message.rstrip('.')}.")


def _permanent(sentence: str) -> DatabaseError:
    wrong = DatabaseError(sentence)
    wrong.permanent = True
    return wrong
