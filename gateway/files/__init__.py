"""Files and folders that survive a power cut and several writers."""
