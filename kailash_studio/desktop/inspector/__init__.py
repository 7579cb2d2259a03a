"""The inspector: what is known of the selected node, and the form of its parameters."""

from kailash_studio.desktop.inspector.inspector import InspectedNode, InspectedPort, Inspector

__all__ = ["InspectedNode", "InspectedPort", "Inspector"]
