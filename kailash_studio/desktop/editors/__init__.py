"""Editors of text with a language."""
