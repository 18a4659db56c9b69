"""Scenarios as they are written: drafts, TOML files, checks, presets, and the schema."""
