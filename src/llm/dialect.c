#include "llm/dialect.h"

static const struct dialect_info infos[DIALECTS] = {
    [DIALECT_OPENAI] = { "", false, false, false, "" },
    [DIALECT_FOUNDRY_V1] = { "/openai/v1", false, true, false, "" },
    [DIALECT_FOUNDRY_MODELS] = { "/models", false, true, true, "2024-05-01-preview" },
    [DIALECT_AZURE_OPENAI] = { "/openai/deployments", true, true, false, "2024-10-21" },
};

const struct dialect_info *dialect_info(enum dialect dialect)
{
    return &infos[dialect];
}

bool dialect_has_base64(const struct provider *p)
{
    return p->kind == PROVIDER_OPENAI || p->dialect == DIALECT_FOUNDRY_V1 ||
           p->dialect == DIALECT_AZURE_OPENAI;
}
