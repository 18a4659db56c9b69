"""Pools of the user's own."""
