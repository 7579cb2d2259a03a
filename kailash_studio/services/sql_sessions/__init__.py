"""Looking at databases for an editor: what they hold, what a statement means, its first rows, its plan."""
