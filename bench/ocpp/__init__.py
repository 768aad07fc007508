"""What a site of many stations costs, and how fast one is answered."""
