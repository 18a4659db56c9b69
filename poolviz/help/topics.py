"""All topics of the help, by name, and how they are found.

To add a topic on something that is declared, declare it: a new pool, limit, setting, fault, preset,
figure or export format has a topic by itself. A topic of another kind is one more function here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from poolviz.help import parameters
from poolviz.help.charts import charts
from poolviz.help.keys import KEYS
from poolviz.help.licences import licences
from poolviz.help.topic import Item, Kind, Section, Topic
from poolviz.language import current_language, for_search, is_found, tr, tr_noop
from poolviz.load.settings import SETTINGS
from poolviz.model.figures import FIGURES, STATISTICS, Figure, figure_named
from poolviz.model.parameters import either, shown_time
from poolviz.model.preset_titles import title_in_words
from poolviz.model.version import VERSION
from poolviz.pools.custom.own_options import OWN_OPTIONS
from poolviz.scenarios.draft import seconds_of
from poolviz.scenarios.presets import Preset, presets
from poolviz.scenarios.toml_file import KEYS as SCENARIO_KEYS
from poolviz.sessions.export.registry import exporters
from poolviz.sessions.thresholds import FIGURES as CONDITIONS
from poolviz.sessions.thresholds import help_text

_FEW = 3  # topics that a sentence suggests
_ABOUT = (
    tr_noop(
        "poolviz {version} is a laboratory for database connection pools. It runs a synthetic load "
        "on a real pool class against a real server, shows live what the pool does, and lets you "
        "change every limit while it runs."
    ),
    tr_noop(
        "Start with Start (F5), move a slider, and watch what changes. Every change is a mark on "
        "the timeline. A preset shows one thing that pools do well or badly, and how it is mended."
    ),
)
_CLIENT = tr_noop(
    "A client is one simulated caller: a thread, or a task on asyncio pools. It acquires a "
    "connection, has the server do something, keeps the connection for a while, gives it back, "
    "pauses, and begins again."
)


def topics(language: str | None = None) -> dict[str, Topic]:
    """Return all topics by name, in the order of their kinds, in the language in use; presets in
    `language`, which is the same by default. Imports the libraries of all pools, which takes up to
    a second."""
    made = chain(
        *(_start(), _figures(), charts()),
        *(parameters.pools(), parameters.limits(), parameters.settings(), parameters.faults()),
        *(parameters.connect_arguments(), _presets(language or current_language()), _formats()),
    )
    known: dict[str, Topic] = {}
    for topic in made:
        same = known.get(topic.name)
        known[topic.name] = topic if same is None else _merged(same, topic)
    return known


def _merged(first: Topic, second: Topic) -> Topic:
    """Return the topic of a name that means two things, such as a limit of one pool and a connect
    argument of another."""
    return replace(
        first,
        sections=(*first.sections, Section(tr(second.kind.value)), *second.sections),
        aliases=(*first.aliases, *second.aliases),
        see_also=tuple(dict.fromkeys((*first.see_also, *second.see_also))),
    )


def find(known: Mapping[str, Topic], name: str) -> Topic | None:
    """Return the topic of that name or alias, in upper or lower case, None if there is none."""
    wanted = _plain(name)
    return next((t for t in known.values() if wanted in map(_plain, _names(t))), None)


def suggestion(known: Mapping[str, Topic], name: str, others: Iterable[str] = ()) -> str:
    """Return half a sentence for a name that none of `known` has, nor is one of `others`: which are
    near, or where it is mentioned."""
    names = {_plain(each): topic.name for topic in known.values() for each in _names(topic)}
    names |= {_plain(each): each for each in others}
    near = [names[each] for each in difflib.get_close_matches(_plain(name), names, n=3)]
    near = near or [topic.name for topic in search(known, name)[:_FEW]]
    if near:
        return tr("perhaps {names} is meant", names=either(list(dict.fromkeys(near)), tr))
    return tr("`poolviz help` lists the topics")


def search(known: Mapping[str, Topic], words: str) -> list[Topic]:
    """Return the topics in which each of these words stands, those first that have it in a name or
    in the title. No words find all."""
    wanted = for_search(words).split()

    def rank(topic: Topic) -> int:
        names = {_plain(name) for name in _names(topic)}
        if _plain(words) in names:
            return 0
        in_heading = sum(is_found(word, topic.heading_words) for word in wanted)
        return 1 + len(wanted) - in_heading

    found = [t for t in known.values() if all(is_found(word, t.words) for word in wanted)]
    return sorted(found, key=rank) if wanted else found


def _names(topic: Topic) -> tuple[str, ...]:
    return (topic.name, *topic.aliases, topic.title)


def _plain(name: str) -> str:
    """Return a name as it is compared with others."""
    return " ".join(for_search(name).replace("-", " ").replace("_", " ").split())


def _start() -> Iterator[Topic]:
    """Yield what concerns poolviz as a whole."""
    about = tuple(tr(text, version=VERSION) for text in _ABOUT)
    yield Topic(
        "poolviz",
        tr("About poolviz"),
        Kind.START,
        (Section(paragraphs=(*about, tr(_CLIENT))),),
        ("about", "start", "client"),
        ("keys", "connections", "scenario", "conditions", "licences"),
    )
    items = tuple(Item(key, tr(what)) for key, what in KEYS)
    yield Topic(
        "keys", tr("Keys of the window"), Kind.START, (Section(items=items),), ("shortcuts",)
    )
    given = tuple(Item(key, tr(help)) for key, help in SCENARIO_KEYS.items())
    own = tuple(Item(key, tr(help)) for key, help in OWN_OPTIONS.items())
    yield Topic(
        "scenario",
        tr("Scenarios"),
        Kind.START,
        (
            Section(
                paragraphs=(
                    tr(
                        "A scenario says in a TOML file what to run. `poolviz run FILE` and the "
                        "window run it, and `poolviz schema` prints its JSON Schema."
                    ),
                ),
                items=given,
            ),
            Section(tr("A pool of your own: [own_pool], --own-pool"), items=own),
        ),
        ("scenarios",),
    )
    yield Topic(
        "conditions",
        tr("Conditions that fail a run"),
        Kind.START,
        (
            Section(paragraphs=(tr("--fail-if and fail_if of a scenario make a run fail."),)),
            Section(code=help_text()),
            Section(tr("What a figure's name may end with"), items=_statistics()),
        ),
        ("thresholds",),
    )
    yield _sizing()
    text = licences()
    yield Topic("licences", tr("Licences"), Kind.START, (Section(code=text),), ("licenses",))


def _sizing() -> Topic:
    """Return the topic of finding the size of a pool."""
    return Topic(
        "sizing",
        tr("Find the right size"),
        Kind.START,
        (
            Section(
                paragraphs=(
                    tr(
                        "The load is run at one size of the pool after the other, in random order, "
                        "each at least three times; then at sizes around the knee, and at those "
                        "that are least known, until the time is used. The answer is the smallest "
                        "size with 95 % of the best throughput that meets the target, with the "
                        "interval in which other runs would have it."
                    ),
                    tr(
                        "Pause stops the load, and the size that was measured comes again. Cancel "
                        "ends the run; what was measured is kept in its session, which shows the "
                        "answer when it is opened."
                    ),
                    tr(
                        "The dashed curves are those of a model that is fitted to what was "
                        "measured. What if asks it about another load: its answers are predicted, "
                        "and Try it measures."
                    ),
                    tr("`poolviz size` and `poolviz.size()` do the same without a window."),
                ),
            ),
        ),
        ("size", "sweep", "how large"),
        ("wait_time", "throughput", "conditions"),
    )


def _statistics() -> tuple[Item, ...]:
    return tuple(Item(f"_{name}", tr(about)) for name, about in STATISTICS.items())


def _figures() -> Iterator[Topic]:
    """Yield a topic for each figure, with the names by which conditions know it."""
    for figure in FIGURES.values():
        names = tuple(name for name in CONDITIONS if figure_named(name) is figure)
        about = [
            Section(paragraphs=(tr(figure.help),)),
            Section(items=tuple(_facts(figure, names))),
        ]
        yield Topic(
            figure.topic,
            tr(figure.title),
            Kind.FIGURE,
            tuple(about),
            tuple(name for name in names if name != figure.topic),
            ("conditions",) if names else (),
        )


def _facts(figure: Figure, names: tuple[str, ...]) -> Iterator[Item]:
    yield Item(tr("Unit"), tr(figure.unit))
    if figure.metric:
        yield Item("OpenTelemetry", figure.metric)
    if names:
        yield Item(tr("Conditions"), ", ".join(names))


def _presets(language: str) -> Iterator[Topic]:
    for preset in presets():
        yield _preset(preset, preset.watch.get(language) or preset.watch.get("en", ""))


def _preset(preset: Preset, watch: str) -> Topic:
    draft = preset.draft
    changes = []
    for change in draft.changes:
        at = shown_time(seconds_of(change.get("at", 0)))
        done = ", ".join(f"{key} = {value}" for key, value in change.items() if key != "at")
        changes.append(Item(at, done))
    given = {**draft.limits, **draft.load}
    values = tuple(
        Item(key, str(value), key if key in SETTINGS or key in draft.limits else "")
        for key, value in given.items()
    )
    return Topic(
        preset.name,
        title_in_words(preset.title),
        Kind.PRESET,
        (
            Section(paragraphs=(watch,)),
            Section(tr("At the start"), items=values),
            Section(tr("Changes"), items=tuple(changes)),
            Section(code=f"poolviz {preset.name}\npoolviz run {preset.name}"),
        ),
        see_also=(draft.pool,),
    )


def _formats() -> Iterator[Topic]:
    for suffix, exporter in exporters().items():
        paragraphs = [f"{tr(exporter.label)}."]
        if exporter.beside:
            paragraphs.append(
                tr("Beside it are written: {files}.", files=", ".join(exporter.beside))
            )
        if exporter.charts:
            paragraphs.append(
                tr("Its charts can be chosen: {charts}.", charts=", ".join(exporter.charts))
            )
        name = suffix.removeprefix(".")
        yield Topic(
            suffix,
            tr(exporter.label),
            Kind.FORMAT,
            (
                Section(paragraphs=tuple(paragraphs)),
                Section(
                    code=tr(
                        "poolviz run … --out FILE{suffix}\npoolviz export SESSION FILE{suffix}",
                        suffix=suffix,
                    )
                ),
            ),
            (name,),
        )
