#include "sim/sim_call.h"

#include <stdio.h>

#include "sim/text.h"
#include "wire/url.h"

static const struct mount {
    const char *prefix;
    enum dialect dialect;
} mounts[] = {
    { "/openai/deployments/", DIALECT_AZURE_OPENAI },
    { "/openai/v1/", DIALECT_FOUNDRY_V1 },
    { "/models/", DIALECT_FOUNDRY_MODELS },
    { "/v1/", DIALECT_OPENAI },
};

static bool find_operation(struct sim_call *c, struct str rest)
{
    bool has_models = c->dialect == DIALECT_OPENAI || c->dialect == DIALECT_FOUNDRY_V1;
    if (str_is(rest, "chat/completions"))
        c->operation = SIM_CHAT;
    else if (str_is(rest, "embeddings"))
        c->operation = SIM_EMBEDDINGS;
    else if (has_models && str_is(rest, "models"))
        c->operation = SIM_MODELS;
    else if (has_models && str_starts(rest, STR("models/")))
        c->operation = SIM_MODEL;
    else
        return false;
    if (c->operation != SIM_MODEL)
        return true;
    return url_decode(c->arena, str_skip(rest, 7), &c->name) == OK && c->name.len > 0;
}

bool sim_call_route(struct sim_call *c)
{
    const struct http_head *head = &c->http->head;
    for (size_t i = 0; i < HZ_LEN(mounts); i++) {
        struct str prefix = str_of(mounts[i].prefix);
        if (!str_starts(head->path, prefix))
            continue;
        c->dialect = mounts[i].dialect;
        struct str rest = str_skip(head->path, prefix.len);
        if (c->dialect == DIALECT_AZURE_OPENAI) {
            struct str deployment = str_cut(&rest, '/');
            if (url_decode(c->arena, deployment, &c->name) != OK || c->name.len == 0)
                return false;
        }
        if (url_query_get(c->arena, head->query, "api-version", &c->api_version) != OK)
            return false;
        return find_operation(c, rest);
    }
    return false;
}

static const struct {
    const char *name, *underlying;
} underlying[] = {
    { "gpt-35-turbo", "gpt-3.5-turbo-0125" },    { "gpt-3.5-turbo", "gpt-3.5-turbo-0125" },
    { "gpt-4-turbo", "gpt-4-turbo-2024-04-09" }, { "gpt-4o", "gpt-4o-2024-11-20" },
    { "gpt-4o-mini", "gpt-4o-mini-2024-07-18" },
};

struct str sim_call_underlying_model(const struct sim_call *c)
{
    if (c->dialect == DIALECT_FOUNDRY_V1 || c->dialect == DIALECT_FOUNDRY_MODELS)
        return c->model;
    for (size_t i = 0; i < HZ_LEN(underlying); i++) {
        if (str_eq_nocase(c->model, str_of(underlying[i].name)))
            return str_of(underlying[i].underlying);
    }
    /* On Azure's classic path the answer never names the deployment. */
    return c->dialect == DIALECT_AZURE_OPENAI ? STR("gpt-4o-2024-11-20") : c->model;
}

void request_id_format(int64_t seq, char out[REQUEST_ID_LEN + 1])
{
    uint64_t seed = (uint64_t)seq;
    uint64_t a = text_random(&seed), b = text_random(&seed);
    snprintf(out, REQUEST_ID_LEN + 1, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xFFFF, (unsigned)a & 0xFFF, (unsigned)(b >> 48) & 0xFFF,
             (unsigned long long)(b & 0xFFFFFFFFFFFF));
}
