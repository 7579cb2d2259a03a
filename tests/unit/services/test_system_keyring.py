"""The system's keyring: a real one, that can be locked, hang and come back."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.secret_service import SecretService, secret_service

from kailash_studio.cli.main import main
from kailash_studio.errors import CredentialError
from kailash_studio.services.credentials.chain import Chain, StoredSecrets, default_chain
from kailash_studio.services.credentials.encrypted_file import EncryptedFileProvider
from kailash_studio.services.credentials.system_keyring import KeyringProvider

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the Secret Service is Linux's keyring"),
    # the package keyring leaves the connection of a call that was refused to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
CANARY = "c4n4ry-SwordfIsh/7+x"


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    with secret_service(tmp_path_factory.mktemp("bus")) as made:
        for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
            monkeypatch.setenv(name, made.environment[name])
        monkeypatch.setenv("KAILASH_SECRETS_CHAIN", "environment,files,keyring,encrypted")
        yield made
    gc.collect()


def test_a_real_keyring_keeps_lists_and_removes(service: SecretService, user_home: Path, capsys: Any) -> None:
    chain = default_chain()
    assert {tested.place: tested.problem for tested in chain.tested()}["keyring"] == ""
    assert chain.set("vault", CANARY).name == "keyring", "it comes before the encrypted file"
    chain.set("long", "ä🎉\n" * 2000)
    again = default_chain()
    assert again.secret("vault") == CANARY
    assert again.secret("long") == "ä🎉\n" * 2000
    assert again.names() == {"long": ["keyring"], "vault": ["keyring"]}
    for path in [*user_home.rglob("*"), *Path(service.environment["HOME"]).rglob("*")]:
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    assert main(["secrets", "check"]) == 0
    assert "keyring      works: the system keyring, reads and stores" in capsys.readouterr().out
    assert main(["secrets", "list"]) == 0
    assert capsys.readouterr().out == "long  keyring\nvault  keyring\n"
    assert main(["secrets", "remove", "vault"]) == 0
    with pytest.raises(CredentialError, match="'vault' is not set"):
        again.secret("vault")


def test_another_home_has_secrets_of_its_own(service: SecretService, monkeypatch: pytest.MonkeyPatch) -> None:
    default_chain().set("vault", CANARY)
    monkeypatch.setenv("KAILASH_STUDIO_HOME", service.environment["HOME"])
    assert default_chain().names() == {}
    with pytest.raises(CredentialError):
        default_chain().secret("vault")


def test_a_keyring_that_was_locked_comes_back_after_some_seconds(service: SecretService, capsys: Any) -> None:
    now = [0.0]
    keyring = KeyringProvider(now=lambda: now[0])
    chain = Chain([keyring])
    KeyringProvider().problem()
    first = default_chain()
    first.set("vault", CANARY)
    service.lock()
    with pytest.raises(CredentialError, match=r"Not asked: The system keyring refuses: .*unlock"):
        chain.secret("vault")
    assert main(["secrets", "list"]) == 0
    assert "Not listed: keyring: The system keyring refuses" in capsys.readouterr().err
    service.unlock()
    assert "refuses" in keyring.problem(), "it is not asked at each turn"
    now[0] += 10.0
    assert chain.secret("vault") == CANARY


def test_a_keyring_that_hung_comes_back_as_soon_as_it_answers(
    service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_chain().set("vault", CANARY)
    keyring = KeyringProvider(test_seconds=0.3, now=lambda: 0.0)
    service.hang()
    try:
        assert "did not answer within 0.3 s: unlock it" in keyring.problem()
        assert "did not answer" in keyring.problem()
    finally:
        service.go_on()
    deadline = time.monotonic() + 30
    while keyring.problem():
        assert time.monotonic() < deadline, keyring.problem()
        time.sleep(0.01)
    assert keyring.get("vault") == CANARY


def test_the_places_are_tested_in_the_background(service: SecretService) -> None:
    stored = StoredSecrets()
    stored.test()
    assert [(one.place, one.writable) for one in stored.tested()] == [
        ("environment", False),
        ("files", False),
        ("keyring", True),
        ("encrypted", True),
    ]
    assert [one.place for one in stored.tested() if one.problem] == ["files"]


def test_what_is_in_a_locked_keyring_is_not_said_to_be_removed(service: SecretService) -> None:
    default_chain().set("vault", CANARY)
    EncryptedFileProvider().set("vault", CANARY)
    EncryptedFileProvider().set("other", CANARY)
    service.lock()
    with pytest.raises(
        CredentialError,
        match="vault is removed from encrypted, but the system keyring may have it still: The system keyring refuses",
    ):
        default_chain().remove("vault")
    assert default_chain().remove("other") == ["encrypted"], "the keyring never had it"


def test_without_a_session_bus_there_is_no_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert KeyringProvider().problem().startswith("There is no session bus")
