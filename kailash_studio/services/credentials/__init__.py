"""Secrets: where they are kept, and how a name becomes a value. Graphs hold names only.

``chain`` asks the providers in order; ``redaction`` keeps the values out of everything that leaves a run. Nothing here
prints, asks on a terminal, or imports a keyring or cryptography before it is needed.
"""
