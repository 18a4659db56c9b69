"""The colours of the light and the dark theme, without Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Theme:
    """Every colour that poolviz paints with, as `#rrggbb`."""

    name: str
    bg: str
    panel: str
    line: str
    grid: str
    text: str
    muted: str
    faint: str
    accent: str
    on_accent: str
    accent_hover: str
    used: str
    idle: str
    idle_name: str  # the word "idle": its fill is too pale to be read as text
    overflow: str
    wait_peak: str
    wait: str
    retrying: str
    retrying_name: str
    backlog: str
    backlog_name: str
    throughput: str
    server: str
    p50: str
    p95: str
    p99: str
    bad: str
    timeout_bar: str  # paler than the line that crosses the bars
    error_bar: str
    hover: str
    selected: str
    info_bg: str
    warn_bg: str
    bad_bg: str
    good_text: str  # the fills of the same meaning are too pale to be read as text
    warn_text: str


# The colours of sessions that are compared. Their order keeps neighbours easy to tell apart.
SESSIONS = (
    *("used", "wait", "throughput", "server"),
    *("overflow", "backlog_name", "p99", "retrying_name"),
)

LIGHT = Theme(
    name="light",
    bg="#f5f6f8",
    panel="#ffffff",
    line="#e4e7ec",
    grid="#eef0f3",
    text="#1c2127",
    muted="#69727f",
    faint="#9aa2ae",
    accent="#0072b2",
    on_accent="#ffffff",
    accent_hover="#00629a",
    used="#0072b2",
    idle="#b9dcf2",
    idle_name="#5b9dc6",
    overflow="#e69f00",
    wait_peak="#fbe6d8",
    wait="#d55e00",
    retrying="#eab88f",
    retrying_name="#b97a48",
    backlog="#e6bcd4",
    backlog_name="#a8517f",
    throughput="#009e73",
    server="#7a4fb5",
    p50="#8fb8d6",
    p95="#2f7fb8",
    p99="#123f63",
    bad="#c0392b",
    timeout_bar="#eda878",
    error_bar="#d98178",
    hover="#f0f3f7",
    selected="#e3f0f9",
    info_bg="#eaf4fb",
    warn_bg="#fdf4e1",
    bad_bg="#fbebe9",
    good_text="#007a58",
    warn_text="#b04a00",
)

DARK = Theme(
    name="dark",
    bg="#14161a",
    panel="#1b1e24",
    line="#2a2e37",
    grid="#242830",
    text="#e7eaef",
    muted="#98a1af",
    faint="#6b7380",
    accent="#4aa3df",
    on_accent="#0d1218",
    accent_hover="#6ab5e8",
    used="#3d97d6",
    idle="#24506e",
    idle_name="#5f93b5",
    overflow="#f0ae1f",
    wait_peak="#3a2820",
    wait="#f07a32",
    retrying="#7d5134",
    retrying_name="#c08d67",
    backlog="#693d57",
    backlog_name="#d98cb5",
    throughput="#21b98c",
    server="#b795ec",
    p50="#4f7d9e",
    p95="#62b3ea",
    p99="#d3ecfc",
    bad="#ef6a5a",
    timeout_bar="#a85e34",
    error_bar="#9c4a42",
    hover="#22262e",
    selected="#20374a",
    info_bg="#1a2a38",
    warn_bg="#33290f",
    bad_bg="#3a1e1c",
    good_text="#21b98c",
    warn_text="#f07a32",
)

# Okabe and Ito's hues, darker on white and lighter on black: each curve has 4.5 : 1 with what it is
# drawn on, and words that stand back 7 : 1.
LIGHT_CONTRAST = replace(
    LIGHT,
    bg="#ffffff",
    line="#767d88",
    text="#000000",
    muted="#3b424c",
    faint="#565e6a",
    accent="#00568a",
    accent_hover="#003f66",
    used="#00568a",
    idle="#8cc4e8",
    idle_name="#2f6f99",
    overflow="#946500",
    wait="#a84600",
    retrying_name="#8a5426",
    backlog_name="#8a3763",
    throughput="#00724f",
    server="#5d33a0",
    p50="#4f7f9f",
    p95="#1c5f92",
    p99="#0a2a44",
    bad="#a3180a",
)
DARK_CONTRAST = replace(
    DARK,
    bg="#000000",
    panel="#0a0b0d",
    line="#6b7380",
    text="#ffffff",
    muted="#d0d6df",
    faint="#a7afbb",
    accent="#7cc4f5",
    accent_hover="#a5d7fa",
    used="#6cb8ee",
    idle="#2f6a92",
    idle_name="#8cbede",
    overflow="#ffc642",
    wait="#ff9a5c",
    retrying_name="#dfae88",
    backlog_name="#eeaaca",
    throughput="#3fdcac",
    server="#cfb6f7",
    p50="#7fb0d3",
    p95="#8fcbf5",
    p99="#e6f5ff",
    bad="#ff8f81",
)
