"""Source formats: one file each, from the message to an event."""
