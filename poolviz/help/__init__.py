"""The help: topics on figures, pools, limits, settings, faults and more, as text and as HTML.

Topics are made of the declarations that checks, options and controls come from.
"""
