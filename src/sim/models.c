#include "sim/sim_call.h"

/* Any other name is served, too; these are what the product asks for. */
static const struct {
    const char *name, *owner;
} models[] = {
    { "deepseek-r1", "deepseek" },
    { "gpt-3.5-turbo", "openai" },
    { "gpt-4-turbo", "openai" },
    { "gpt-4o", "openai" },
    { "gpt-4o-mini", "openai" },
    { "llama-3.3-70b", "meta" },
    { "mistral-large", "mistral" },
    { "phi-4", "microsoft" },
    { "text-embedding-3-large", "openai" },
    { "text-embedding-3-small", "openai" },
};

static void write_model(const char *name, const char *owner, struct buf *out)
{
    buf_addf(out, "{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"%s\"}",
             name, owner);
}

static enum err list(struct task *t, struct sim_call *c)
{
    struct buf body = { 0 };
    buf_add(&body, STR("{\"object\":\"list\",\"data\":["));
    for (size_t i = 0; i < HZ_LEN(models); i++) {
        buf_add(&body, i ? STR(",") : STR(""));
        write_model(models[i].name, models[i].owner, &body);
    }
    buf_add(&body, STR("]}"));
    c->status = 200;
    enum err err =
        http_reply(t, c->http, 200, sim_call_headers(c, "application/json"), buf_str(&body));
    buf_fini(&body);
    return err;
}

enum err models_serve(struct task *t, struct sim_call *c)
{
    struct refusal why;
    if (c->operation == SIM_MODELS)
        return list(t, c);
    for (size_t i = 0; i < HZ_LEN(models); i++) {
        if (!str_is(c->name, models[i].name))
            continue;
        struct buf body = { 0 };
        write_model(models[i].name, models[i].owner, &body);
        c->status = 200;
        enum err err =
            http_reply(t, c->http, 200, sim_call_headers(c, "application/json"), buf_str(&body));
        buf_fini(&body);
        return err;
    }
    refusal_of_status(c->arena, 404, &why);
    return sim_call_refuse(t, c, &why);
}
