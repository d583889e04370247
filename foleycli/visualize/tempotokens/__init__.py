"""TempoTokens (arXiv 2309.16429): tokens of a sound in the prompts of a text-to-video model.

Facts: guyyariv/TempoTokens (MIT); fixtures in ``benchmarks/fixtures_tempotokens.py``.
"""
