"""Vectors in PostgreSQL with pgvector: filters, tables, loading, searching. Connections are given, not made here."""
