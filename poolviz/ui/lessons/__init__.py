"""Lessons: a question is predicted, the scenario runs, what happened is explained, and mended."""
