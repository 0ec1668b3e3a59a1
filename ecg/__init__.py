"""The parts of the entry, each file one subject; ``team_code.py`` at the top level tells the story with them."""
