"""What a run is told: drafts, TOML files, checks, presets, and the schema."""
