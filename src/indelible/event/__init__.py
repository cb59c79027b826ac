"""What an event is: its model, fields, predicate tree, actions, changes and sentence. Pure."""
