"""The Python benchmark: what Ringway costs between two Python processes, beside what would be used instead, in one run.

Two processes, each pinned to a processor of its own, do a row's work; a third one gives them orders and sleeps meanwhile. In every round each
rival is measured, then Ringway, then the rival again; the round counts for that rival only if its two figures agree. Values and ratios are medians over
rounds of the means of batches; percentiles come from a pass of their own. Everything is checked, message by message, before any clock runs, and the last message of every batch.

Deliberately absent: what one process does by itself, and statistics beyond the median.
"""
