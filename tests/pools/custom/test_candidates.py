"""What in a file could be a pool, found without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolviz.model.errors import InputError
from poolviz.pools.custom.candidates import candidates_in


def found(path: Path, source: str) -> dict[str, str]:
    path.write_text(source)
    return {each.name: each.what for each in candidates_in(path)}


def test_classes_functions_and_made_objects_are_found_wherever_a_module_has_them(
    tmp_path: Path,
) -> None:
    source = """
SIZE, url = 3, "postgresql://"
if SIZE:
    class Pool: ...
else:
    engine = create_engine(url)
try:
    one = other = make()
except ImportError:
    def make_pool(): inner = make()
finally:
    typed: object = make()
with lock:
    async def make_async(): ...
_private = make()
raise SystemExit
"""
    assert found(tmp_path / "app.py", source) == {
        "Pool": "a class",
        "engine": "an object",
        "one": "an object",
        "other": "an object",
        "make_pool": "a function",
        "typed": "an object",
        "make_async": "a function",
    }


@pytest.mark.parametrize("source", ["", "x = 1", "_x = f()", "def (", "\0", "x = (" * 500])
def test_a_file_without_any_is_refused_in_a_sentence(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError) as error:
        found(tmp_path / "app.py", source)
    assert str(error.value).endswith(".")
    assert "app.py" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_with_very_many_names_is_cut(tmp_path: Path) -> None:
    source = "".join(f"def f{n}(): ...\n" for n in range(500))
    assert len(found(tmp_path / "app.py", source)) == 100
