#ifndef HZ_LLM_IMAGE_H
#define HZ_LLM_IMAGE_H
/*
 * image - what a picture costs in tokens, by the tile rule of GPT-4o: fit into 2048 x 2048, shrink
 * the shorter side to 768, then 85 + 170 for each tile of 512 x 512.
 *
 * Only headers are read, never pixels; nothing is fetched.
 */

#include "base/str.h"

enum { IMAGE_TOKENS_LOW = 85, IMAGE_TOKENS_UNKNOWN = 765 };
/* Eight tiles under the dearest rule in use, 2833 + 5667 a tile (GPT-4o-mini). */
enum { IMAGE_TOKENS_MOST = 2833 + 8 * 5667 };

/* url: raw JSON string with quotes. Remote, broken and foreign images: IMAGE_TOKENS_UNKNOWN. */
int64_t image_tokens(struct str url, bool is_low_detail);

#endif
