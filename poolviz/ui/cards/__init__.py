"""What changes and faults did, as cards: a ribbon of all of them, and one that is opened."""
