"""The session file: its format, writing it and reading it."""
