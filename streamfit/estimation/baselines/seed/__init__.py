"""The paper's own first-order fit (Cotton 2024, arXiv 2402.17192)."""
