"""What ``start.py`` does, in the standard library alone: environment, checks, handing over to the program."""
