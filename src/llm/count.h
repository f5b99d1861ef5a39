#ifndef HZ_LLM_COUNT_H
#define HZ_LLM_COUNT_H
/*
 * count - tokens by heuristic, for where the provider states none (spec: providers.md §6).
 *
 * tokens = ceil(ascii letters and spaces / 4 + other ascii / 2.5 + other characters x w), w = 0.6
 * below U+0600 (accented Latin, Greek, Cyrillic), else 1.1. Integer arithmetic in 1/1000 tokens, so
 * that counting while text passes gives the same sum as counting at once.
 */

#include "base/str.h"

struct token_counter {
    int64_t millitokens;
};
/* UTF-8 text; a character split between two calls counts once. Counts lead bytes only. */
void token_count_add(struct token_counter *c, struct str text);
/* A raw JSON string with its quotes, escapes resolved. Other values count as their text. */
void token_count_add_json(struct token_counter *c, struct str value);
int64_t token_count_total(const struct token_counter *c);

/* A chat's messages array (raw JSON): text, names, roles, tool calls, images by the tile rule
 * (85 + 170 a tile; sizes from PNG, JPEG, GIF, WebP headers of data URLs; 765 for remote ones and
 * for parts of other kinds). */
int64_t token_count_messages(struct str messages);

#endif
