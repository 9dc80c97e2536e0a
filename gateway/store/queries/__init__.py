"""Read-only questions of people to the store: pages, API and commands call them; nothing here writes."""
