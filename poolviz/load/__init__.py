"""How a pool is used: what clients do, and when."""
