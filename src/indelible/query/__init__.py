"""How events are found: plan, run, history, timeline, export."""
