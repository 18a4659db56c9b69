"""How large a pool should be: sizes that are measured, a model of them, and a recommendation."""
