"""The first tour: six steps in the window itself, each recognised when it is done."""
