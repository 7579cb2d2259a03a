"""HTTP with a guard: a host's addresses are checked at the moment of connecting, so that no name can lead inside."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kailash_studio.errors import HttpError, HttpTimeoutError, HttpUnreachableError
from kailash_studio.services.credentials.redaction import without_userinfo

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; ``body`` is the decoded text, or None where it is not text."""

    status: int
    headers: dict[str, str]
    url: str
    content: bytes
    body: str | None
    seconds: float


class HttpClient:
    """A client with its connections kept; one for those that may go to private addresses and one for the others."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    async def open(cls, *, allow_private: bool) -> HttpClient:
        """Make a client; nothing is connected yet."""
        import httpx

        transport = httpx.AsyncHTTPTransport(trust_env=False)
        if not allow_private:
            _guard(transport)
        timeout = httpx.Timeout(60.0, connect=15.0)
        client = httpx.AsyncClient(
            transport=transport, timeout=timeout, follow_redirects=True, max_redirects=5, trust_env=False
        )
        return cls(client)

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, Any],
        json_body: Any = None,
        text_body: str | None = None,
        max_bytes: int,
    ) -> Answer:
        """Send a request and read the whole answer.

        Raises:
            HttpError: No answer, an answer that is too large, or an address that is not allowed.
        """
        import httpx

        content = {"json": json_body} if json_body is not None else {"content": text_body} if text_body else {}
        where = without_userinfo(str(url).split("?", maxsplit=1)[0])
        try:
            if (httpx.URL(url).port or 0) > 65_535:  # the connection would say so by an OverflowError
                raise httpx.InvalidURL("its port is above 65535")
            async with self._client.stream(method, url, headers=headers, params=query or None, **content) as answer:
                read = bytearray()
                async for chunk in answer.aiter_bytes():
                    read += chunk
                    if len(read) > max_bytes:
                        raise HttpError(
                            f"{where} answers with more than {max_bytes / 2**20:g} MiB: raise the limit.",
                            status=answer.status_code,
                            permanent=True,
                        )
            encoding = answer.charset_encoding or "utf-8"
            return Answer(
                answer.status_code,
                dict(answer.headers),
                str(answer.url.copy_with(userinfo=b"")),  # whoever looks at the result needs no password
                bytes(read),
                _text(bytes(read), encoding),
                answer.elapsed.total_seconds(),
            )
        except httpx.TimeoutException:
            raise HttpTimeoutError(f"{where} did not answer in time.") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise HttpError(
                f"{where!r} is not a web address: {without_userinfo(str(error))}.", permanent=True
            ) from None
        except httpx.HTTPError as error:
            cause: BaseException | None = error
            while cause is not None:
                if isinstance(cause, _PrivateAddressError):
                    raise HttpError(str(cause), permanent=True) from None
                cause = cause.__cause__ or cause.__context__
            said = without_userinfo(str(error)) or type(error).__name__
            raise HttpUnreachableError(f"{where} cannot be reached: {said}.") from None
        except _PrivateAddressError as error:
            raise HttpError(str(error), permanent=True) from None


def retry_after(header: str) -> float | None:
    """Seconds of a ``Retry-After`` header, which holds seconds or a date (RFC 9110, 10.2.3), or None."""
    from email.utils import parsedate_to_datetime

    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None  # not there, or not understood: the policy's own wait holds


def _text(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


class _PrivateAddressError(OSError):
    """The name leads to an address inside."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local (metadata), or reserved."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    inner = _inside(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    ip = inner or ip
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: a gateway sends it on to the IPv4 address in its last bits


def _inside(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64), or None."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _guard(transport: httpx.AsyncHTTPTransport) -> None:
    """Let a transport connect to public addresses only, and to the very addresses that were checked."""
    import httpcore
    from httpcore._backends.auto import AutoBackend

    class Guarded(httpcore.AsyncNetworkBackend):
        def __init__(self) -> None:
            self._plain = AutoBackend()

        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise httpcore.ConnectError(f"{host} is not known: {error.strerror or error}") from None
            addresses = [str(entry[4][0]) for entry in found]
            inside = [address for address in addresses if not is_public(address)]
            if inside:
                what = "a private address" if host == inside[0] else f"the private address {inside[0]}"
                raise _PrivateAddressError(f"{host} is {what}: allow private addresses on the node if that is meant.")
            return await self._plain.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

        async def connect_unix_socket(
            self,
            path: str,
            timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.AsyncNetworkStream:
            raise _PrivateAddressError(f"{path} is a socket of this machine.")

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    # httpx has no argument for the network backend; its pool is the public class of httpcore.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(), network_backend=Guarded(), max_keepalive_connections=20
    )
