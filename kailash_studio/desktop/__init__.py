"""The window: the only place of Qt. ``preflight`` alone may be imported without it."""
