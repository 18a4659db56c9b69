"""SQLAlchemy: Engine.connect."""

import sys

from plain import STATEMENT, threads
from sqlalchemy import create_engine, text

url = sys.argv[1].replace("postgresql://", "postgresql+psycopg2://")
engine = create_engine(url, pool_size=5, max_overflow=0)


def once() -> None:
    with engine.connect() as connection:
        connection.execute(text(STATEMENT)).all()


threads(once)
engine.dispose()
