"""Encoder training: self-supervised, on procedural scenes, with Replacement Learning."""
