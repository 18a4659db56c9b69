"""Finding the right size in the window, and the charts of a sizing."""
