"""What a charge becomes on the way to the books: counting, pricing, opening, closing."""
