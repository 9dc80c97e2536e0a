"""REVIEW: worklist, reports, readers' feedback, dashboard, API. Nothing here answers or delivers."""
