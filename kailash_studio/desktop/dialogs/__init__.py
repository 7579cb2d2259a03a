"""Dialogs of the window; each is opened without blocking."""
