"""The journal: what runs did, kept in one SQLite file that survives every way of ending."""
