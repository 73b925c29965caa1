"""What every notebook shares: figures, drawings, explorers, checks, and a training to watch."""
