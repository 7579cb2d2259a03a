"""Runs workflows: plan, engine, events, the runtimes of the guide, and the engine process of the window."""
