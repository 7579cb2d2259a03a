"""Tables: immutable Arrow data that nodes hand to each other, and what can be done with it.

Nothing here imports pyarrow before there is a table: a run without tables does not pay for it.
"""
