#include "ledger/row.h"

enum { ROW_FORMAT = 1 }; /* first byte of an encoded row */
enum { TEXT_NONE = 0xff };

const enum column name_columns[ROW_NAMES] = {
    COL_DEBIT,      COL_CREDIT, COL_KEY,    COL_FEATURE, COL_PROVIDER,
    COL_DEPLOYMENT, COL_MODEL,  COL_REGION, COL_ERROR,
};

void row_set(struct record *r, const struct transfer *row)
{
    r->row = *row;
    if (!row->correlation_id.at)
        return;
    r->row.correlation_id.at = r->correlation;
    r->row.correlation_id.len =
        text_clean(row->correlation_id, r->correlation, sizeof(r->correlation));
}

void row_numbers(const struct transfer *row, int64_t out[COL_NUMBERS])
{
    out[COL_ID] = 0;
    out[COL_OPERATION_ID] = row->operation_id;
    out[COL_ATTEMPT] = row->attempt;
    out[COL_KIND] = row->kind;
    out[COL_DEBIT] = row->debit_account;
    out[COL_CREDIT] = row->credit_account;
    out[COL_AMOUNT] = row->amount_nusd;
    out[COL_IS_UNPRICED] = row->is_unpriced;
    out[COL_KEY] = row->key;
    out[COL_FEATURE] = row->feature;
    out[COL_PROVIDER] = row->provider;
    out[COL_DEPLOYMENT] = row->deployment;
    out[COL_MODEL] = row->model;
    out[COL_REGION] = row->region;
    out[COL_TIER] = row->tier;
    out[COL_OPERATION] = row->operation;
    out[COL_INPUT] = row->usage.input_tokens;
    out[COL_CACHED] = row->usage.cached_tokens;
    out[COL_CACHE_WRITE] = row->usage.cache_write_tokens;
    out[COL_OUTPUT] = row->usage.output_tokens;
    out[COL_REASONING] = row->usage.reasoning_tokens;
    out[COL_USAGE_SOURCE] = row->usage_source;
    out[COL_STATUS] = row->status;
    out[COL_HTTP_STATUS] = row->http_status;
    out[COL_ERROR] = row->error;
    out[COL_STARTED] = row->started_ms;
    out[COL_DURATION] = row->duration_ms;
    out[COL_FIRST_CONTENT] = row->first_content_ms;
    out[COL_IS_STREAM] = row->is_stream;
    out[COL_IS_FALLBACK] = row->is_fallback;
}

static void from_numbers(const int64_t in[COL_NUMBERS], struct transfer *row)
{
    *row = (struct transfer) {
        .operation_id = in[COL_OPERATION_ID],
        .attempt = (int32_t)in[COL_ATTEMPT],
        .kind = (enum transfer_kind)in[COL_KIND],
        .debit_account = (uint32_t)in[COL_DEBIT],
        .credit_account = (uint32_t)in[COL_CREDIT],
        .amount_nusd = in[COL_AMOUNT],
        .is_unpriced = in[COL_IS_UNPRICED] != 0,
        .key = (uint32_t)in[COL_KEY],
        .feature = (uint32_t)in[COL_FEATURE],
        .provider = (uint32_t)in[COL_PROVIDER],
        .deployment = (uint32_t)in[COL_DEPLOYMENT],
        .model = (uint32_t)in[COL_MODEL],
        .region = (uint32_t)in[COL_REGION],
        .tier = (uint8_t)in[COL_TIER],
        .operation = (uint8_t)in[COL_OPERATION],
        .usage = { in[COL_INPUT], in[COL_CACHED], in[COL_CACHE_WRITE], in[COL_OUTPUT],
                   in[COL_REASONING] },
        .usage_source = (enum usage_source)in[COL_USAGE_SOURCE],
        .status = (enum attempt_status)in[COL_STATUS],
        .http_status = (int32_t)in[COL_HTTP_STATUS],
        .error = (uint32_t)in[COL_ERROR],
        .started_ms = in[COL_STARTED],
        .duration_ms = (int32_t)in[COL_DURATION],
        .first_content_ms = (int32_t)in[COL_FIRST_CONTENT],
        .is_stream = in[COL_IS_STREAM] != 0,
        .is_fallback = in[COL_IS_FALLBACK] != 0,
    };
}

static char *put_text(char *at, struct str text)
{
    size_t len = HZ_MIN(text.len, (size_t)NAME_LEN_MAX);
    *at++ = text.at ? (char)len : (char)TEXT_NONE;
    if (text.at)
        memcpy(at, text.at, len);
    return text.at ? at + len : at;
}

static bool get_text(struct str *bytes, struct str *out)
{
    *out = STR_NONE;
    if (!bytes->len)
        return false;
    size_t len = (unsigned char)*bytes->at;
    *bytes = str_skip(*bytes, 1);
    if (len == TEXT_NONE)
        return true;
    if (len > NAME_LEN_MAX || len > bytes->len)
        return false;
    *out = str_make(bytes->at, len);
    *bytes = str_skip(*bytes, len);
    return true;
}

size_t row_encode(const struct transfer *row, struct names *names, char out[ROW_BYTES_MAX])
{
    int64_t numbers[COL_NUMBERS];
    uint32_t ids[ROW_NAMES];
    struct str texts[ROW_NAMES];
    row_numbers(row, numbers);
    for (size_t i = 0; i < ROW_NAMES; i++)
        ids[i] = (uint32_t)numbers[name_columns[i]];
    names_texts(names, ids, texts, ROW_NAMES);

    char *at = out;
    *at++ = ROW_FORMAT;
    memcpy(at, numbers, sizeof(numbers)); /* only read on the machine that wrote it */
    at += sizeof(numbers);
    for (size_t i = 0; i < ROW_NAMES; i++)
        at = put_text(at, texts[i]);
    at = put_text(at, row->correlation_id);
    return (size_t)(at - out);
}

enum err row_decode(struct str bytes, struct names *names, struct record *out)
{
    int64_t numbers[COL_NUMBERS];
    struct str text;
    if (bytes.len < 1 + sizeof(numbers) || *bytes.at != ROW_FORMAT)
        return ERR_IO;
    memcpy(numbers, bytes.at + 1, sizeof(numbers));
    bytes = str_skip(bytes, 1 + sizeof(numbers));
    for (size_t i = 0; i < ROW_NAMES; i++) {
        if (!get_text(&bytes, &text))
            return ERR_IO;
        numbers[name_columns[i]] = names_intern(names, text);
    }
    if (!get_text(&bytes, &text))
        return ERR_IO;
    struct transfer row;
    from_numbers(numbers, &row);
    row.correlation_id = text;
    row_set(out, &row);
    return OK;
}
