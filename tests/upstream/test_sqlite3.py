"""What Python's sqlite3 does, where poolviz departs from it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def test_two_threads_on_one_connection_deadlock_in_a_python_function() -> None:
    program = """
        import sqlite3, threading, time
        conn = sqlite3.connect("", check_same_thread=False)
        conn.create_function("sleep", 1, lambda seconds: time.sleep(seconds) or 0)
        def live():
            for _ in range(200):
                cursor = conn.cursor()
                cursor.execute("SELECT sleep(0.002)")
                cursor.fetchall()
                cursor.close()
        threads = [threading.Thread(target=live) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=10, check=True)
