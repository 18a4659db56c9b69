"""The window's model: what was asked for, what is running, and what there is to say."""
