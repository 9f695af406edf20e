"""What makes and checks the course: saved notebooks, stored studies, mutants, and notebooks as tests."""
