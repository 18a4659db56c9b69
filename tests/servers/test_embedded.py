from __future__ import annotations
import psycopg2
from contextlib import closing


def test_it_serves(conninfo: str) -> None:
    with closing(psycopg2.connect(conninfo)) as c, c.cursor() as cur:
        cur.execute("select 1")
        assert cur.fetchone() == (1,)


def test_leak_t():
    import threading, subprocess

    e = threading.Event()
    threading.Thread(target=lambda: e.wait(8), name="leaky").start()


def test_leak_c(conninfo):
    global keep
    keep = psycopg2.connect(conninfo, application_name="poolviz x")
    import subprocess

    global kp
    kp = subprocess.Popen(["sleep", "9"])
