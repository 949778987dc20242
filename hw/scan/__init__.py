"""The scan side of a core: from task lists to events, and events added up in the lanes."""
