"""The keys of the window."""

from __future__ import annotations

from poolviz.language import tr_noop

KEYS = (
    ("F5", tr_noop("Start")),
    ("Shift+F5", tr_noop("Stop")),
    ("M", tr_noop("Mark this moment")),
    ("Ctrl+Space", tr_noop("Pause the view, not the recording")),
    ("End", tr_noop("Go to the newest samples")),
    ("Ctrl+1 … 4", tr_noop("Show 1, 5 or 15 minutes, or all")),
    ("+ − 0", tr_noop("Zoom the charts")),
    ("← →", tr_noop("Move the crosshair")),
    ("Ctrl+← →", tr_noop("Move the crosshair to the next mark")),
    ("Return", tr_noop("Open the card of the mark, or set the reference point")),
    ("H", tr_noop("Show or hide the heatmap of waits")),
    ("W", tr_noop("Show or hide who holds the connections")),
    ("E", tr_noop("Expand the chart under the crosshair")),
    (
        "Esc",
        tr_noop(
            "Close the card, remove the reference point or the run behind, show all charts again"
        ),
    ),
    ("Ctrl+Z", tr_noop("Undo a change")),
    ("Ctrl+Shift+Z", tr_noop("Redo a change")),
    ("Ctrl+T", tr_noop("Collect several changes, to make them as one")),
    ("Ctrl+E", tr_noop("Export the graphs")),
    ("Ctrl+S", tr_noop("Save the session")),
    ("Ctrl+Shift+S", tr_noop("Save as scenario")),
    ("Ctrl+O", tr_noop("Open a scenario or a session")),
    ("Ctrl+R", tr_noop("Run the session again, with other limits or another pool")),
    ("Ctrl+L", tr_noop("List the sessions that are kept")),
    ("Ctrl+K", tr_noop("Compare sessions")),
    ("Ctrl+P", tr_noop("Presets and lessons")),
    ("Ctrl+B", tr_noop("Find the right size of the pool")),
    ("F1", tr_noop("Help on what has the focus or is under the pointer")),
    ("Shift+F1", tr_noop("What is this? Then click on a chart, a figure or a control")),
    ("F8", tr_noop("Show or hide the figures")),
    ("F9", tr_noop("Show or hide the side panel")),
    ("F11", tr_noop("Full screen")),
    ("Ctrl+Q", tr_noop("Quit")),
)
