"""The names that a program needs to write node types of its own, under the guide's import path."""

from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.parameter import Parameter as NodeParameter
from kailash_studio.spec.port import Input, Output

__all__ = ["Input", "Node", "NodeParameter", "Output", "Outputs", "Parameter", "RunContext"]
