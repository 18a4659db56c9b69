"""The lanes of a report: for each part of the time the state that a lane was in for most of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from poolviz.language import tr
from poolviz.model.lanes import STATES, State
from poolviz.model.text import on_one_line
from poolviz.sessions.derived import part_of
from poolviz.sessions.lane_columns import LaneColumns, lane_columns
from poolviz.sessions.recorder import Recorder
from poolviz.ui.report.elements import element, number, table

_COLUMNS = 1000  # parts of the time
_LANES, _CLIENTS = 128, 48  # at most: 180,000 bytes of a report
_COLOURS = {
    State.WORKING: "used",
    State.HELD: "overflow",
    State.IN_TRANSACTION: "wait",
    State.LEAKED: "bad",
    State.CONNECTING: "server",
    State.IDLE: "idle",
    State.WAITING: "wait",
}


def lanes_data(recorder: Recorder) -> dict[str, Any] | None:
    """Return the lanes as `resources/report/report.js` draws them; None if none can be shown."""
    start, end = part_of(recorder)
    found = lane_columns(recorder, (start, end), _COLUMNS, _LANES) if end > start else None
    if found is None or not (found.lanes or found.clients):
        return None
    lanes = _evenly(found)
    clients = np.sort(np.argsort(-found.waits.sum(axis=0), kind="stable")[:_CLIENTS]).tolist()
    cells = np.where(
        found.table[:, lanes].any(axis=2), found.table[:, lanes].argmax(axis=2), State.NONE
    )
    waits = np.where(found.waits[:, clients] >= 0.5, State.WAITING, State.NONE)
    rows = np.concatenate((cells, waits), axis=1).T.astype(np.uint8)
    names = [(member, str(lane + 1)) for member, lane in (found.lanes[n] for n in lanes)]
    names += [(member, tr("c{n}", n=n)) for member, n in (found.clients[n] for n in clients)]
    return {
        "start": start,
        "end": end,
        "columns": _COLUMNS,
        "lanes": len(lanes),
        "rows": [[on_one_line(member), name] for member, name in names],
        "cells": base64.b64encode(rows.tobytes()).decode(),
        "states": {int(each): [tr(STATES[each][0]), _COLOURS[each]] for each in STATES},
        "left_out": [found.total - len(lanes), len(found.clients) - len(clients)],
        "kept": _said_of_less(found),
    }


def _evenly(found: LaneColumns) -> list[int]:
    """Return which lanes are drawn: the first ones of each pool, as many of each."""
    members = list(dict.fromkeys(member for member, _ in found.lanes))
    room = _LANES // max(len(members), 1)
    return [place for place, (_, lane) in enumerate(found.lanes) if lane < room]


def _said_of_less(found: LaneColumns) -> str:
    """Return a sentence if less than all is known of the lanes; else ""."""
    if any(each.damaged for each in found.less):
        return tr("Some of it is damaged, and left blank.")
    if any(not each.width for each in found.less):
        return tr("Nothing is kept of the oldest, which is left blank.")
    return ""


def lanes_section(data: Mapping[str, Any] | None) -> Iterator[Element]:
    """Yield the place of the lanes with their key; a sentence where there are none."""
    yield element("h2", tr("Lanes"))
    if data is None:
        yield element("p", tr("No lanes can be shown of this session."), class_="muted")
        return
    said = tr(
        "One row for each connection, and below them one for each client that waits, with the "
        "state that takes most of each {number}th of the time.",
        number=_COLUMNS,
    )
    words = [said, *([data["kept"]] if data["kept"] else [])]
    lanes, clients = data["left_out"]
    if lanes or clients:
        words.append(
            tr(
                "Left out for lack of room: connections {lanes}, clients {clients}.",
                lanes=lanes,
                clients=clients,
            )
        )
    yield element("p", " ".join(words), class_="muted")
    keys = [
        element("span", _key(state), f" {name} ") for state, (name, _) in data["states"].items()
    ]
    pointed = element("p", id="lane", role="status", class_="muted")
    label = tr(
        "Connections: {lanes}; clients that wait: {clients}",
        lanes=data["lanes"],
        clients=len(data["rows"]) - data["lanes"],
    )
    yield element(
        "section",
        element("p", keys, class_="keys"),
        element("canvas", id="lanes", role="img", **{"aria-label": label}),
        pointed,
        class_="chart",
    )


def _key(state: int) -> Element:
    return element("canvas", class_="state", **{"data-state": str(state)})


def holders_table(holders: Sequence[Mapping[str, Any]]) -> Element:
    """Return who held connections for longest."""
    several = any("member" in each for each in holders)
    heads = [tr("Client"), tr("Connection"), tr("Held for"), tr("From"), tr("What it did last")]
    rows = [
        [
            *([on_one_line(str(each["member"]))] if several else []),
            str(each["client"]),
            "?" if each["connection"] is None else str(each["connection"]),
            number(each["held_s"], "s"),
            number(each["from_s"], "s"),
            tr(STATES[State[str(each["state"]).upper()]][0]),
        ]
        for each in holders
    ]
    return table(
        tr("Who held connections for longest"), [*([tr("Pool")] if several else []), *heads], rows
    )
