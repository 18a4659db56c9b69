"""The window's model: what was requested for, what is running, and what there is to say."""
