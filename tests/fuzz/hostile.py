"""Values that are meant to break what reads them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzz.promise import MARK

ANY_TEXT = st.text(st.characters(), max_size=12)  # lone surrogates and controls included
_NUMBERS = (
    *("0", "-1", "1", "7", "2.5", "1e3", "1e400", "-0", "nan", "inf", "-inf", "1_000", "٣", "0x10"),
    *("9" * 20, "9" * 5000, "1" + "0" * 400, "50ms", "2min", "1h", "-5ms", "50 ms", "5µs", "5 s s"),
)
_ODD = (
    *("", " ", "=", ":", "::", "==", "-", "--", "---", "\0", "\n", "\r\n", "\x1b[31m", "\x07"),
    *(
        "\ud800",
        "\udcff",
        "a\udc80b",
        "\u202e",
        "é",
        "日本",
        "🙂",
        "%s",
        "%n",
        "{}",
        "{0}",
        "$(id)",
    ),
    *("..", "/", "~", "~nobody/x", "/dev/null", "/dev/zero", "'", '"', "\\", "`", ";", "*"),
    *("x" * 5000, "true", "on", "yes", "None", "[]", "{}", "<b>x</b>", "=cmd|' /C calc'!A0"),
)
ODD = st.sampled_from(_ODD)
NUMBERS = st.sampled_from(_NUMBERS)
WORDS = st.one_of(NUMBERS, ODD, ANY_TEXT)

# Hosts at which nothing listens, so that no attempt to connect takes long.
_HOSTS = (
    *("localhost", "127.0.0.1", "[::1]", "::1", "", "/nonexistent", "@abstract", "[", "[::", "]"),
    *("a" * 300, ".", "..", "a..b", "-", "%00", "%", "%zz", "a b", "a,b", "localhost,127.0.0.1"),
    *("[::1%25lo]", "127.1", "xn--zz--", "\udc80", "é", "a\0b", "*", "_", "0"),
)
_PORTS = ("1", "2", "0", "65535", "65536", "-1", "99999999999999999999", "x", "", "1,2", "٣", "1e1")
_PASSWORDS = tuple(
    f"{MARK}{odd}{MARK}"
    for odd in ("", "@", ":", "/", "?", "#", "%", "%40", " ", "'", '"', "\\", "\n", "é", "&", "=")
)
_NAMES = ("u", "", "a b", "é", "x" * 70, "'", "\\", "%00", "%2", "postgres", "u%40v")
_KEYS = (
    *("host", "hostaddr", "port", "dbname", "user", "service", "passfile", "sslmode", "options"),
    *("connect_timeout", "application_name", "ssl_ca", "unix_socket", "charset", "sslpassword"),
    *("pasword", "nonsense", "sslcert", "sslkey", "target_session_attrs", "requiressl", "krb"),
)
_SCHEMES = (
    *("postgresql", "postgres", "postgresql+psycopg2", "postgresql+asyncpg", "POSTGRESQL"),
    *("mysql", "mariadb", "mysql+pymysql", "mysql+aiomysql", "http", "jdbc:postgresql", "", "é"),
)
_HOST, _PORT, _NAME = (st.sampled_from(each) for each in (_HOSTS, _PORTS, _NAMES))
PASSWORDS = st.sampled_from(_PASSWORDS)
_VALUE = st.one_of(st.sampled_from(("1", "x", "disable", "/none", "", "'", "a b", "\\")), ODD)
_OPTIONS = st.lists(
    st.tuples(st.sampled_from(_KEYS), _VALUE) | st.tuples(st.just("password"), PASSWORDS),
    max_size=3,
)


def _url(parts: tuple[str, str, str | None, str, str | None, str, list[tuple[str, str]]]) -> str:
    scheme, user, password, host, port, name, options = parts
    login = "" if not user and password is None else user
    login += "" if password is None else f":{password}"
    text = f"{scheme}://{login}{'@' if login else ''}{host}"
    text += "" if port is None else f":{port}"
    query = "&".join(f"{key}={value}" for key, value in options)
    return f"{text}/{name}{'?' if query else ''}{query}"


URLS = st.tuples(
    st.sampled_from(_SCHEMES),
    _NAME,
    st.none() | PASSWORDS,
    _HOST,
    st.none() | _PORT,
    _NAME,
    _OPTIONS,
).map(_url)
KEYWORDS = st.lists(
    st.one_of(
        st.builds("host={}".format, _HOST),
        st.builds("port={}".format, _PORT),
        st.builds("user='{}'".format, _NAME),
        st.builds("password={}".format, PASSWORDS),
        st.builds("password='{}'".format, PASSWORDS),
        st.builds("password = '{}".format, PASSWORDS),
        st.builds("{0[0]}={0[1]}".format, st.tuples(st.sampled_from(_KEYS), _VALUE)),
    ),
    min_size=1,
    max_size=5,
).map(lambda parts: " ".join(("host=localhost port=1", *parts)))
FILES = st.sampled_from(
    ("sqlite://", "sqlite:///", "sqlite:", "sqlite:////", "sqlite:///file:", "sqlite+x:///")
).flatmap(lambda head: WORDS.map(lambda rest: f"{head}{rest}"))
DSNS = st.one_of(URLS, KEYWORDS, FILES, ODD)
