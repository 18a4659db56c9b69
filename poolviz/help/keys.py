"""The keys of the window."""

from __future__ import annotations

KEYS = (
    ("F5", "Start"),
    ("Shift+F5", "Stop"),
    ("M", "Mark this moment"),
    ("Ctrl+Space", "Pause the view, not the recording"),
    ("End", "Go to the newest samples"),
    ("Ctrl+1 … 4", "Show 1, 5 or 15 minutes, or all"),
    ("+ − 0", "Zoom the charts"),
    ("← →", "Move the crosshair"),
    ("Ctrl+← →", "Move the crosshair to the next mark"),
    ("Return", "Open the card of the mark, or set the reference point"),
    ("E", "Expand the chart under the crosshair"),
    ("Esc", "Close the card, remove the reference point or the run behind, show all charts again"),
    ("Ctrl+Z", "Undo a change"),
    ("Ctrl+Shift+Z", "Redo a change"),
    ("Ctrl+T", "Collect several changes, to make them as one"),
    ("Ctrl+E", "Export the graphs"),
    ("Ctrl+S", "Save the session"),
    ("Ctrl+Shift+S", "Save as scenario"),
    ("Ctrl+O", "Open a scenario or a session"),
    ("Ctrl+R", "Run the session again, with other limits or another pool"),
    ("Ctrl+L", "List the sessions that are kept"),
    ("Ctrl+K", "Compare sessions"),
    ("F1", "Help on what has the focus or is under the pointer"),
    ("Shift+F1", "What is this? Then click on a chart, a figure or a control"),
    ("F8", "Show or hide the figures"),
    ("F9", "Show or hide the side panel"),
    ("F11", "Full screen"),
    ("Ctrl+Q", "Quit"),
)
