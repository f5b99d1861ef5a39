#include "llm/prompt.h"

#include "llm/count.h"
#include "llm/key.h"
#include "llm/refuse.h"

#include <stdio.h>

#define ROLES_ALLOWED "system, developer, user, assistant, tool, function"

struct checking {
    struct fail *fail;
    struct prompt_facts facts;
    bool has_prompt;
    size_t message;
    size_t part;
};

/* Refuses member `name` (NULL: the message itself) of the message at hand. */
static enum err refuse_member(const struct checking *c, const char *name, const char *text)
{
    char param[64];
    if (name)
        snprintf(param, sizeof(param), "messages[%zu].%s", c->message, name);
    else
        snprintf(param, sizeof(param), "messages[%zu]", c->message);
    return refuse(c->fail, param, "%s", text);
}

static enum err refuse_part(const struct checking *c, const char *name, const char *text)
{
    char param[64];
    snprintf(param, sizeof(param), "messages[%zu].content[%zu]%s", c->message, c->part, name);
    return refuse(c->fail, param, "%s", text);
}

static bool has_text(struct str value)
{
    return value.len > 2 && str_trim(str_make(value.at + 1, value.len - 2)).len > 0;
}

static enum err check_image(struct checking *c, struct str part)
{
    struct str image = json_get(part, "image_url");
    struct str url = json_kind(image) == JSON_OBJECT ? json_get(image, "url") : image;
    c->facts.has_images = c->has_prompt = true;
    c->facts.image_bytes += (int64_t)url.len;
    if (json_kind(url) != JSON_STRING || !has_text(url))
        return refuse_part(c, ".image_url.url", "must be a string: a data URL or an address");
    return OK;
}

static enum err check_part(struct checking *c, struct str part)
{
    if (json_kind(part) != JSON_OBJECT)
        return refuse_part(c, "", "must be an object");
    struct str type = json_get(part, "type");
    if (json_kind(type) != JSON_STRING)
        return refuse_part(c, ".type", "must be a string, such as text or image_url");
    bool is_text = str_is(type, "\"text\"");
    c->facts.media += is_text ? 0 : 1;
    if (str_is(type, "\"image_url\""))
        return check_image(c, part);
    if (!is_text) {
        c->has_prompt = true;
        return OK;
    }
    struct str text = json_get(part, "text");
    c->has_prompt |= has_text(text);
    return json_kind(text) == JSON_STRING ? OK : refuse_part(c, ".text", "must be a string");
}

static enum err check_content(struct checking *c, struct str content)
{
    enum json_kind kind = json_kind(content);
    if (kind == JSON_STRING) {
        c->has_prompt |= has_text(content);
        return OK;
    }
    if (kind == JSON_NULL)
        return OK;
    if (kind != JSON_ARRAY)
        return refuse_member(c, "content", "must be a string, an array of parts or null");
    struct json_iter it;
    struct str part;
    json_iter_init(&it, content);
    for (c->part = 0; json_next_element(&it, &part); c->part++) {
        enum err err = check_part(c, part);
        if (err)
            return err;
    }
    return OK;
}

static enum err check_role(const struct checking *c, struct str role)
{
    static const char *const roles[] = {
        "\"user\"", "\"assistant\"", "\"system\"", "\"tool\"", "\"developer\"", "\"function\"",
    };
    for (size_t i = 0; i < HZ_LEN(roles); i++) {
        if (str_is(role, roles[i]))
            return OK;
    }
    return refuse_member(c, "role", "must be one of " ROLES_ALLOWED);
}

static enum err check_message(struct checking *c, struct str message)
{
    struct json_iter it;
    struct str raw, value;
    enum err err = OK;
    struct str role = STR_NONE, content = STR_NONE;

    if (json_kind(message) != JSON_OBJECT)
        return refuse_member(c, NULL, "must be an object with role and content");
    json_iter_init(&it, message);
    while (!err && json_next_member(&it, &raw, &value)) {
        struct key key = key_of(raw);
        if (KEY_IS(key, "role")) {
            role = value;
            err = check_role(c, value);
        } else if (KEY_IS(key, "content")) {
            content = value;
            err = check_content(c, value);
        } else if (KEY_IS(key, "tool_calls") && !json_is_null(value)) {
            if (json_kind(value) != JSON_ARRAY)
                return refuse_member(c, "tool_calls", "must be an array");
            c->has_prompt |= json_len(value) > 0;
        }
    }
    if (str_is(role, "\"user\""))
        c->facts.asked = content;
    c->facts.has_prefill = str_is(role, "\"assistant\"");
    if (!err && !role.at)
        return refuse_member(c, "role", "is required: one of " ROLES_ALLOWED);
    return err;
}

enum err prompt_check_messages(struct str messages, struct prompt_facts *out, struct fail *fail)
{
    struct checking c = { .fail = fail };
    struct json_iter it;
    struct str message;
    json_iter_init(&it, messages);
    for (; json_next_element(&it, &message); c.message++) {
        enum err err = check_message(&c, message);
        if (err)
            return err;
    }
    *out = c.facts;
    if (c.message == 0)
        return refuse(fail, "messages", "must hold at least one message");
    if (!c.has_prompt)
        return refuse(fail, "messages", "must not be empty: no message has any content");
    return OK;
}

/* ---- embeddings ---- */

static bool is_tokens(struct str array)
{
    struct json_iter it;
    struct str token;
    int64_t number;
    size_t len = 0;
    json_iter_init(&it, array);
    for (; json_next_element(&it, &token); len++) {
        if (!json_to_i64(token, &number) || number < 0)
            return false;
    }
    return len > 0;
}

static bool is_input_item(struct str item, enum json_kind kind)
{
    if (json_kind(item) != kind)
        return false;
    return kind == JSON_STRING ? item.len > 2 : is_tokens(item);
}

enum err prompt_check_input(struct str input, struct fail *fail)
{
    static const char *const allowed =
        "must be a text, an array of at most 2048 texts, or tokens; none may be empty";
    if (json_kind(input) == JSON_STRING)
        return input.len > 2 ? OK : refuse(fail, "input", "%s", allowed);
    struct json_iter it;
    struct str item;
    json_iter_init(&it, input);
    if (!json_next_element(&it, &item))
        return refuse(fail, "input", "%s", allowed);
    enum json_kind kind = json_kind(item);
    if (kind == JSON_NUMBER)
        return is_tokens(input) ? OK : refuse(fail, "input", "%s", allowed);
    size_t len = 0;
    if (kind != JSON_STRING && kind != JSON_ARRAY)
        return refuse(fail, "input", "%s", allowed);
    do {
        if (!is_input_item(item, kind) || ++len > PROMPT_INPUTS_MAX)
            return refuse(fail, "input", "%s", allowed);
    } while (json_next_element(&it, &item));
    return OK;
}

int64_t prompt_count_input(struct str input)
{
    if (json_kind(input) == JSON_STRING) {
        struct token_counter c = { 0 };
        token_count_add_json(&c, input);
        return token_count_total(&c);
    }
    int64_t tokens = 0;
    struct json_iter it;
    struct str item;
    json_iter_init(&it, input);
    while (json_next_element(&it, &item)) {
        struct token_counter c = { 0 };
        if (json_kind(item) == JSON_STRING)
            token_count_add_json(&c, item);
        else
            c.millitokens = json_kind(item) == JSON_ARRAY ? (int64_t)json_len(item) * 1000 : 1000;
        tokens += token_count_total(&c);
    }
    return tokens;
}
