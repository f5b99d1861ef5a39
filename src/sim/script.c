#include "sim/script.h"

#include "base/mem.h"
#include "wire/json.h"

struct rule {
    struct str model, path; /* patterns; at = NULL: any */
    int64_t from, to;
    int64_t seen;
    struct behaviour behave;
};

struct script {
    struct arena arena;
    struct rule *rules;
    size_t len;
};

/* '*' stands for any text. */
static bool fits(struct str pattern, struct str s)
{
    if (!pattern.at)
        return true;
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < s.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.len && pattern.at[p] == s.at[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

static bool read_nth(struct str nth, struct rule *r)
{
    r->from = 1;
    r->to = INT64_MAX;
    if (json_is_null(nth))
        return true;
    if (json_kind(nth) != JSON_ARRAY) {
        bool is_number = json_to_i64(nth, &r->from);
        r->to = r->from;
        return is_number && r->from >= 1;
    }
    struct json_iter it;
    struct str from, to;
    json_iter_init(&it, nth);
    return json_len(nth) == 2 && json_next_element(&it, &from) && json_next_element(&it, &to) &&
           json_to_i64(from, &r->from) && (json_is_null(to) || json_to_i64(to, &r->to)) &&
           r->from >= 1;
}

static enum err read_do(struct script *s, struct str what, struct rule *r, struct fail *fail)
{
    behaviour_init(&r->behave);
    if (json_kind(what) == JSON_STRING)
        return behaviour_apply(&r->behave, json_to_str(&s->arena, what), fail);
    if (json_kind(what) != JSON_OBJECT)
        return fail_set(fail, ERR_BAD_REQUEST, "'do' must be words or an object of words");
    struct json_iter it;
    struct str key, value;
    enum err err = OK;
    json_iter_init(&it, what);
    while (!err && json_next_member(&it, &key, &value)) {
        struct str text = json_kind(value) == JSON_STRING ? json_to_str(&s->arena, value) : value;
        err = behaviour_set(&r->behave, json_to_str(&s->arena, key), text, fail);
    }
    return err;
}

static enum err read_rule(struct script *s, struct str json, struct fail *fail)
{
    struct rule *r = &s->rules[s->len];
    struct str match = json_get(json, "match");
    struct json_iter it;
    struct str key, value;
    if (json_kind(json) != JSON_OBJECT || (match.at && json_kind(match) != JSON_OBJECT))
        return fail_set(fail, ERR_BAD_REQUEST, "a rule is an object with 'match' and 'do'");
    json_iter_init(&it, match.at ? match : STR("{}"));
    while (json_next_member(&it, &key, &value)) {
        if (!json_key_is(key, "model") && !json_key_is(key, "path") && !json_key_is(key, "nth"))
            return fail_set(fail, ERR_BAD_REQUEST, "'match' takes model, path and nth");
    }
    r->model = json_to_str(&s->arena, json_get(match, "model"));
    r->path = json_to_str(&s->arena, json_get(match, "path"));
    if (!read_nth(json_get(match, "nth"), r))
        return fail_set(fail, ERR_BAD_REQUEST, "'nth' is a number from 1, or [from, to]");
    s->len++;
    return read_do(s, json_get(json, "do"), r, fail);
}

static enum err read_rules(struct script *s, struct str json, struct fail *fail)
{
    struct fail why = { 0 };
    json = json_trim(json);
    if (json_check(json, &why) != OK)
        return fail_set(fail, ERR_CONFIG, "simulator script: %s", why.text);
    if (json_kind(json) == JSON_OBJECT)
        json = json_get(json, "rules");
    if (json_kind(json) != JSON_ARRAY)
        return fail_set(fail, ERR_CONFIG, "simulator script: it must be a list of rules");
    s->rules = arena_zalloc(&s->arena, json_len(json) * sizeof(struct rule));
    struct json_iter it;
    struct str rule;
    json_iter_init(&it, json);
    for (int number = 1; json_next_element(&it, &rule); number++) {
        if (read_rule(s, rule, &why) != OK)
            return fail_set(fail, ERR_CONFIG, "simulator script, rule %d: %s", number, why.text);
    }
    return OK;
}

enum err script_create(struct str json, struct script **out, struct fail *fail)
{
    struct script *s = MEM_NEW(struct script);
    enum err err = OK;
    if (json_trim(json).len)
        err = read_rules(s, arena_str(&s->arena, json), fail);
    if (err) {
        script_destroy(s);
        return err;
    }
    *out = s;
    return OK;
}

void script_destroy(struct script *s)
{
    if (!s)
        return;
    arena_fini(&s->arena);
    mem_free(s);
}

static struct str copy(struct arena *a, struct str s)
{
    return s.at ? arena_str(a, s) : s;
}

void script_apply(struct script *s, struct arena *a, struct str model, struct str path,
                  struct behaviour *b)
{
    const struct rule *winner = NULL;
    for (size_t i = 0; i < s->len; i++) {
        struct rule *r = &s->rules[i];
        if (!fits(r->model, model) || !fits(r->path, path))
            continue;
        r->seen++;
        if (!winner && r->seen >= r->from && r->seen <= r->to)
            winner = r;
    }
    if (!winner)
        return;
    *b = winner->behave;
    b->finish = copy(a, b->finish);
    b->forbid = copy(a, b->forbid);
    b->region = copy(a, b->region);
}

void script_rewind(struct script *s)
{
    for (size_t i = 0; i < s->len; i++)
        s->rules[i].seen = 0;
}
