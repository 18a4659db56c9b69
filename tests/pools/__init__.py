import pytest

pytest.register_assert_rewrite("tests.pools.bench", "tests.pools.contract", "tests.pools.driven")
