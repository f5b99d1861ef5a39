#include "sim/text.h"

static const char *const words[] = {
    "amber",  "anchor",  "autumn",  "basket",  "beacon",  "bridge",  "candle", "canvas",
    "carbon", "cedar",   "circle",  "cobalt",  "copper",  "corner",  "cotton", "desert",
    "eagle",  "ember",   "engine",  "fabric",  "falcon",  "feather", "forest", "fossil",
    "garden", "garnet",  "glacier", "granite", "harbor",  "hazel",   "hollow", "island",
    "ivory",  "jasmine", "juniper", "kettle",  "ladder",  "lantern", "lemon",  "linen",
    "maple",  "marble",  "meadow",  "mirror",  "morning", "mosaic",  "needle", "nickel",
    "ocean",  "olive",   "orchard", "paper",   "pebble",  "pepper",  "pillar", "planet",
    "quartz", "ribbon",  "river",   "saddle",  "silver",  "summit",  "timber", "velvet",
};

size_t text_cut(struct str s, int64_t tokens)
{
    if (tokens <= 0)
        return 0;
    if ((uint64_t)tokens * 4 >= s.len)
        return s.len;
    size_t at = (size_t)tokens * 4;
    while (at > 0 && ((unsigned char)s.at[at] & 0xC0) == 0x80)
        at--;
    return at;
}

struct str text_first_chars(struct str s, size_t chars)
{
    size_t at = 0;
    for (; at < s.len; at++) {
        bool begins_char = ((unsigned char)s.at[at] & 0xC0) != 0x80;
        if (begins_char && chars-- == 0)
            break;
    }
    return str_first(s, at);
}

uint64_t text_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void text_add_words(struct buf *out, uint64_t *seed, size_t bytes)
{
    while (out->len < bytes) {
        uint64_t pick = text_random(seed);
        buf_add(out, str_of(words[pick % HZ_LEN(words)]));
        buf_add(out, pick >> 60 == 0 ? STR(". ") : STR(" "));
    }
}
