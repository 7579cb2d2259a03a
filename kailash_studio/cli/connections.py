"""``kailash-studio connections``: databases under names."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict, replace

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import print_json
from kailash_studio.errors import ParameterError
from kailash_studio.services.connections import FILES, KINDS, Connections, SavedConnection, tried
from kailash_studio.services.credentials.chain import StoredSecrets
from kailash_studio.services.tls import MODES

_FIELDS = ("kind", "host", "port", "database", "user", "secret", "tls")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("do", choices=("list", "add", "edit", "remove", "test"), help="what to do")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the connection's name")
    parser.add_argument("--kind", choices=KINDS, help="kind of database (default: postgresql)")
    parser.add_argument("--host", help="server (default: localhost)")
    parser.add_argument("--port", type=int, help="its port (default: 5432)")
    parser.add_argument("--database", help="name of the database, or path of the SQLite file")
    parser.add_argument("--user", help="user of the database")
    parser.add_argument("--secret", help="name of the secret with the password (see `secrets`)")
    parser.add_argument(
        "--tls",
        choices=MODES,
        help="encryption: where the server offers it (default), never, always, or always with a certificate that is "
        "the server's and trusted",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(chosen: argparse.Namespace) -> int:
    """Do it."""
    connections = Connections()
    if chosen.do != "list" and not chosen.name:
        raise ParameterError(f"connections {chosen.do} needs a name: kailash-studio connections {chosen.do} NAME.")
    given = {name: getattr(chosen, name) for name in _FIELDS if getattr(chosen, name) is not None}
    match chosen.do:
        case "list":
            _list(connections, as_json=chosen.json)
        case "add":
            if any(saved.name == chosen.name for saved in connections.all()):
                raise ParameterError(f"There is a connection {chosen.name} already: change it with `edit`.")
            connections.put(SavedConnection(chosen.name, **given))
            print(f"{chosen.name} is saved.")
        case "edit":
            connections.put(replace(connections.get(chosen.name), **given))
            print(f"{chosen.name} is changed.")
        case "remove":
            connections.remove(chosen.name)
            print(f"{chosen.name} is removed; its secret stays where it is stored.")
        case _:
            print(asyncio.run(tried(connections.get(chosen.name), StoredSecrets())))
    return ExitStatus.SUCCEEDED


def _list(connections: Connections, *, as_json: bool) -> None:
    known = connections.all()
    if as_json:
        print_json([asdict(saved) for saved in known])
        return
    for saved in known:
        user = f"{saved.user}@" if saved.user else ""
        secret = f"  secret {saved.secret}" if saved.secret else ""
        tls = f"  tls {saved.tls}" if saved.kind not in FILES else ""
        print(f"{saved.name:<20} {saved.kind:<10} {user}{saved.place}{secret}{tls}")
    if not known:
        print("No connection is saved. `kailash-studio connections add NAME --host ...` saves one.")
