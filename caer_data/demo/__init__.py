"""Small shows made of free pictures, and made-up ratings of them."""
