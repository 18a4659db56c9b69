"""The page of kept sessions: a table with small pictures, and what can be done with them."""
