"""The export formats: a module for each, named by its suffix, with an `EXPORTER`.

To add a format, add a module here. `poolviz run --out`, `poolviz export` and the window's menu
find it.
"""
