"""Starts the command line, or the desktop when the words are files or none."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the program and return its exit status."""
    from kailash_studio.cli.main import COMMANDS, main

    words = sys.argv[1:]
    if not words or (words[0] not in COMMANDS and not words[0].startswith("-")):
        from kailash_studio.desktop.preflight import problem

        sentence = problem()
        if sentence:
            print(sentence, file=sys.stderr)  # noqa: T201 - there is no window to say it in
            return 2
        from kailash_studio.desktop.app import start

        return start(words)
    return main(words)


if __name__ == "__main__":
    sys.exit(main())
