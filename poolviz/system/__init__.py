"""The machine poolviz runs on: its files, display, accounts and libraries."""
