"""What a call costs and how many tokens a text has, computed a second time, from the rules as they
are written down and from nothing of the program. Integers only."""
from decimal import Decimal

MTOK = 1_000_000


def nusd_per_mtok(dollars):
    """Dollars per million tokens, as text, in nano-dollars per million tokens."""
    value = Decimal(dollars) * 10**9
    assert value == int(value)
    return int(value)


def half_up(tokens, price):
    return (2 * tokens * price + MTOK) // (2 * MTOK)


def cost_nusd(price, input_tokens, output_tokens, cached_tokens=0):
    """Each class is rounded by itself; reasoning is part of the output; without a price of its own
    cached input costs what input costs."""
    per_input = nusd_per_mtok(price["input"])
    per_cached = nusd_per_mtok(price.get("cached") or price["input"])
    per_output = nusd_per_mtok(price["output"])
    return (half_up(input_tokens - cached_tokens, per_input) + half_up(cached_tokens, per_cached)
            + half_up(output_tokens, per_output))


def millitokens(text):
    total = 0
    for char in text:
        if char.isascii():
            total += 250 if char.isalpha() or char in " \t\r\n" else 400
        else:
            total += 600 if ord(char) < 0x600 else 1100
    return total


def tokens_of_text(text):
    return -(-millitokens(text) // 1000)


def tokens_of_messages(messages):
    """3 for the reply, 3 a message, and the texts."""
    total = 3000
    for message in messages:
        total += 3000 + millitokens(message["role"]) + millitokens(message["content"])
    return -(-total // 1000)
