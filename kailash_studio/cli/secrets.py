"""``kailash-studio secrets``: values that graphs hold by name."""

from __future__ import annotations

import argparse
import getpass
import sys

from kailash_studio.cli.exit_status import ExitStatus
from kailash_studio.cli.output import print_json
from kailash_studio.errors import CredentialError, ParameterError
from kailash_studio.services.credentials.chain import Chain, default_chain
from kailash_studio.services.credentials.files import NOT_SET_UP


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("do", choices=("list", "set", "get", "remove", "check"), help="what to do")
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the secret's name")
    parser.add_argument("--in", dest="into", default="", metavar="PLACE", help="store it in this place of `check`")
    parser.add_argument("--reveal", action="store_true", help="with get: print the value")
    parser.add_argument("--json", action="store_true", help="print JSON; never values")


def execute(chosen: argparse.Namespace) -> int:
    """Do it."""
    chain = default_chain()
    if chosen.do not in {"list", "check"} and not chosen.name:
        raise ParameterError(f"secrets {chosen.do} needs a name: kailash-studio secrets {chosen.do} NAME.")
    match chosen.do:
        case "list":
            _list(chain, as_json=chosen.json)
        case "check":
            return _check(chain, chosen.name, as_json=chosen.json)
        case "set":
            provider = chain.set(chosen.name, _value(chosen.name), into=chosen.into)
            print(f"{chosen.name} is stored in {provider.title}.")
        case "remove":
            return _remove(chain, chosen.name)
        case _:
            _get(chain, chosen.name, reveal=chosen.reveal)
    return ExitStatus.SUCCEEDED


def _value(name: str) -> str:
    """Typed without an echo on a terminal, else the first line of standard input, or all of it where there are more."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name}: ")
    text = sys.stdin.read()
    return text.removesuffix("\n") if text.count("\n") <= 1 else text


def _list(chain: Chain, *, as_json: bool) -> None:
    names = chain.names()
    if as_json:
        print_json(names)
        return
    for name, places in names.items():
        over = f"  (also in {', '.join(places[1:])})" if len(places) > 1 else ""
        print(f"{name}  {places[0]}{over}")
    for place in chain.tested():
        if place.problem and place.problem != NOT_SET_UP:
            print(f"Not listed: {place.place}: {place.problem}", file=sys.stderr)
    if not names:
        print("No secret is stored. `kailash-studio secrets set NAME` stores one.")


def _check(chain: Chain, name: str, *, as_json: bool) -> int:
    """Say what each place of the chain can do, or which of them has a name."""
    if name:
        places = chain.where(name)
        told = [{"place": p.provider, "found": p.found, "used": p.used, "problem": p.problem} for p in places]
        if as_json:
            print_json(told)
        else:
            for place in places:
                said = "is used" if place.used else "is there, hidden by one above" if place.found else "has it not"
                print(f"{place.provider:<12} {place.problem or said}")
        return ExitStatus.SUCCEEDED if any(place.used for place in places) else ExitStatus.FAILED
    problems = {provider.name: provider.problem() for provider in chain.providers}
    if as_json:
        print_json(problems)
    else:
        for provider in chain.providers:
            able = "reads and stores" if provider.writable else "reads"
            print(f"{provider.name:<12} {problems[provider.name] or f'works: {provider.title}, {able}'}")
    works = any(provider.writable and not problems[provider.name] for provider in chain.providers)
    return ExitStatus.SUCCEEDED if works else ExitStatus.FAILED


def _remove(chain: Chain, name: str) -> int:
    removed = chain.remove(name)
    if not removed:
        raise CredentialError(f"{name} is stored in no place that can be written: `secrets check {name}` says where.")
    print(f"{name} is removed from {', '.join(removed)}.")
    return ExitStatus.SUCCEEDED


def _get(chain: Chain, name: str, *, reveal: bool) -> None:
    value = chain.secret(name)
    if reveal:
        print(value)
    else:
        print(f"{name} has a value of {len(value)} characters; --reveal prints it.")
