"""The panels around the canvas; each shows what it is given and says what the person asks for."""
