"""The process that owns the embedded server: ``supervisor.py FOLDER BINARIES LINGER``. Standard library only.

It makes the database when there is none, starts the server, restarts it when it dies, tells each user the address, and
ends with the server when the last user's connection has been closed for ``LINGER`` seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import hmac
import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

USER, DATABASE = "studio", "studio"
_LOG_BYTES = 2 * 2**20
_LINUX = sys.platform.startswith("linux")

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # PostgreSQL's protocol, 55.7


class StartFailedError(Exception):
    """The server cannot be started; the text is for a person."""


# ---------------------------------------------------------------------------------------------- one supervisor a folder
class FolderLock:
    """A lock that the system frees when its holder ends, however that is."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a+b")

    def take(self) -> bool:
        """Take it if it is free."""
        try:
            if sys.platform == "win32":
                import msvcrt

                self._stream.seek(0)
                msvcrt.locking(self._stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def answers(state_file: Path) -> bool:
    """Whether the supervisor of a state file accepts connections."""
    try:
        port = int(json.loads(state_file.read_text(encoding="utf-8"))["control_port"])
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


# ---------------------------------------------------------------------------------------------- as whom it runs
def child_setup(folder: Path) -> Callable[[], None] | None:
    """What a child does between fork and exec: not be root, and end with its parent.

    PostgreSQL refuses to run as root. Where the system allows it, the child sees itself as user 1000 of a user
    namespace, in which files stay root's own; so it works below folders that only root may enter. Elsewhere it becomes
    ``nobody``, who is given the folder.
    """
    if sys.platform == "win32":
        return None
    as_root = os.geteuid() == 0
    identity: tuple[int, int] | None = None
    if as_root and not (_LINUX and _can_unshare()):
        import pwd

        entry = pwd.getpwnam("nobody")
        identity = entry.pw_uid, entry.pw_gid
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *identity)
    library = ctypes.CDLL(None, use_errno=True) if _LINUX else None

    def setup() -> None:
        if identity is not None:
            os.setgroups([])
            os.setgid(identity[1])
            os.setuid(identity[0])
        elif as_root:
            _enter_user_namespace()
        if library is not None:
            library.prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG: a fast shutdown when the supervisor dies

    return setup


def _enter_user_namespace() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(0x10000000):  # CLONE_NEWUSER
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def _can_unshare() -> bool:
    try:
        return subprocess.run(["/bin/true"], preexec_fn=_enter_user_namespace, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


# ---------------------------------------------------------------------------------------------- the server
class Server:
    """The PostgreSQL server of a folder."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self._binaries = folder, binaries
        self.data = folder / "data"
        self.port = 0
        self._setup = child_setup(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.password = self._password()

    def _password(self) -> str:
        path = self.folder / "password"
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                os.write(handle, secrets.token_urlsafe(24).encode("ascii"))
                os.close(handle)
        return path.read_text(encoding="ascii")

    def _run(self, program: str, *words: str, text: str = "") -> None:
        done = subprocess.run(
            [str(self._binaries / program), *words],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=self._setup,
            cwd=str(self.folder),
            check=False,
        )
        if done.returncode:
            raise StartFailedError(f"{program} says: {done.stdout.decode('utf-8', 'replace').strip()[-600:]}")

    def prepare(self) -> None:
        """Make the database when there is none; half a one, from a start that was killed, is made anew."""
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.folder / "data.part"
        shutil.rmtree(fresh, ignore_errors=True)
        words = ["-D", str(fresh), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(self.folder / "password")]
        locale = ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        self._run("initdb", *words, *locale, "--no-sync", "--no-instructions")
        single = ["--single", "-D", str(fresh), "-c", "fsync=off"]
        self._run("postgres", *single, "postgres", text=f"CREATE DATABASE {DATABASE};\n")
        self._run("postgres", *single, DATABASE, text="CREATE EXTENSION vector;\n")
        shutil.rmtree(self.data, ignore_errors=True)
        fresh.rename(self.data)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._end_leftover()
        self.port = self._free_port()
        log = self.folder / "log"
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(self.folder / "log.1")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "100",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self.data), *words],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                preexec_fn=self._setup,  # noqa: PLW1509 - the supervisor has one thread
                cwd=str(self.folder),
            )
        deadline = time.monotonic() + 60
        while not self._is_ready():
            if self._process.poll() is not None:
                last = log.read_text(encoding="utf-8", errors="replace").strip()[-600:]
                raise StartFailedError(f"the server ended at once: {last}")
            if time.monotonic() > deadline:
                raise StartFailedError("the server took longer than 60 s to start.")
            time.sleep(0.01)
        (self.folder / "port").write_text(str(self.port), encoding="ascii")

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            return False
        own = self._process.pid if self._process is not None else 0
        return len(lines) >= 8 and lines[0].strip() == str(own) and lines[7].strip() == "ready"

    def _free_port(self) -> int:
        """The port of the last start when it is free, so that addresses stay good; else any."""
        wanted = 0
        with contextlib.suppress(OSError, ValueError):
            wanted = int((self.folder / "port").read_text(encoding="ascii"))
        for port in (wanted, 0):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
        raise StartFailedError("no port is free on 127.0.0.1.")

    def _end_leftover(self) -> None:
        """End a server that an earlier supervisor left behind; a file that only claims one is removed."""
        file = self.data / "postmaster.pid"
        if not file.exists():
            return
        try:
            pid = int(file.read_text(encoding="ascii").split("\n", maxsplit=1)[0])
        except (ValueError, UnicodeDecodeError):
            pid = 0
        deadline = time.monotonic() + 30
        while pid > 0 and self._is_ours(pid):
            if time.monotonic() > deadline:
                raise StartFailedError(f"process {pid}, a server of an earlier start, does not end.")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
            time.sleep(0.05)
        file.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        if _LINUX:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            except OSError:
                return False
            return state != "Z" and os.fsencode(str(self.data)) in words
        if sys.platform == "win32":
            listed = subprocess.run(["tasklist", "/FI", f"PID eq {pid}"], capture_output=True, check=False).stdout
            return b"postgres" in listed
        shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False).stdout
        return str(self.data).encode() in shown

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def reachable(self) -> bool:
        """Whether it answers: the system takes connections for a server that is dying, so it is asked something."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(_SSL_REQUEST)
                answered = probe.recv(1) in {b"N", b"S"}
        except OSError:
            return False
        return answered and self.alive

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, data is written."""
        if self._process is None or self._process.poll() is not None:
            return
        if sys.platform == "win32":
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast")
        else:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# ---------------------------------------------------------------------------------------------- the supervisor
class Supervisor:
    """Serves users over loopback until nobody is left."""

    def __init__(self, server: Server, linger: float) -> None:
        self._server, self._linger = server, linger
        self._state = server.folder / "state.json"
        self._token = secrets.token_urlsafe(24)
        self._selector = selectors.DefaultSelector()
        self._greeted: dict[socket.socket, bytes] = {}  # connections, and what came that is no whole line yet
        self._known: set[socket.socket] = set()  # those that gave the token
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = False
        self._restarts: list[float] = []

    def serve(self) -> None:
        """Serve; returns when the server has been stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._publish()
        alone_since = time.monotonic()
        try:
            while not self._ended:
                for key, _ in self._selector.select(0.1):
                    connection = key.fileobj
                    assert isinstance(connection, socket.socket)  # nothing else is registered
                    if connection is self._listener:
                        self._accept()
                    else:
                        self._read(connection)
                if not self._server.alive:
                    self._restart()
                if self._known:
                    alone_since = time.monotonic()
                elif time.monotonic() - alone_since > self._linger:
                    break
        finally:
            self._state.unlink(missing_ok=True)  # first, so that nobody new comes
            self._listener.close()
            self._server.stop()

    def _end(self, *_: Any) -> None:
        self._ended = True

    def _publish(self) -> None:
        text = json.dumps({"control_port": self._listener.getsockname()[1], "token": self._token, "pid": os.getpid()})
        part = self._state.with_suffix(".part")
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(handle, text.encode("ascii"))
        os.close(handle)
        part.replace(self._state)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(2)
        self._greeted[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            received = connection.recv(4096)
        except OSError:
            received = b""
        if not received or len(self._greeted[connection]) > 4096:
            self._drop(connection)
            return
        *lines, self._greeted[connection] = (self._greeted[connection] + received).split(b"\n")
        for line in lines:
            if connection in self._known:
                self._tell(connection)
            elif hmac.compare_digest(line, self._token.encode("ascii")):
                self._known.add(connection)
            else:
                self._drop(connection)
                return

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self._known.discard(connection)
        del self._greeted[connection]
        connection.close()

    def _tell(self, connection: socket.socket) -> None:
        while not self._server.reachable:  # it may be dying just now
            if not self._server.alive:
                self._restart()
            time.sleep(0.01)
        address = {
            "host": "127.0.0.1",
            "port": self._server.port,
            "user": USER,
            "password": self._server.password,
            "database": DATABASE,
        }
        try:
            connection.sendall(json.dumps(address).encode("ascii") + b"\n")
        except OSError:
            return  # its end is read next

    def _restart(self) -> None:
        now = time.monotonic()
        self._restarts = [moment for moment in self._restarts if now - moment < 60] + [now]
        if len(self._restarts) > 10:
            raise StartFailedError("the server died 10 times within a minute.")
        self._server.start()


def main(words: list[str]) -> int:
    """Run the supervisor; what keeps the server from starting is left in the file ``failure``."""
    folder, binaries, linger = Path(words[0]), Path(words[1]), float(words[2])
    lock = FolderLock(folder / "lock")
    deadline = time.monotonic() + 30
    while not lock.take():  # another supervisor: it serves already, or is about to end
        if answers(folder / "state.json") or time.monotonic() > deadline:
            return 0
        time.sleep(0.02)
    try:
        (folder / "failure").unlink(missing_ok=True)
        server = Server(folder, binaries)
        server.prepare()
        server.start()
        Supervisor(server, linger).serve()
    except (StartFailedError, OSError, subprocess.SubprocessError) as error:
        (folder / "failure").write_text(str(error) or type(error).__name__, encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    if hasattr(os, "fork") and os.fork():
        os._exit(0)  # whoever started us goes on; we belong to nobody
    sys.exit(main(sys.argv[1:]))
