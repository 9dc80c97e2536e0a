"""Files that are missing are looked for again soon, and not a minute later."""

import gateway.worker.answerer

gateway.worker.answerer.MISSING_SECONDS = 3.0
