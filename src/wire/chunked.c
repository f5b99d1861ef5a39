#include "wire/chunked.h"

#include "wire/http1.h"

enum { SIZE_DIGITS_MAX = 15 }; /* 2^60: nothing added to it overflows */

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_LINE, /* the start of a trailer, or the end */
    CHUNK_NAME,
    CHUNK_VALUE,
    CHUNK_VALUE_LF,
    CHUNK_END_LF,
    CHUNK_STATES
};

/* Takes one byte; returns the next state, or CHUNK_STATES for a byte that may not stand there. */
typedef enum chunk_state chunk_fn(struct chunked *c, char byte);

static bool is_extra_allowed(struct chunked *c)
{
    return ++c->extra_bytes <= CHUNKED_EXTRA_MAX;
}

static enum chunk_state chunk_size(struct chunked *c, char byte)
{
    unsigned digit = byte >= '0' && byte <= '9' ? (unsigned)(byte - '0') : 16;
    char folded = (char)(byte | 0x20);
    if (folded >= 'a' && folded <= 'f')
        digit = (unsigned)(folded - 'a' + 10);
    if (digit < 16) {
        c->left = c->left << 4 | digit;
        return ++c->digits <= SIZE_DIGITS_MAX ? CHUNK_SIZE : CHUNK_STATES;
    }
    if (c->digits == 0)
        return CHUNK_STATES;
    return byte == '\r' ? CHUNK_SIZE_LF : byte == ';' ? CHUNK_EXTENSION : CHUNK_STATES;
}

static enum chunk_state text_or_cr(struct chunked *c, char byte, enum chunk_state same,
                                   enum chunk_state behind_cr)
{
    if (byte == '\r')
        return behind_cr;
    bool is_text = http1_is_field_value(str_make(&byte, 1));
    return is_text && is_extra_allowed(c) ? same : CHUNK_STATES;
}

static enum chunk_state chunk_extension(struct chunked *c, char byte)
{
    return text_or_cr(c, byte, CHUNK_EXTENSION, CHUNK_SIZE_LF);
}

static enum chunk_state chunk_size_lf(struct chunked *c, char byte)
{
    c->digits = 0;
    if (byte != '\n')
        return CHUNK_STATES;
    return c->left ? CHUNK_DATA : CHUNK_LINE;
}

static enum chunk_state chunk_data_cr(struct chunked *c, char byte)
{
    (void)c;
    return byte == '\r' ? CHUNK_DATA_LF : CHUNK_STATES;
}

static enum chunk_state chunk_data_lf(struct chunked *c, char byte)
{
    (void)c;
    return byte == '\n' ? CHUNK_SIZE : CHUNK_STATES;
}

static enum chunk_state chunk_name(struct chunked *c, char byte)
{
    if (!is_extra_allowed(c))
        return CHUNK_STATES;
    if (byte == ':')
        return CHUNK_VALUE;
    return http1_is_token(str_make(&byte, 1)) ? CHUNK_NAME : CHUNK_STATES;
}

static enum chunk_state chunk_line(struct chunked *c, char byte)
{
    if (byte == '\r')
        return CHUNK_END_LF;
    return byte == ':' ? CHUNK_STATES : chunk_name(c, byte);
}

static enum chunk_state chunk_value(struct chunked *c, char byte)
{
    return text_or_cr(c, byte, CHUNK_VALUE, CHUNK_VALUE_LF);
}

static enum chunk_state chunk_value_lf(struct chunked *c, char byte)
{
    (void)c;
    return byte == '\n' ? CHUNK_LINE : CHUNK_STATES;
}

static enum chunk_state chunk_end_lf(struct chunked *c, char byte)
{
    c->is_done = byte == '\n';
    return c->is_done ? CHUNK_SIZE : CHUNK_STATES;
}

static chunk_fn *const chunk_steps[CHUNK_STATES] = {
    [CHUNK_SIZE] = chunk_size,         [CHUNK_EXTENSION] = chunk_extension,
    [CHUNK_SIZE_LF] = chunk_size_lf,   [CHUNK_DATA_CR] = chunk_data_cr,
    [CHUNK_DATA_LF] = chunk_data_lf,   [CHUNK_LINE] = chunk_line,
    [CHUNK_NAME] = chunk_name,         [CHUNK_VALUE] = chunk_value,
    [CHUNK_VALUE_LF] = chunk_value_lf, [CHUNK_END_LF] = chunk_end_lf,
};

enum err chunked_next(struct chunked *c, struct str *in, struct str *data)
{
    *data = STR_NONE;
    while (in->len && !c->is_done) {
        if (c->state == CHUNK_STATES)
            return ERR_BAD_HTTP;
        if (c->state == CHUNK_DATA) {
            *data = str_first(*in, HZ_MIN(c->left, in->len));
            *in = str_skip(*in, data->len);
            c->left -= data->len;
            c->state = c->left ? CHUNK_DATA : CHUNK_DATA_CR;
            return OK;
        }
        c->state = (int)chunk_steps[c->state](c, in->at[0]);
        if (c->state == CHUNK_STATES)
            return ERR_BAD_HTTP;
        *in = str_skip(*in, 1);
    }
    return OK;
}

size_t chunked_write_size(char out[CHUNKED_SIZE_MAX], size_t size)
{
    HZ_ASSERT(size > 0);
    size_t len = 1, at;
    for (size_t rest = size >> 4; rest; rest >>= 4)
        len++;
    for (at = len; at > 0; size >>= 4)
        out[--at] = "0123456789abcdef"[size & 15];
    out[len] = '\r';
    out[len + 1] = '\n';
    return len + 2;
}
