"""SQLAlchemy's ORM: Session."""

import sys

from plain import STATEMENT, threads
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

url = sys.argv[1].replace("postgresql://", "postgresql+psycopg2://")
engine = create_engine(url, pool_size=5, max_overflow=0)


def once() -> None:
    with Session(engine) as session:
        session.execute(text(STATEMENT)).all()
        session.commit()


threads(once)
engine.dispose()
