"""Sessions that are compared: their charts over one axis, as a page of the window and as
pictures."""
