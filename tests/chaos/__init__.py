"""Random runs under random changes, faults and violence, after each of which invariants must hold.

    python -m tests.chaos --seed 7 --seconds 60

`plan` decides a round from the seed and its number alone, `rounds` carries it out, `invariants`
says what must hold. Times between a decision and its effect are the machine's.
"""
