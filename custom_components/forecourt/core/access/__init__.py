"""Who may charge where and when."""
