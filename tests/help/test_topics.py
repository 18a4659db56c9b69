"""The help has a topic on all that is declared, and finds each."""

from __future__ import annotations

import re

import pytest

from poolviz.help.as_html import as_html
from poolviz.help.as_text import as_text
from poolviz.help.topic import Kind, Topic
from poolviz.help.topics import find, search, suggestion, topics
from poolviz.language import in_language
from poolviz.load.faults import FAULT_PARAMETERS
from poolviz.load.fleet import FLEET
from poolviz.load.settings import SETTINGS
from poolviz.model.figures import FIGURES, figure_named
from poolviz.pools.registry import POOLS, listings
from poolviz.runs.metrics.connection_metrics import METRICS
from poolviz.scenarios.presets import presets
from poolviz.sessions.export.registry import suffixes
from poolviz.sessions.thresholds import FIGURES as CONDITIONS

TOPICS = topics()


def test_all_that_is_declared_has_a_topic_of_its_kind() -> None:
    expected = {
        Kind.FIGURE: {figure.topic for figure in FIGURES.values()},
        Kind.POOL: {listing.id for listing in listings()},
        Kind.LIMIT: {key for pool in POOLS.values() for key in pool.limits},
        Kind.LOAD: {*SETTINGS, *FLEET},
        Kind.FAULT: set(FAULT_PARAMETERS),
        Kind.CONNECT: {k for p in POOLS.values() for args in p.connect.values() for k in args},
        Kind.PRESET: {preset.name for preset in presets()},
        Kind.FORMAT: set(suffixes()),
    }
    for kind, names in expected.items():
        of_kind = {topic.name for topic in TOPICS.values() if topic.kind is kind}
        assert of_kind <= names <= {*TOPICS}
        elsewhere = [TOPICS[name] for name in names - of_kind]  # a name that means two things
        assert all(kind.value in as_text(topic) for topic in elsewhere)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_a_topic_says_something_and_leads_only_to_topics_that_exist(topic: Topic) -> None:
    text = as_text(topic)
    assert len(text.split()) > 8
    assert topic.title in text
    assert find(TOPICS, topic.name) is topic
    linked = [item.topic for section in topic.sections for item in section.items if item.topic]
    assert set(linked) | set(topic.see_also) <= {*TOPICS}
    html = as_html(topic, TOPICS)
    assert set(re.findall(r"href='topic:([^']+)'", html)) <= {*TOPICS}


def test_each_limit_says_what_a_change_does_for_each_pool() -> None:
    for pool in POOLS.values():
        for key, parameter in pool.limits.items():
            text = " ".join(as_text(TOPICS[key]).split())
            assert parameter.help in text
            assert parameter.effect_help in text
            assert pool.id in text


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_figure_of_a_condition_is_explained(condition: str) -> None:
    topic = find(TOPICS, condition)
    assert topic is not None
    assert topic.name == figure_named(condition).topic
    assert condition in as_text(topic)


def test_figures_have_the_names_of_the_metrics_that_are_served() -> None:
    served = {metric.name for metric in METRICS}
    assert {figure.metric for figure in FIGURES.values() if figure.metric} <= served


def test_a_search_takes_all_words_and_names_first() -> None:
    assert search(TOPICS, "pool_size")[0].name == "pool_size"
    assert search(TOPICS, "QueuePool")[0].name == "sqlalchemy.QueuePool"
    found = {topic.name for topic in search(TOPICS, "IDLE transaction")}
    assert {"server_backends", "transaction"} <= found
    assert not search(TOPICS, "idle xyzzy")
    assert len(search(TOPICS, " ")) == len(TOPICS)


@pytest.mark.parametrize(
    ("name", "near"),
    [("pol_size", "pool_size"), ("trougput", "throughput"), ("ALTER TABLE", "lock_table")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    assert find(TOPICS, name) is None
    assert near in suggestion(TOPICS, name)


def test_a_word_that_is_nowhere_gets_a_hint() -> None:
    assert "lists the topics" in suggestion(TOPICS, "xyzzyplugh")


def test_topics_are_in_the_language_in_use() -> None:
    with in_language("es"):
        spanish = topics()
        assert "Véase también" in as_text(spanish["connections"])
    assert [topic.name for topic in spanish.values()] == [*TOPICS]
    same = {
        name
        for name, topic in spanish.items()
        for section, known in zip(topic.sections, TOPICS[name].sections, strict=True)
        if any(text in known.paragraphs for text in section.paragraphs)
    }
    assert not same


@pytest.mark.parametrize(
    ("language", "words", "name"),
    [
        ("es", "conexion retenida", "lanes"),
        ("es", "retención", "hold_time"),
        ("es", "RETENCION", "hold_time"),
        ("es", "fugas", "leak_every"),
        ("es", "limites", "capacity"),
        ("es", "dispersion de retencion", "hold_spread"),
        ("en", "leaks", "leak_every"),
        ("en", "hold times", "hold_time"),
        ("en", "pool sizes", "pool_size"),
    ],
)
def test_a_search_takes_words_without_accents_and_in_the_plural(
    language: str, words: str, name: str
) -> None:
    with in_language(language):
        known = topics()
        assert name in [topic.name for topic in search(known, words)]
