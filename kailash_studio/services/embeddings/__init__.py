"""Texts into vectors: without a network by hashing words, or by a service that speaks OpenAI's interface."""
