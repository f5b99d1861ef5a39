#include "llm/headers.h"

#include "wire/http1.h"

#include <time.h>

enum { DATE_MAX = 40, WAIT_DIGITS_MAX = 9 };
static const int64_t WAIT_MAX_MS =
    999999999000; /* what such a number of seconds is; some thirty years */

/* ---- values ---- */

static bool is_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    }
    return text.len > 0;
}

/* "1.5" of a unit of `scale` milliseconds: 1500 for seconds. False for what is no such number. */
static bool parse_ms(struct str text, int64_t scale, int64_t *out)
{
    int64_t micro;
    struct str fraction = text;
    struct str whole = str_cut(&fraction, '.');
    char shortened[32];
    size_t len = whole.len + (fraction.at ? 1 + HZ_MIN(fraction.len, 6) : 0);
    if (whole.len > WAIT_DIGITS_MAX) {
        *out = WAIT_MAX_MS;
        return is_digits(whole) && (!fraction.at || is_digits(fraction));
    }
    if (len >= sizeof(shortened))
        return false;
    memcpy(shortened, text.at, len);
    if (str_to_scaled(str_make(shortened, len), 6, &micro) || micro < 0)
        return false;
    *out = (micro * scale + 999999) / 1000000;
    return true;
}

/* The three forms of RFC 9110 §5.6.7. */
static bool parse_date(struct str text, int64_t now_ms, int64_t *out_ms)
{
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                         "%a %b %e %H:%M:%S %Y" };
    char copy[DATE_MAX + 1];
    if (text.len == 0 || text.len > DATE_MAX)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    for (size_t i = 0; i < HZ_LEN(forms); i++) {
        struct tm tm = { 0 };
        const char *end = strptime(copy, forms[i], &tm);
        if (!end || *end)
            continue;
        int64_t at_ms = (int64_t)timegm(&tm) * 1000;
        *out_ms = HZ_MAX(at_ms - now_ms, 0);
        return true;
    }
    return false;
}

/* Some services send negative numbers where they do not know: never "exhausted". */
static int64_t parse_remaining(struct str text)
{
    int64_t value;
    return str_to_i64(text, &value) || value < 0 ? -1 : value;
}

/* ---- the header table ---- */

struct limits_reading {
    struct llm_limits *out;
    int64_t now_ms;
    bool has_precise_wait; /* retry-after-ms stands above retry-after */
    bool has_apim_id;
};

typedef void limit_fn(struct limits_reading *in, struct str value);

/* Of several the longest: who keeps to it keeps to all. */
static void read_retry_after_ms(struct limits_reading *in, struct str value)
{
    int64_t wait_ms;
    if (!parse_ms(value, 1, &wait_ms))
        return;
    in->out->retry_after_ms =
        in->has_precise_wait ? HZ_MAX(in->out->retry_after_ms, wait_ms) : wait_ms;
    in->has_precise_wait = true;
}

static void read_retry_after(struct limits_reading *in, struct str value)
{
    int64_t wait_ms;
    if (in->has_precise_wait)
        return;
    if (parse_ms(value, 1000, &wait_ms) || parse_date(value, in->now_ms, &wait_ms))
        in->out->retry_after_ms = HZ_MAX(in->out->retry_after_ms, wait_ms);
}

static void read_remaining_requests(struct limits_reading *in, struct str value)
{
    in->out->remaining_requests = parse_remaining(value);
}

static void read_remaining_tokens(struct limits_reading *in, struct str value)
{
    in->out->remaining_tokens = parse_remaining(value);
}

static void read_region(struct limits_reading *in, struct str value)
{
    in->out->region = value;
}

static void read_apim_request_id(struct limits_reading *in, struct str value)
{
    in->out->request_id = value;
    in->has_apim_id = true;
}

static void read_request_id(struct limits_reading *in, struct str value)
{
    if (!in->has_apim_id)
        in->out->request_id = value;
}

static const struct limit_header {
    struct str name;
    limit_fn *read;
} limit_headers[] = {
    { STR("apim-request-id"), read_apim_request_id },
    { STR("retry-after"), read_retry_after },
    { STR("retry-after-ms"), read_retry_after_ms },
    { STR("x-ms-region"), read_region },
    { STR("x-ratelimit-remaining-requests"), read_remaining_requests },
    { STR("x-ratelimit-remaining-tokens"), read_remaining_tokens },
    { STR("x-request-id"), read_request_id },
};

void llm_limits_read(const struct http_head *head, int64_t now_ms, struct llm_limits *out)
{
    struct limits_reading in = { .out = out, .now_ms = now_ms };
    *out = (struct llm_limits) { .remaining_requests = -1,
                                 .remaining_tokens = -1,
                                 .retry_after_ms = -1 };
    for (size_t i = 0; i < head->headers_len; i++) {
        for (size_t k = 0; k < HZ_LEN(limit_headers); k++) {
            if (str_eq_nocase(head->headers[i].name, limit_headers[k].name))
                limit_headers[k].read(&in, str_trim(head->headers[i].value));
        }
    }
}
