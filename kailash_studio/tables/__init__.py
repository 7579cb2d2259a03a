"""Tables: immutable Arrow data that nodes hand to each other, and what can be done with it.

Nothing here imports pyarrow before there is a table: a run without tables does not pay for it.
"""

import os

# Arrow reads it when it is loaded. Its own allocator keeps what was freed: a workflow over a million rows peaked 85 MB
# higher with it, and was no faster (benchmarks/tables.py). A user's own choice stands.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
