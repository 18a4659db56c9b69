"""Runs a scenario: clients, meter, control; in this process or in a child."""
