"""The window's model: what is requested, what is running, and which notices there are."""
