"""Colours, fonts, icons and themes."""
