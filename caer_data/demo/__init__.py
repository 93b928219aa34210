"""Small synthetic shows made from free pictures, and made-up ratings for them."""
