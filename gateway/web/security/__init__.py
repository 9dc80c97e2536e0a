"""Authentication, sessions, rate limits, request checks and audit of the web pages and the API."""
