from tests.pools.conftest import admin, postgres

__all__ = ["admin", "postgres"]
