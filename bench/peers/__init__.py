"""One module per peer that is written in Python; each runs as a process of its own in an environment of its own."""
