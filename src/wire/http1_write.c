#include "wire/http1.h"

static const struct {
    int status;
    const char *text;
} reasons[] = {
    { 100, "Continue" },
    { 101, "Switching Protocols" },
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 402, "Payment Required" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 424, "Failed Dependency" },
    { 425, "Too Early" },
    { 426, "Upgrade Required" },
    { 428, "Precondition Required" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 499, "Client Closed Request" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
    { 529, "Site Overloaded" },
};

const char *http1_reason(int status)
{
    for (size_t i = 0; i < HZ_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Unknown";
}

static bool is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] <= ' ' || s.at[i] > '~')
            return false;
    }
    return s.len > 0;
}

void http1_write_request_line(struct buf *out, struct str method, struct str target)
{
    HZ_ASSERT(http1_is_token(method) && is_target(target));
    buf_add(out, method);
    buf_add_char(out, ' ');
    buf_add(out, target);
    buf_add(out, STR(" HTTP/1.1\r\n"));
}

void http1_write_status_line(struct buf *out, int status)
{
    HZ_ASSERT(status >= 100 && status <= 599);
    if (status == 200) {
        buf_add(out, STR("HTTP/1.1 200 OK\r\n"));
        return;
    }
    buf_add(out, STR("HTTP/1.1 "));
    buf_add_i64(out, status);
    buf_add_char(out, ' ');
    buf_add(out, str_of(http1_reason(status)));
    buf_add(out, STR("\r\n"));
}

void http1_write_header(struct buf *out, struct str name, struct str value)
{
    HZ_ASSERT(http1_is_token(name) && http1_is_field_value(value));
    buf_add(out, name);
    buf_add(out, STR(": "));
    buf_add(out, value);
    buf_add(out, STR("\r\n"));
}

void http1_write_header_i64(struct buf *out, struct str name, int64_t value)
{
    HZ_ASSERT(http1_is_token(name));
    buf_add(out, name);
    buf_add(out, STR(": "));
    buf_add_i64(out, value);
    buf_add(out, STR("\r\n"));
}
