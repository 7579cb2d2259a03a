"""What a node type is: its declaration, and everything that is derived from it.

Here live ports, parameters, the ``Node`` base class, the function decorator, the registry, the run context that a node
sees, findings, and the derived forms, schemas and reference pages. No document, no run, no window, no driver.
"""
