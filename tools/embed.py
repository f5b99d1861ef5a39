#!/usr/bin/env python3
"""embed.py OUT.c SYMBOL=FILE... : files as C arrays, so that the binary needs nothing beside it.

Each gives `const char SYMBOL[]`, terminated, and `const size_t SYMBOL_len` without the terminator.
"""
import sys


def c_array(symbol, data):
    lines = []
    for start in range(0, len(data), 20):
        lines.append("    " + " ".join(f"{byte}," for byte in data[start:start + 20]))
    body = "\n".join(lines)
    return (f"extern const char {symbol}[];\nextern const size_t {symbol}_len;\n"
            f"const char {symbol}[] = {{\n{body}\n    0\n}};\n"
            f"const size_t {symbol}_len = {len(data)};\n")


def main():
    out, *pairs = sys.argv[1:]
    text = "#include <stddef.h>\n"
    for pair in pairs:
        symbol, path = pair.split("=", 1)
        with open(path, "rb") as file:
            data = file.read()
        # Char may be signed: a byte above 127 is written as its negative value.
        text += c_array(symbol, [byte - 256 if byte > 127 else byte for byte in data])
    with open(out, "w") as file:
        file.write(text)


main()
