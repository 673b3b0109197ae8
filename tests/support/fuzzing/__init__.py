"""Coverage-guided fuzzing: what is tried (`cases`, `mutating`, `seeds`), and what must hold (`targets`)."""
