"""The look: colours, type and style sheet, light and dark."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette

from poolviz.model.resources import resource

_FAMILY = "Inter"
_FACES = ("Inter-Regular.ttf", "Inter-Medium.ttf", "Inter-SemiBold.ttf")
_LOADED = "poolviz fonts loaded"  # kept on the application: fonts go when it goes


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
    throughput: str
    server: str
    p50: str
    p95: str
    p99: str
    bad: str
    hover: str
    selected: str
    info_bg: str
    warn_bg: str
    bad_bg: str


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
    throughput="#009e73",
    server="#7a4fb5",
    p50="#8fb8d6",
    p95="#2f7fb8",
    p99="#123f63",
    bad="#c0392b",
    hover="#f0f3f7",
    selected="#e3f0f9",
    info_bg="#eaf4fb",
    warn_bg="#fdf4e1",
    bad_bg="#fbebe9",
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
    throughput="#21b98c",
    server="#b795ec",
    p50="#4f7d9e",
    p95="#62b3ea",
    p99="#d3ecfc",
    bad="#ef6a5a",
    hover="#22262e",
    selected="#20374a",
    info_bg="#1a2a38",
    warn_bg="#33290f",
    bad_bg="#3a1e1c",
)


def system_theme() -> Theme:
    """The theme that the desktop asks for."""
    scheme = QGuiApplication.styleHints().colorScheme()
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def load_fonts() -> None:
    """Make the bundled Inter known to Qt, once for each application."""
    application = QGuiApplication.instance()
    if application is None or application.property(_LOADED):
        return
    for face in _FACES:
        QFontDatabase.addApplicationFont(str(resource(f"fonts/{face}")))
    application.setProperty(_LOADED, True)


def ui_font(px: float, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """Inter at `px` pixels (whole ones: Qt knows no others), all its figures equally wide."""
    load_fonts()
    font = QFont(_FAMILY)
    font.setPixelSize(round(px))
    font.setWeight(weight)
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setFeature(QFont.Tag("cv05"), 1)  # an l that is no I
    return font


def palette(theme: Theme) -> QPalette:
    """What Qt paints by itself (selections, placeholders, links) in the theme's colours."""
    colours = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, theme.bg),
        (QPalette.ColorRole.WindowText, theme.text),
        (QPalette.ColorRole.Base, theme.panel),
        (QPalette.ColorRole.AlternateBase, theme.hover),
        (QPalette.ColorRole.Text, theme.text),
        (QPalette.ColorRole.PlaceholderText, theme.faint),
        (QPalette.ColorRole.Button, theme.panel),
        (QPalette.ColorRole.ButtonText, theme.text),
        (QPalette.ColorRole.ToolTipBase, theme.panel),
        (QPalette.ColorRole.ToolTipText, theme.text),
        (QPalette.ColorRole.Highlight, theme.accent),
        (QPalette.ColorRole.HighlightedText, theme.on_accent),
        (QPalette.ColorRole.Link, theme.accent),
        (QPalette.ColorRole.Mid, theme.line),
    ):
        colours.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        colours.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.faint))
    return colours


def stylesheet(theme: Theme) -> str:
    """The style sheet of the whole application.

    `resources/themes/window.qss` with the theme's colours put in; what a widget is, it says
    by its object name or its `role`, `level` and `primary` properties.
    """
    sheet = Template(resource("themes/window.qss").read_text(encoding="utf-8"))
    return sheet.substitute(asdict(theme), images=resource("themes").as_posix())
