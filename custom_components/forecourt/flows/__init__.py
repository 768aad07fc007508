"""The dialogs: one module per thing that is set up."""
