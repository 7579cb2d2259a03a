"""The command line: one file a command, each with ``arguments`` and ``execute``. No Qt."""
