"""PostgreSQL: connections of our own, a pool of them, and the driver's failures turned into our error tree.

``statements`` reads a statement's text, ``errors`` translates, ``connection`` is one session, ``pool`` hands sessions
out, ``health`` judges them, ``statistics`` counts, ``transaction`` wraps several statements, ``shared`` keeps the pools
of a runtime.
"""
