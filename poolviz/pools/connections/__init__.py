"""How each driver connects: connections that are counted, and faults on the way to a server."""
