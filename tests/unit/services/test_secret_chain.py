"""Secrets: the places in their order, our own encrypted file, saved connections, and their commands."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.cli.main import main
from kailash_studio.errors import CredentialError, ParameterError, WorkflowExecutionError
from kailash_studio.services.connections import Connections, SavedConnection
from kailash_studio.services.credentials.chain import default_chain
from kailash_studio.services.credentials.encrypted_file import EncryptedFileProvider
from kailash_studio.services.credentials.files import FilesProvider


def test_what_is_set_from_outside_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = default_chain()
    with pytest.raises(
        CredentialError, match=r"'api_key' is not set: store it with `kailash-studio secrets set api_key`"
    ):
        chain.secret("api_key")
    assert chain.set("api_key", "stored").name == "encrypted"
    assert chain.secret("api_key") == "stored"
    monkeypatch.setenv("KAILASH_SECRET_API_KEY", "from outside")
    assert default_chain().secret("api_key") == "from outside"
    used = {place.provider: (place.found, place.used) for place in chain.where("api_key")}
    assert used["environment"] == (True, True)
    assert used["encrypted"] == (True, False)
    monkeypatch.setenv("KAILASH_SECRETS_CHAIN", "encrypted")
    assert default_chain().secret("api_key") == "stored"
    monkeypatch.setenv("KAILASH_SECRETS_CHAIN", "vault")
    with pytest.raises(CredentialError, match="KAILASH_SECRETS_CHAIN names 'vault'"):
        default_chain()


def test_the_encrypted_file_holds_no_value_in_clear_and_is_for_its_owner_alone(user_home: Path) -> None:
    default_chain().set("api_key", "swordfish-and-more")
    files = [path for path in user_home.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert b"swordfish-and-more" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_damaged_file_is_a_sentence_and_is_not_written_over(user_home: Path) -> None:
    provider = EncryptedFileProvider()
    provider.set("api_key", "value")
    file = next(path for path in user_home.rglob("*") if b"value" not in path.read_bytes() and path.suffix == ".json")
    content = file.read_bytes()
    damaged = content[: len(content) // 2]
    file.write_bytes(damaged)
    fresh = EncryptedFileProvider()
    with pytest.raises(CredentialError) as raised:
        fresh.get("api_key")
    assert str(file) in str(raised.value)
    with pytest.raises(CredentialError):
        fresh.set("other", "value")
    assert file.read_bytes() == damaged, "nothing is lost that somebody could still mend"


def test_writers_at_the_same_time_lose_nothing() -> None:
    def write(first: int) -> None:
        for number in range(first, first + 5):
            EncryptedFileProvider().set(f"name{number}", f"value {number}")

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 5, 10)]
    code = "from kailash_studio.services.credentials.encrypted_file import EncryptedFileProvider as P\n"
    code += "[P().set(f'name{n}', f'value {n}') for n in range(15, 20)]"
    process = subprocess.Popen([sys.executable, "-c", code])
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait(60) == 0
    found = EncryptedFileProvider()
    assert {name: found.get(name) for name in found.names()} == {f"name{n}": f"value {n}" for n in range(20)}


def test_connections_are_saved_renamed_and_removed(user_home: Path) -> None:
    connections = Connections()
    assert connections.all() == []
    connections.put(SavedConnection("prod", host="db.example", database="books", user="me", secret="prod_password"))
    connections.put(SavedConnection("file", kind="sqlite", database="book.db"))
    connections.put(SavedConnection("main", host="db.example"), instead_of="prod")
    assert [saved.name for saved in Connections().all()] == ["file", "main"]
    with pytest.raises(ParameterError, match="There is a connection file already"):
        connections.put(SavedConnection("file"), instead_of="main")
    with pytest.raises(ParameterError, match=r"There is no connection 'prod' \(file, main\)"):
        connections.get("prod")
    for wrong in ({"port": 0}, {"kind": "oracle"}, {"kind": "sqlite"}, {"name": "a b"}, {"tls": "maybe"}):
        with pytest.raises(ParameterError):
            SavedConnection(**{"name": "x", **wrong})
    connections.remove("main")
    assert [saved.name for saved in connections.all()] == ["file"]
    connections.path.write_text('{"version": 1, "connections": ', encoding="utf-8")
    with pytest.raises(ParameterError, match="is damaged"):
        connections.all()
    connections.path.write_text('{"version": 99, "connections": {}}', encoding="utf-8")
    with pytest.raises(ParameterError, match="newer version"):
        connections.all()


def test_connections_that_were_saved_before_there_was_tls_are_as_they_were(user_home: Path) -> None:
    connections = Connections()
    former = {
        "books": {"kind": "postgresql", "host": "db.example", "port": 5433, "secret": "p"},
        "shop": {"kind": "mysql", "host": "db.example", "port": 3306, "database": "shop"},
    }
    connections.path.parent.mkdir(parents=True, exist_ok=True)
    connections.path.write_text(json.dumps({"version": 1, "connections": former}), encoding="utf-8")
    books, shop = connections.all()
    assert (books.port, books.tls, "ssl" in books.target(lambda _: "")) == (5433, "preferred", False)
    assert (shop.tls, shop.target(lambda _: "")["tls"]) == ("off", "off")
    connections.put(SavedConnection("new", kind="mysql", host="db.example"))
    assert json.loads(connections.path.read_text(encoding="utf-8"))["version"] == 2
    assert {saved.name: saved.tls for saved in connections.all()} == {
        "books": "preferred", "new": "preferred", "shop": "off",
    }  # fmt: skip


def test_tls_is_asked_for_on_the_command_line(capsys: Any) -> None:
    assert main(["connections", "add", "shop", "--kind=mysql", "--database=shop", "--tls=verified"]) == 0
    assert main(["connections", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("tls verified")
    assert main(["connections", "edit", "shop", "--port=3307"]) == 0
    assert Connections().get("shop").tls == "verified"
    assert main(["connections", "edit", "shop", "--tls=required"]) == 0
    assert Connections().get("shop").target(lambda _: "")["tls"] == "required"


def test_secrets_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("swordfish\n"))
    assert main(["secrets", "set", "api_key"]) == 0
    assert main(["secrets", "list", "--json"]) == 0
    assert main(["secrets", "get", "api_key"]) == 0
    said = capsys.readouterr().out
    assert "swordfish" not in said
    assert "9 characters" in said
    assert main(["secrets", "get", "api_key", "--reveal"]) == 0
    assert capsys.readouterr().out == "swordfish\n"
    assert main(["secrets", "check"]) == 0
    assert main(["secrets", "check", "api_key"]) == 0
    assert "is used" in capsys.readouterr().out
    assert main(["secrets", "remove", "api_key"]) == 0
    assert main(["secrets", "get", "api_key"]) != 0
    assert main(["secrets", "get"]) != 0
    assert "needs a name" in capsys.readouterr().err


@pytest.mark.usefixtures("with_database")
def test_connections_on_the_command_line_reach_a_real_server(postgres_target: dict[str, Any], capsys: Any) -> None:
    default_chain().set("its_password", str(postgres_target.get("password") or "none"))
    place = [f"--{name}={postgres_target[name]}" for name in ("host", "port", "database", "user")]
    secret = ["--secret=its_password"] if postgres_target.get("password") else []
    assert main(["connections", "add", "books", *place, *secret]) == 0
    assert main(["connections", "test", "books"]) == 0
    assert "PostgreSQL" in capsys.readouterr().out
    assert main(["connections", "add", "books"]) != 0
    assert "already" in capsys.readouterr().err
    assert main(["connections", "edit", "books", "--port=1"]) == 0
    assert main(["connections", "test", "books"]) != 0
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["connections", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["port"] == 1
    assert main(["connections", "remove", "books"]) == 0


@pytest.mark.usefixtures("with_database")
def test_an_sql_node_runs_on_saved_connections(postgres_target: dict[str, Any], tmp_path: Path) -> None:
    connections = Connections()
    default_chain().set("its_password", str(postgres_target.get("password") or "none"))
    given = {name: postgres_target[name] for name in ("host", "port", "database", "user")}
    connections.put(SavedConnection("books", **given, secret="its_password"))
    connections.put(SavedConnection("file", kind="sqlite", database=str(tmp_path / "book.db")))
    for name, query in (("books", "SELECT count(*) AS n FROM sample.clients"), ("file", "SELECT 42 AS n")):
        builder = WorkflowBuilder("saved")
        builder.add_node("AsyncSQLDatabaseNode", "q", query=query, connection="saved", saved=name)
        results, _ = LocalRuntime().execute(builder)
        assert results["q"]["data"][0]["n"] > 1
    builder = WorkflowBuilder("saved")
    builder.add_node("AsyncSQLDatabaseNode", "q", query="SELECT 1", connection="saved", saved="absent")
    with pytest.raises(WorkflowExecutionError, match="There is no connection 'absent'"):
        LocalRuntime().execute(builder)


# ---------------------------------------------------------------------- the folder of files
def test_the_folder_of_files_is_read_as_orchestrators_mount_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mounted"
    monkeypatch.setenv("KAILASH_SECRETS_DIR", str(folder))
    assert FilesProvider().problem() == f"There is no folder {folder}, which KAILASH_SECRETS_DIR names."
    (folder / "..data").mkdir(parents=True)
    (folder / "prod_password").write_bytes(b"swordfish\n")
    (folder / "key").write_bytes("line\r\nä\r\n".encode())
    (folder / "picture").write_bytes(b"\xff\xfe\xfd")
    (folder / "large").write_bytes(b"x" * (64 * 1024 + 1))
    (tmp_path / "outside").write_text("not for workflows", encoding="utf-8")
    chain = default_chain()
    assert chain.secret("prod_password") == "swordfish"
    assert chain.secret("key") == "line\r\nä", "one line end is the editor's, all else is the value"
    assert chain.names() == {name: ["files"] for name in ("key", "large", "picture", "prod_password")}
    for name, said in (
        ("picture", "is not text in UTF-8"),
        ("large", "more than 65,536 bytes"),
        ("..data", "is not set"),
        ("../outside", "is not set"),
        ("absent", "is not set"),
    ):
        with pytest.raises(CredentialError, match=said):
            chain.secret(name)
    with pytest.raises(CredentialError, match="is only read"):
        chain.set("prod_password", "other", into="files")
    with pytest.raises(CredentialError, match="is only read"):
        FilesProvider().remove("prod_password")
    monkeypatch.setenv("KAILASH_SECRET_PROD_PASSWORD", "from outside")
    assert default_chain().secret("prod_password") == "from outside"


# ---------------------------------------------------------------------- the passphrase
def test_a_passphrase_is_the_key_and_no_key_file_is_made(user_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAILASH_SECRETS_PASSPHRASE", "correct horse")
    EncryptedFileProvider().set("vault", "swordfish-and-more")
    assert [path.suffix for path in user_home.iterdir() if path.suffix == ".key"] == []
    fresh = EncryptedFileProvider()
    assert fresh.problem() == ""
    assert fresh.get("vault") == "swordfish-and-more"
    head = json.loads(fresh.path.read_text(encoding="ascii"))
    assert head["kdf"]["name"] == "scrypt"
    assert (head["kdf"]["n"], head["kdf"]["r"], head["kdf"]["p"]) == (2**15, 8, 3)
    fresh.set("other", "more")
    again = json.loads(fresh.path.read_text(encoding="ascii"))
    assert again["nonce"] != head["nonce"] and again["kdf"]["salt"] != head["kdf"]["salt"]
    monkeypatch.setenv("KAILASH_SECRETS_PASSPHRASE", "wrong horse")
    with pytest.raises(CredentialError, match="does not open: the passphrase is another one"):
        EncryptedFileProvider().get("vault")
    with pytest.raises(CredentialError, match="does not open"):
        EncryptedFileProvider().set("vault", "other")
    monkeypatch.delenv("KAILASH_SECRETS_PASSPHRASE")
    with pytest.raises(CredentialError, match="put it into KAILASH_SECRETS_PASSPHRASE"):
        EncryptedFileProvider().get("vault")
    with pytest.raises(CredentialError, match="the encrypted file may have it still"):
        default_chain().remove("vault")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 2**14}, "does not open"),
        ({"n": 2**40}, "is damaged"),
        ({"name": "none"}, "is damaged"),
    ],
)
def test_nobody_can_weaken_the_parameters_of_a_file(
    change: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAILASH_SECRETS_PASSPHRASE", "correct horse")
    provider = EncryptedFileProvider()
    provider.set("vault", "swordfish-and-more")
    head = json.loads(provider.path.read_text(encoding="ascii"))
    head["kdf"] |= change
    provider.path.write_text(json.dumps(head), encoding="ascii")
    with pytest.raises(CredentialError, match=said):
        EncryptedFileProvider().get("vault")
