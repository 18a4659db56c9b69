"""One run, from request to result, for the command line and the window alike."""
